// The workers' pages: drawn anew every few seconds, a new line to copy, settings that save themselves.
import { call } from "./api.js";
import { notice } from "./notices.js";
import { fill } from "./numbers.js";
import { refresh } from "./refresh.js";
import { schedule } from "./week.js";

const POLL_MS = 2500;
const SHARE = 15; // a page of many workers is asked for at most a fifteenth of the time
let timer = null;

async function watch() {
  const since = performance.now();
  if (!document.hidden) await refresh();
  timer = setTimeout(watch, Math.max(POLL_MS, SHARE * (performance.now() - since)));
}

/** What the fields that workers and tokens share are set to. */
function described(form) {
  const { tags, gpu_class: gpuClass } = form.elements;
  return {
    tags: tags.value.split(/[,，、;\s]+/u).filter(Boolean),
    projects: [...form.querySelectorAll("[name=projects]:checked")].map((box) => Number(box.value)),
    schedule: schedule(form.querySelector("[data-week]")),
    gpu_class: gpuClass.value,
  };
}

async function save(form) {
  if (await call("PATCH", form.dataset.worker, described(form))) notice(form.dataset.thanks);
}

async function define(form) {
  const { name, engine, approval, ephemeral, most_uses: uses, lives_s: lives } = form.elements;
  const asked = {
    ...described(form),
    name: name.value.trim(),
    engine: engine.value,
    approval: approval.checked,
    ephemeral: ephemeral.checked,
    most_uses: Number(uses.value),
    lives_s: Number(lives.value),
  };
  const made = await call("POST", "/api/v1/join-tokens", asked);
  if (!made) return;
  form.hidden = true;
  show(made);
  history.replaceState(null, "", `?name=${made.name}&since=${encodeURIComponent(made.created_at)}`);
  await refresh();
}

function show(made) {
  const box = document.getElementById("line");
  const until = new Date(made.expires_at);
  const today = until.toDateString() === new Date().toDateString();
  const format = today ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" };
  const words = made.most_uses === 1 ? box.dataset.once : box.dataset.often;
  const says = new Intl.DateTimeFormat(document.documentElement.lang, format).format(until);
  box.querySelector("[data-lasts]").textContent = fill(words, { until: says, n: made.most_uses });
  box.querySelector("textarea").value = made.line;
  box.hidden = false;
  box.querySelector("button").focus();
}

/** The clipboard of a page without TLS is closed; the selection can still be copied. */
async function copy(button) {
  const line = button.parentElement.querySelector("textarea");
  line.select();
  const copied = await navigator.clipboard?.writeText(line.value).then(() => true, () => false);
  if (copied || document.execCommand("copy")) notice(button.dataset.copied);
}

async function block(form) {
  const { worker, reason } = form.elements;
  const asked = { worker: Number(worker.value), reason: reason.value };
  if (!(await call("POST", form.dataset.block, asked))) return;
  document.activeElement.blur(); // a part in which somebody types is not redrawn
  refresh();
}

/** The menu of a card, made when it is opened. */
function wishes(menu) {
  menu.querySelector(".sheet")?.remove();
  const sheet = document.getElementById("wishes").content.firstElementChild.cloneNode(true);
  const { wishes: id, name, desired } = menu.dataset;
  for (const it of sheet.querySelectorAll("a, button")) {
    for (const at of ["href", "data-call", "data-confirm"]) {
      if (it.hasAttribute(at)) it.setAttribute(at, fill(it.getAttribute(at), { id, name }));
    }
    const now = it.dataset.desired === desired && it.hasAttribute("data-at-once") === menu.hasAttribute("data-at-once");
    if (it.dataset.desired) it.ariaPressed = String(now);
  }
  menu.append(sheet);
}

document.addEventListener("toggle", ({ target }) => target.matches?.("[data-wishes][open]") && wishes(target), true);
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("#add, [data-worker], [data-block]")) return;
  event.preventDefault();
  if (form.id === "add") define(form);
  if (form.dataset.block) block(form);
});
document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-worker]");
  if (form && form.reportValidity()) save(form);
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copied]");
  if (button) copy(button);
  const menu = event.target.closest(".wishes button")?.closest("details");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});
for (const button of document.querySelectorAll("#add [disabled]")) button.disabled = false; // who was faster would get no line
if (document.querySelector("[data-watched]")) {
  timer = setTimeout(watch, POLL_MS);
  addEventListener("pagehide", () => clearTimeout(timer));
}
