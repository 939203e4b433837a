// The JSON API, as the page's buttons call it.
import { notice } from "./notices.js";

export const csrf = () => document.querySelector("meta[name=csrf]").content;

let last = Promise.resolve();

/** The answer's JSON, or null after saying what went wrong. What changes something goes out one at a time,
 * in the order a person did it: a field that is left by pressing Start is saved before the start. */
export function call(method, path, body) {
  if (method === "GET") return send(method, path, body);
  last = last.then(() => send(method, path, body));
  return last;
}

async function send(method, path, body) {
  const headers = { "X-CSRFToken": csrf(), Accept: "application/json" };
  if (body !== undefined && !(body instanceof FormData)) headers["Content-Type"] = "application/json";
  let answer;
  try {
    const sent = body === undefined || body instanceof FormData ? body : JSON.stringify(body);
    answer = await fetch(path, { method, headers, body: sent });
  } catch {
    notice(document.body.dataset.sayUnreachable);
    return null;
  }
  const said = await answer.json().catch(() => ({}));
  if (answer.ok) return said;
  notice(said.error || document.body.dataset.sayFailed);
  return null;
}
