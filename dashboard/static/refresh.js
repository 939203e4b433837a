// Redraw what changed: the page is fetched again and its [data-part] elements that differ are exchanged.
const drawn = new Map();
let running = null;
let again = false;

const parts = (root) => root.querySelectorAll("[data-part]");

/** Note how the server drew `root`'s parts, before scripts touch them. */
export function remember(root = document) {
  for (const part of parts(root)) drawn.set(part.dataset.part, part.outerHTML);
}
remember();

/** Fetch and exchange; calls that come meanwhile are one more round. */
export function refresh() {
  if (running) again = true;
  else running = exchange().finally(ended);
  return running;
}

function ended() {
  running = null;
  if (!again) return;
  again = false;
  refresh();
}

async function exchange() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
  if (!answer?.ok) return;
  if (answer.redirected) return location.reload(); // signed out meanwhile
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const shown = document.querySelector("[data-project]");
  const coming = fresh.querySelector("[data-project]");
  const whole = [shown, coming].some((it) => it?.hasAttribute("data-whole"));
  if (whole && shown?.dataset.state !== coming?.dataset.state) return location.reload();
  if (!document.querySelector("ul.projects") && shown && coming) shown.dataset.state = coming.dataset.state;
  for (const list of fresh.querySelectorAll("[data-list]")) reconcile(list);
  for (const part of parts(fresh)) swap(part);
  document.dispatchEvent(new CustomEvent("redrawn"));
}

/** Rows come and go; those that stay keep their place, whatever order the server has them in now. */
function reconcile(fresh) {
  const list = document.querySelector(`[data-list="${CSS.escape(fresh.dataset.list)}"]`);
  if (!list) return;
  const rows = new Map([...list.children].map((row) => [row.dataset.item, row]));
  let before = null;
  for (const row of [...fresh.children]) {
    const old = rows.get(row.dataset.item);
    rows.delete(row.dataset.item);
    if (old) sameAttributes(old, row);
    else if (before) before.after(row);
    else list.prepend(row);
    if (!old) remember(row);
    before = old ?? row;
  }
  for (const gone of rows.values()) gone.remove();
}

function sameAttributes(old, fresh) {
  for (const name of old.getAttributeNames()) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) old.setAttribute(name, value);
}

function swap(part) {
  const name = part.dataset.part;
  const html = part.outerHTML;
  const old = document.querySelector(`[data-part="${CSS.escape(name)}"]`);
  if (!old || drawn.get(name) === html || isBeingTyped(old)) return;
  drawn.set(name, html);
  const place = focusIn(old);
  const open = [...old.querySelectorAll("details")].map((it) => it.open);
  const isOpen = old.open;
  for (const kept of ["aria-current", "data-heard"]) {
    if (old.hasAttribute(kept)) part.setAttribute(kept, old.getAttribute(kept));
  }
  part.tabIndex = part.hasAttribute("tabindex") ? old.tabIndex : part.tabIndex;
  if (!part.hasAttribute("tabindex")) part.removeAttribute("tabindex");
  old.replaceWith(part);
  if (isOpen !== undefined) part.open = isOpen;
  part.querySelectorAll("details").forEach((it, at) => (it.open = open[at] ?? false));
  place?.(part)?.focus({ preventScroll: true });
}

const isBeingTyped = (part) => part.contains(document.activeElement?.closest("input, textarea, select"));

/** Where the focus was, as a function that finds it in the new part. */
function focusIn(part) {
  const active = document.activeElement;
  if (!part.contains(active)) return null;
  if (active === part) return (fresh) => fresh;
  const at = [...part.querySelectorAll("a, button, summary")].indexOf(active);
  return (fresh) => fresh.querySelectorAll("a, button, summary")[at] ?? fresh;
}
