// A chapter's passages: j/k move, space plays, r renders again, / searches; the one being heard is marked.
import { audio, isLoaded, play, toggle } from "./player.js";
import { remember } from "./refresh.js";
import { waveforms } from "./waveform.js";

const list = document.querySelector(".segments");
const search = document.getElementById("search");
const rows = () => [...list.children].filter((row) => !row.hidden);
const current = () => list.querySelector("[aria-current]");

function choose(row, { focus = true } = {}) {
  if (!row) return;
  const old = current();
  old?.removeAttribute("aria-current");
  if (old) old.tabIndex = -1;
  row.setAttribute("aria-current", "true");
  row.tabIndex = 0;
  if (focus) row.focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
}

function move(step) {
  const all = rows();
  const at = all.indexOf(current());
  choose(all[Math.min(Math.max(at + step, 0), all.length - 1)]);
}

/** The finished chapter, where a passage has its place in it. */
const whole = (row) => row.dataset.start && document.querySelector("[data-part=chapterdoing] [data-play]")?.dataset.play;

function track(row) {
  const { title, book, href } = list.dataset;
  return { src: whole(row) || row.dataset.audio, title, book, href };
}

/** Hear a passage: from its place in the finished chapter, or its take alone, and then the next ones. */
function hear(row) {
  if (!row?.dataset.audio) return;
  const heard = row.hasAttribute("data-heard") && isLoaded(track(row).src);
  choose(row, { focus: false });
  if (heard) toggle();
  else play(track(row), whole(row) ? Number(row.dataset.start) : 0);
}

/** Mark the passage that the player is in. */
function follow() {
  const at = audio.currentTime + 0.05;
  let found = null;
  for (const row of list.children) {
    if (isLoaded(whole(row)) ? Number(row.dataset.start) <= at : isLoaded(row.dataset.audio)) found = row;
  }
  for (const row of list.children) {
    const heard = row === found;
    if (row.hasAttribute("data-heard") !== heard) {
      row.toggleAttribute("data-heard", heard);
      if (heard && !audio.paused) row.scrollIntoView({ block: "nearest" });
    }
    row.querySelector(".play").toggleAttribute("data-playing", heard && !audio.paused);
  }
}

function goOn() {
  const at = [...list.children].findIndex((row) => isLoaded(row.dataset.audio));
  const next = list.children[at + 1];
  if (at >= 0 && next?.dataset.audio) hear(next);
}

function find() {
  const wanted = search.value.trim().toLowerCase();
  for (const row of list.children) {
    const text = row.querySelector(".text");
    const said = text.firstChild;
    for (const old of text.querySelectorAll("mark")) old.replaceWith(old.textContent);
    text.normalize();
    const at = wanted ? (text.firstChild ?? said).data.toLowerCase().indexOf(wanted) : -1;
    row.hidden = Boolean(wanted) && at < 0;
    if (at >= 0) highlight(text.firstChild, at, wanted.length);
  }
}

function highlight(text, at, length) {
  const found = text.splitText(at);
  found.splitText(length);
  const mark = document.createElement("mark");
  found.replaceWith(mark);
  mark.append(found);
}

async function more(link) {
  link.setAttribute("aria-busy", "true");
  const answer = await fetch(link.href).catch(() => null);
  link.removeAttribute("aria-busy");
  if (!answer?.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.querySelector(".segments");
  remember(fresh);
  const added = [...fresh.children];
  list.append(...added);
  waveforms(added);
  const next = page.querySelector("[data-more]");
  if (next) link.href = next.href;
  else link.remove();
}

const KEYS = {
  j: () => move(1),
  k: () => move(-1),
  ArrowDown: () => move(1),
  ArrowUp: () => move(-1),
  " ": () => hear(current() ?? rows()[0]),
  r: () => current()?.querySelector("[data-retry]")?.click(),
  d: () => current()?.querySelector("[data-direct]")?.click(),
  "/": () => search.focus(),
};

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target === search && event.key === "Escape") {
    search.value = "";
    find();
    return choose(current() ?? rows()[0]);
  }
  if (event.target.closest("input, textarea, select, dialog")) return;
  if (event.key === " " && event.target.closest("button, a, summary")) return;
  if (event.key.startsWith("Arrow") && !list.contains(event.target)) return;
  if (!KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
}

if (list) {
  if (list.firstElementChild) list.firstElementChild.tabIndex = 0;
  waveforms(list.children);
  list.addEventListener("click", (event) => {
    const row = event.target.closest(".segments > li");
    if (event.target.closest("[data-segment]")) hear(row);
    else if (row && !getSelection().toString() && !event.target.closest("button")) choose(row);
  });
  document.addEventListener("keydown", pressed);
  search.addEventListener("input", find);
  document.querySelector("[data-more]")?.addEventListener("click", (event) => {
    event.preventDefault();
    more(event.currentTarget);
  });
  for (const name of ["timeupdate", "play", "pause", "seeked"]) audio.addEventListener(name, follow);
  audio.addEventListener("ended", goOn);
  document.addEventListener("redrawn", () => {
    waveforms([...list.children].filter((row) => !row.querySelector(".wave").dataset.drawn));
    follow();
  });
}
