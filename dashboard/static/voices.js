// The voices page: toggles and consent of each card, a file on its way in.
import { call } from "./api.js";
import { fill, number } from "./numbers.js";
import { play } from "./player.js";
import { refresh } from "./refresh.js";
import { waveforms } from "./waveform.js";
import "./recorder.js";

const ASK_MS = 700;
const MB = 1024 * 1024;
const list = document.querySelector("ul.voices");
const form = document.getElementById("voice");

/** What has the focus is not redrawn: it may be half written. A box that was ticked is not. */
function redraw() {
  document.activeElement.blur();
  return refresh();
}

async function prepare(boxes) {
  for (const box of boxes.elements) box.disabled = true;
  const wanted = { trim: boxes.elements.trim.checked, denoise: boxes.elements.denoise.checked };
  if (!(await call("POST", boxes.dataset.prepare, wanted))) boxes.reset();
  for (const box of boxes.elements) box.disabled = false;
  await redraw();
}

async function agree(box) {
  box.disabled = true;
  if (await call("POST", box.dataset.agree, { agree: true })) return redraw();
  box.checked = box.disabled = false;
}

/** Have a sentence spoken, say what it waits for, and play it. */
async function speak(asked) {
  const [button, status] = [asked.querySelector("button"), asked.querySelector("[role=status]")];
  button.setAttribute("aria-busy", "true");
  let told = await call("POST", asked.dataset.sample, { text: asked.elements.text.value });
  while (told?.state === "waiting") {
    status.textContent = told.why?.text ?? "…";
    await new Promise((resolve) => setTimeout(resolve, ASK_MS));
    told = await call("GET", asked.dataset.sample);
  }
  button.removeAttribute("aria-busy");
  status.textContent = told?.state === "failed" ? told.why?.text : "";
  if (told?.state !== "done") return;
  const src = `${asked.dataset.sample}/audio?of=${Date.now()}`;
  play({ src, title: asked.dataset.title, book: told.text, href: asked.dataset.href });
}

const draw = () => waveforms([...list.querySelectorAll(".listen")].filter((row) => !drawn.has(row) && drawn.add(row)));
const drawn = new WeakSet();

function chosen() {
  const [file] = form.elements.file.files;
  const status = form.querySelector("[data-status]");
  const large = file && file.size > form.dataset.limitMb * MB;
  const size = (bytes) => `${number(Math.ceil(bytes / MB))} MB`;
  const limit = `${form.dataset.limitMb} MB`;
  status.textContent = large ? fill(form.dataset.sayLarge, { name: file.name, size: size(file.size), limit }) : "";
  status.classList.toggle("bad", Boolean(large));
  if (large) form.elements.file.value = "";
  else if (file) form.querySelector("[data-chosen]").textContent = file.name;
}

function start() {
  for (const boxes of list.querySelectorAll("[data-prepare]")) boxes.reset(); // ticked before this script ran:
  for (const box of list.querySelectorAll("[data-agree]")) box.checked = false; // nobody has heard of it
  draw();
  document.addEventListener("redrawn", draw);
  list.addEventListener("change", (event) => {
    const boxes = event.target.closest("[data-prepare]");
    if (boxes) prepare(boxes);
    if (event.target.dataset.agree) agree(event.target);
  });
  list.addEventListener("submit", (event) => {
    if (!event.target.dataset.sample) return;
    event.preventDefault();
    if (!event.target.querySelector("[aria-busy]")) speak(event.target);
  });
  const drop = document.getElementById("dropvoice");
  for (const name of ["dragover", "drop"]) addEventListener(name, (event) => event.preventDefault());
  drop.addEventListener("dragover", () => drop.toggleAttribute("data-over", true));
  for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.removeAttribute("data-over"));
  addEventListener("drop", (event) => {
    if (!event.dataTransfer.files.length) return;
    form.elements.file.files = event.dataTransfer.files;
    chosen();
  });
  form.elements.file.addEventListener("change", chosen);
  if (form.elements.file.files.length) chosen(); // before this script ran, or by going back
  form.addEventListener("submit", () => {
    form.querySelector("[data-status]").textContent = form.dataset.sayAdding;
    form.querySelector(".primary").setAttribute("aria-busy", "true");
  });
}

if (list) start();
