// Fields that save themselves when they are left: data-save (a project's words), data-patch, data-cover, data-read.
import { call } from "./api.js";
import { notice } from "./notices.js";

const value = (field) => (field.type === "checkbox" ? field.checked : field.value);

document.addEventListener("change", async (event) => {
  const field = event.target;
  const form = field.closest("form[data-save]");
  if (form && field.name && field.reportValidity()) {
    const saved = await call("PATCH", form.dataset.save, { [field.name]: value(field) });
    if (saved && form.dataset.thanks) notice(form.dataset.thanks);
  }
  if (field.dataset.patch) call("PATCH", field.dataset.patch, { [field.name]: Number(field.value) });
  if (field.dataset.cover && field.files.length) cover(field);
});

async function cover(field) {
  const headers = { "X-CSRFToken": document.querySelector("meta[name=csrf]").content };
  const answer = await fetch(field.dataset.cover, { method: "PUT", headers, body: field.files[0] }).catch(() => null);
  if (answer?.ok) return location.reload();
  const said = await answer?.json().catch(() => null);
  notice(said?.error ?? document.body.dataset.sayFailed);
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.matches("[data-save], [data-cast], [data-mastering]")) event.preventDefault();
  if (!form.dataset.read) return;
  event.preventDefault();
  const encoding = form.elements.encoding.value;
  if (await call("POST", form.dataset.read, encoding ? { encoding } : {})) location.reload();
});
