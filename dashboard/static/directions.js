// How roles and single passages are to be spoken: sliders that say their numbers, saved when they are left.
import { call } from "./api.js";
import { notice } from "./notices.js";
import { refresh } from "./refresh.js";

const form = document.querySelector("[data-directions]");
const dialog = document.getElementById("direct");
const fields = (box) => [...box.querySelectorAll("[name]")];

/** What is asked for, as the API has it: only what differs from usual. */
function asked(box) {
  const direction = {};
  for (const { name, value, type, dataset } of fields(box)) {
    if (value.trim() === dataset.usual || (type === "range" && Number(value) === Number(dataset.usual))) continue;
    const plain = type === "range" || type === "number" ? Number(value) : value.trim();
    const [group, item] = name.split(".");
    if (item) direction[group] = { ...direction[group], [item]: plain };
    else direction[name] = plain;
  }
  return direction;
}

function fill(box, direction) {
  for (const field of fields(box)) {
    const [group, item] = field.name.split(".");
    const value = item ? direction[group]?.[item] : direction[group];
    field.value = value ?? field.dataset.usual;
    tell(field);
  }
}

function tell(field) {
  const shown = field.parentElement.querySelector("output");
  if (shown) shown.textContent = Number(field.value).toFixed(2);
}

function warn(list, warnings = []) {
  list.replaceChildren(
    ...warnings.map(({ text }) => Object.assign(document.createElement("li"), { textContent: text })),
  );
}

async function save() {
  const roles = [...form.querySelectorAll("[data-role]")];
  const said = roles.map((box) => [box.dataset.role, asked(box)]);
  const directed = said.filter(([, direction]) => Object.keys(direction).length);
  for (const box of roles) box.toggleAttribute("data-directed", directed.some(([role]) => role === box.dataset.role));
  const saved = await call("PATCH", form.dataset.directions, { directions: Object.fromEntries(directed) });
  if (!saved) return;
  for (const box of roles) warn(box.querySelector("[data-warnings]"), saved.warnings[box.dataset.role]);
}

let path = "";

function open(button) {
  path = button.dataset.direct;
  dialog.returnValue = "";
  fill(dialog, JSON.parse(button.dataset.direction));
  dialog.showModal();
}

async function direct() {
  const how = dialog.returnValue;
  if (how !== "yes" && how !== "role") return;
  const said = how === "yes" ? await call("PUT", path, asked(dialog)) : await call("DELETE", path);
  if (!said) return;
  for (const { text } of said.warnings) notice(text);
  if (said.state !== "done") notice(dialog.dataset.thanks);
  refresh();
}

document.addEventListener("input", (event) => {
  if (event.target.matches("input[type=range]") && event.target.closest(".direction")) tell(event.target);
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-direct]");
  if (button) open(button);
});
form?.addEventListener("change", () => form.reportValidity() && save());
form?.addEventListener("submit", (event) => event.preventDefault());
dialog?.addEventListener("close", direct);
