// The one player: it stays at the foot of every page, and goes on where it was after a link is followed.
import { clock } from "./numbers.js";

const KEPT = "player";
const SPEEDS = [1, 1.25, 1.5, 2, 0.75];
const bar = document.getElementById("player");
const part = (name) => bar.querySelector(`[data-player="${name}"]`);
export const audio = new Audio();
audio.preload = "metadata";
let now = null; // {src, title, book, href}
let waitingFor = null; // seconds to seek to, once the length is known

/** Play `track` from `at` seconds (null: where it is), or pause it when it is playing and `at` is null. */
export function play(track, at = null) {
  if (now?.src !== track.src) load(track, at ?? 0);
  else if (at !== null) seek(at);
  else if (!audio.paused) return audio.pause();
  audio.play().catch(() => {}); // refused until a person presses play
}

export const isLoaded = (src) => now !== null && now.src === src;

export function toggle() {
  if (!now) return;
  if (audio.paused) audio.play().catch(() => {});
  else audio.pause();
}

function load(track, at) {
  now = track;
  audio.src = track.src;
  audio.playbackRate = audio.defaultPlaybackRate;
  waitingFor = at || null;
  show();
}

function seek(at) {
  if (audio.readyState) audio.currentTime = at;
  else waitingFor = at;
}

function show() {
  bar.hidden = false;
  part("title").textContent = now.title;
  part("title").href = now.href;
  part("book").textContent = now.book;
  part("speed").textContent = `${audio.playbackRate}×`;
  mark();
}

/** Show the state on every button of this track. */
function mark() {
  bar.toggleAttribute("data-playing", !audio.paused);
  for (const button of document.querySelectorAll("[data-play]")) {
    button.toggleAttribute("data-playing", !audio.paused && isLoaded(button.dataset.play));
  }
}

function tick() {
  const length = Number.isFinite(audio.duration) ? audio.duration : 0;
  part("at").textContent = clock(audio.currentTime);
  part("length").textContent = length ? clock(length) : "–";
  if (document.activeElement !== part("seek") || !audio.paused) {
    part("seek").value = length ? (1000 * audio.currentTime) / length : 0;
  }
  part("seek").setAttribute("aria-valuetext", clock(audio.currentTime));
}

function keep() {
  if (!now) return sessionStorage.removeItem(KEPT);
  const kept = { now, at: audio.currentTime, playing: !audio.paused, speed: audio.playbackRate };
  sessionStorage.setItem(KEPT, JSON.stringify(kept));
}

function resume() {
  const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
  if (!kept) return;
  audio.defaultPlaybackRate = kept.speed;
  load(kept.now, kept.at);
  if (kept.playing) audio.play().catch(() => {});
}

function start() {
  audio.addEventListener("loadedmetadata", () => {
    if (waitingFor !== null) audio.currentTime = waitingFor;
    waitingFor = null;
    tick();
  });
  for (const name of ["play", "pause", "ended"]) audio.addEventListener(name, mark);
  for (const name of ["timeupdate", "seeked", "durationchange"]) audio.addEventListener(name, tick);
  part("toggle").addEventListener("click", toggle);
  part("seek").addEventListener("input", () => seek((part("seek").value / 1000) * (audio.duration || 0)));
  part("speed").addEventListener("click", () => {
    audio.defaultPlaybackRate = audio.playbackRate = SPEEDS[(SPEEDS.indexOf(audio.playbackRate) + 1) % SPEEDS.length];
    part("speed").textContent = `${audio.playbackRate}×`;
  });
  part("close").addEventListener("click", () => {
    audio.pause();
    now = null;
    bar.hidden = true;
    mark();
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-play]");
    if (button) play({ src: button.dataset.play, ...button.dataset });
  });
  document.addEventListener("redrawn", mark);
  addEventListener("pagehide", keep);
  resume();
}

if (bar) start();
