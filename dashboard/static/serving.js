// Who may serve a project, how many at once, and until when: fields that save themselves.
import { call } from "./api.js";
import { refresh } from "./refresh.js";

const two = (n) => String(n).padStart(2, "0");

/** A moment as datetime-local fields have it, in the reader's own time zone. */
function local(iso) {
  const at = new Date(iso);
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}T${two(at.getHours())}:${two(at.getMinutes())}`;
}

const READ = {
  deadline: (field) => (field.value ? new Date(field.value).toISOString() : null),
  most_workers: (field) => (field.value ? Number(field.value) : null),
  tags: (field) => field.value.split(/[,，]/).map((tag) => tag.trim()).filter(Boolean),
};

async function save(address, changes) {
  const saved = await call("PATCH", address, changes);
  if (saved) refresh();
  return saved;
}

/** Every class but those that are not ticked: a class that comes later is allowed, too. */
async function allow(list, field) {
  const words = (text) => text.split(" ").filter(Boolean);
  const all = words(list.dataset.all);
  const before = words(list.dataset.allowed);
  const now = (before.length ? before : all).filter((name) => name !== field.name).concat(field.checked ? field.name : []);
  if (now.length && (await save(list.dataset.classes, { classes: now }))) list.dataset.allowed = now.join(" ");
  else field.checked = !field.checked;
}

document.addEventListener("change", (event) => {
  const field = event.target;
  const form = field.closest("[data-serving]");
  if (form && form.reportValidity()) save(form.dataset.serving, { [field.name]: READ[field.name](field) });
  const list = field.closest("[data-classes]");
  if (list) allow(list, field);
});
document.addEventListener("submit", (event) => {
  if (event.target.matches("[data-serving]")) event.preventDefault();
});

for (const field of document.querySelectorAll("[data-moment]")) field.value = local(field.dataset.moment);
