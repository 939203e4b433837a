// Live progress: server-sent events while the page is seen, asking now and then where there are none.
import { drawForecast, drawForecasts } from "./forecasts.js";
import { fill, hours, percent } from "./numbers.js";
import { refresh } from "./refresh.js";

const POLL_MS = 3000;
const POLLS = 10; // before the stream is tried again
const REDRAW_MS = 700;
const SETTLE_MS = 600; // who only passes through a page opens no stream
const root = document.querySelector("[data-stream]");
let source = null;
let timer = null;
let redraw = null;

function open() {
  close();
  source = new EventSource(root.dataset.stream);
  source.addEventListener("project", (event) => apply(JSON.parse(event.data)));
  source.addEventListener("farm", (event) => farm(JSON.parse(event.data)));
  source.onerror = () => {
    if (source?.readyState === EventSource.CLOSED) poll(); // refused: too many pages are open
  };
}

function close() {
  source?.close();
  source = null;
  clearTimeout(timer);
}

async function poll(left = POLLS) {
  const answer = await fetch(root.dataset.poll, { headers: { Accept: "application/json" } }).catch(() => null);
  if (answer?.ok) for (const project of [await answer.json()].flat()) apply(project);
  timer = left ? setTimeout(poll, POLL_MS, left - 1) : setTimeout(open, POLL_MS);
}

const place = (id) => document.querySelector(`[data-project="${id}"]`);

function apply(news) {
  const live = { ...news, ...news.progress };
  const shown = place(live.id);
  if (!shown) return soon();
  if (shown.dataset.state !== live.state) return soon();
  if (live.strip.some((piece) => isNew(shown, piece)) || releasesChanged(shown, live)) soon();
  numbers(shown, live);
  for (const piece of live.strip) {
    for (const drawn of shown.querySelectorAll(`[data-chapter="${piece.id}"]`)) drawn.style.setProperty("--share", piece.share);
  }
  if (shown.dataset.watch && shareChanged(shown, live)) soon();
}

const stateOf = (piece) => (piece.failed ? "failed" : piece.state);

function isNew(shown, piece) {
  const drawn = shown.querySelector(`[data-chapter="${piece.id}"]`);
  return drawn ? drawn.dataset.state !== stateOf(piece) : false;
}

function releasesChanged(shown, live) {
  const before = shown.dataset.releases;
  shown.dataset.releases = live.releases;
  return before !== undefined && before !== String(live.releases);
}

function shareChanged(shown, live) {
  const piece = live.strip.find((it) => String(it.id) === shown.dataset.watch);
  const now = piece ? `${piece.state} ${piece.share} ${piece.failed}` : "";
  const changed = shown.dataset.seen !== undefined && shown.dataset.seen !== now;
  shown.dataset.seen = now;
  return changed;
}

function numbers(shown, live) {
  const put = (name, words) => {
    const element = shown.querySelector(`[data-live="${name}"]`);
    if (element && element.textContent !== words) element.textContent = words;
  };
  put("share", percent(live.share));
  put("why", live.why?.text ?? "");
  const done = shown.querySelector("[data-live=hours]");
  if (done) put("hours", fill(done.dataset.template, { done: hours(live.done_s), total: hours(live.total_s) }));
  drawForecast(shown, live);
}

function farm(news) {
  const dot = document.querySelector(".farm .dot");
  if (dot && dot.dataset.word !== news.word) soon();
}

/** Redraw, at most once in a while: a change of state changes buttons and files too. */
function soon() {
  redraw ??= setTimeout(async () => {
    await refresh();
    redraw = null;
  }, REDRAW_MS);
}

drawForecasts();
document.addEventListener("redrawn", drawForecasts);
if (root) {
  timer = setTimeout(open, SETTLE_MS);
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  addEventListener("pagehide", close);
}
