// A manuscript on its way in: chosen or dropped, checked for size, sent with its progress shown.
import { csrf } from "./api.js";
import { fill, number } from "./numbers.js";

const form = document.getElementById("upload");
const MB = 1024 * 1024;

function start() {
  const drop = document.getElementById("drop");
  const field = form.elements.files;
  const kind = () => form.elements.kind.value;
  form.addEventListener("change", (event) => {
    if (event.target.name === "kind") field.multiple = kind() === "course";
    else if (event.target === field && field.files.length) send([...field.files], kind());
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const name of ["dragover", "drop"]) addEventListener(name, (event) => event.preventDefault());
  drop.addEventListener("dragover", () => drop.toggleAttribute("data-over", true));
  for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.removeAttribute("data-over"));
  addEventListener("drop", (event) => {
    if (event.dataTransfer.files.length) send([...event.dataTransfer.files], kind());
  });
  field.multiple = kind() === "course";
}

const says = (sentence, bad = false) => {
  const output = form.querySelector("output");
  output.textContent = sentence;
  output.classList.toggle("bad", bad);
};

function send(files, kind) {
  const limit = Number(form.dataset.limitMb);
  const large = files.find((file) => file.size > limit * MB);
  const size = (bytes) => `${number(Math.ceil(bytes / MB))} MB`;
  if (large) return refuse(fill(form.dataset.sayLarge, { name: large.name, size: size(large.size), limit: `${limit} MB` }));
  if (kind === "book" && files.length > 1) return refuse(form.dataset.sayOne);
  const body = new FormData();
  body.append("kind", kind);
  body.append("engine", form.elements.engine.value);
  for (const file of files) body.append("files", file);
  post(body);
}

function post(body) {
  const bar = form.querySelector("progress");
  const request = new XMLHttpRequest(); // fetch cannot tell how much was sent
  request.open("POST", form.action);
  request.responseType = "json";
  request.setRequestHeader("X-CSRFToken", csrf());
  request.setRequestHeader("Accept", "application/json");
  bar.hidden = false;
  request.upload.onprogress = (event) => {
    bar.value = (100 * event.loaded) / event.total;
    says(fill(form.dataset.saySent, { percent: Math.floor(bar.value) }));
  };
  request.upload.onload = () => says(form.dataset.sayReading);
  request.onerror = () => refuse(form.dataset.sayLost);
  request.onload = () => {
    if (request.status === 201) location.assign(`/projects/${request.response.id}`);
    else refuse(request.response?.error ?? document.body.dataset.sayFailed);
  };
  request.send(body);
}

function refuse(sentence) {
  form.querySelector("progress").hidden = true;
  form.elements.files.value = "";
  says(sentence, true);
}

if (form) start();
