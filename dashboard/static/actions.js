// Buttons that act: data-call="POST /api/…" and data-body, asked first where data-confirm says so.
import { call } from "./api.js";
import { notice } from "./notices.js";
import { refresh } from "./refresh.js";

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-call]");
  if (!button || button.getAttribute("aria-busy") === "true") return;
  if (button.dataset.confirm && !(await confirmed(button))) return;
  button.setAttribute("aria-busy", "true");
  const [method, path] = button.dataset.call.split(" ");
  const body = button.dataset.body && JSON.parse(button.dataset.body);
  const answer = await call(method, path, body);
  button.removeAttribute("aria-busy");
  if (!answer) return;
  if (button.dataset.thanks) notice(button.dataset.thanks);
  if (button.dataset.then) location.assign(button.dataset.then);
  else refresh();
});

function confirmed(button) {
  const dialog = document.getElementById("confirm");
  dialog.querySelector("p").textContent = button.dataset.confirm;
  dialog.querySelector("[value=yes]").textContent = button.dataset.confirmLabel;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

// An open menu closes on Escape and on a click elsewhere.
const menus = () => document.querySelectorAll("details.farm[open], details.menu[open]");
document.addEventListener("click", (event) => {
  for (const menu of menus()) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") for (const menu of menus()) menu.open = false;
});
