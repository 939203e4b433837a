// When a project will be done, against its deadline, and what one more worker would change.
import { fill, roughly, timeOfDay } from "./numbers.js";

const known = (value) => value !== null && value !== undefined && value !== "";

function put(element, words) {
  if (element && element.textContent !== words) element.textContent = words;
}

export function drawEta(element, soonest, latest) {
  const times = known(soonest) && { from: timeOfDay(Number(soonest)), to: timeOfDay(Number(latest)) };
  put(element, times ? fill(element.dataset.template, times) : "");
}

/** A deadline that will be missed is among the reasons already. */
function drawDeadline(element, spare) {
  const early = known(spare) && Number(spare) >= 0;
  put(element, early ? fill(element.dataset.template, { time: roughly(Number(spare)) }) : "");
}

function drawMore(element, more) {
  if (!more) return put(element, "");
  const template = more.in_time ? "inTime" : more.measured ? "exact" : "about";
  put(element, fill(element.dataset[template], { card: more.title, time: timeOfDay(more.latest_s) }));
}

/** Draw what a project's news say; `shown` is its element. */
export function drawForecast(shown, news) {
  const find = (name) => shown.querySelector(`[data-live="${name}"]`);
  const [eta, deadline, more] = ["eta", "deadline", "more"].map(find);
  if (eta) drawEta(eta, news.soonest_s, news.latest_s);
  if (deadline) drawDeadline(deadline, news.forecast.spare_s);
  if (more) drawMore(more, news.forecast.one_more);
}

/** Draw what the server wrote into the page. */
export function drawForecasts() {
  for (const element of document.querySelectorAll("[data-live=eta][data-soonest]")) {
    drawEta(element, element.dataset.soonest, element.dataset.latest);
  }
  for (const element of document.querySelectorAll("[data-live=deadline][data-spare]")) drawDeadline(element, element.dataset.spare);
  for (const element of document.querySelectorAll("[data-live=more][data-news]")) drawMore(element, JSON.parse(element.dataset.news));
}
