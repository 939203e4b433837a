// The review: ticks, new titles, a look at the text, voices, mastering, and what it will come to.
import { call } from "./api.js";
import { fill, number, roughly } from "./numbers.js";

const list = document.querySelector("[data-ticks]");
const rows = () => [...list.querySelectorAll("[data-id]")];
const tick = (row) => row.querySelector("input[type=checkbox]");

/** About how much audio is ticked, and how long this farm needs for it. */
function estimate() {
  const ticked = rows().filter((row) => tick(row).checked);
  const seconds = ticked.reduce((sum, row) => sum + Number(row.dataset.seconds), 0);
  const box = document.querySelector(".estimate");
  const [audio, farm] = [box.querySelector("[data-audio]"), box.querySelector("[data-farm]")];
  audio.textContent = fill(audio.dataset.template, { audio: roughly(seconds) });
  const grown = seconds / Number(box.dataset.counted); // since the server counted what is ticked
  if (box.dataset.soonest && grown) {
    const [from, to] = [box.dataset.soonest, box.dataset.latest].map((known) => roughly(known * grown));
    farm.textContent = fill(farm.dataset.template, { from, to });
  }
  const count = document.querySelector("[data-count]");
  count.textContent = fill(count.dataset.template, { n: number(ticked.length), all: number(rows().length) });
  document.getElementById("start").disabled = ticked.length === 0;
}

async function include(changed, included) {
  for (const row of changed) tick(row).checked = included;
  estimate();
  const ids = changed.map((row) => Number(row.dataset.id));
  if (await call("PATCH", list.dataset.ticks, { ids, included })) return;
  for (const row of changed) tick(row).checked = !included;
  estimate();
}

async function peek(button) {
  const row = button.closest("[data-id]");
  const shown = row.querySelector(".preview");
  button.setAttribute("aria-expanded", String(!shown));
  if (shown) return shown.remove();
  const chapter = await call("GET", button.dataset.peek);
  if (!chapter || row.querySelector(".preview")) return;
  const text = document.createElement("div");
  text.className = "preview";
  text.tabIndex = 0;
  text.textContent = chapter.text + (chapter.text.length < chapter.characters ? " …" : "");
  row.append(text);
}

let lastTicked = null;

function ticked(event) {
  const row = event.target.closest("[data-id]");
  const all = rows();
  const [from, to] = [all.indexOf(lastTicked), all.indexOf(row)];
  const range = event.shiftKey && from >= 0 ? all.slice(Math.min(from, to), Math.max(from, to) + 1) : [row];
  lastTicked = row;
  include(range, event.target.checked);
}

async function cast(form) {
  const chosen = [...new FormData(form)].filter(([, voice]) => voice);
  await call("PATCH", form.dataset.cast, { cast: Object.fromEntries(chosen) });
}

async function mastering(form) {
  const settings = { pauses_ms: {} };
  for (const [name, value] of new FormData(form)) {
    const [group, item] = name.split(".");
    if (item) settings[group][item] = Number(value);
    else settings[name] = Number(value);
  }
  await call("PATCH", form.dataset.mastering, { mastering: settings });
}

if (list) {
  estimate();
  document.addEventListener("redrawn", estimate);
  list.addEventListener("click", (event) => {
    if (event.target.matches("input[type=checkbox]")) ticked(event);
    if (event.target.closest("[data-peek]")) peek(event.target.closest("[data-peek]"));
  });
  list.addEventListener("change", (event) => {
    const field = event.target;
    if (field.dataset.rename) call("PATCH", field.dataset.rename, { title: field.value });
  });
  list.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.matches(".rename")) event.target.blur();
  });
  for (const button of document.querySelectorAll("[data-tick]")) {
    const included = button.dataset.tick === "all";
    button.addEventListener("click", () => include(rows().filter((row) => tick(row).checked !== included), included));
  }
  document.querySelector("[data-cast]").addEventListener("change", (event) => cast(event.currentTarget));
  document.querySelector("[data-mastering]").addEventListener("change", (event) => {
    if (event.currentTarget.reportValidity()) mastering(event.currentTarget);
  });
}
