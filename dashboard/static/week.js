// Hours of a week: a worker's schedule, written and read.

/** The schedule that an editor shows: {} for always. Ranges that lack an end are not there yet. */
export function schedule(editor) {
  if (editor.querySelector("[data-always]").checked) return {};
  const hours = {};
  for (const day of editor.querySelectorAll("[data-day]")) {
    const ranges = [...day.querySelectorAll(".range")].map(times).filter((range) => range.every(Boolean));
    if (ranges.length) hours[day.dataset.day] = ranges;
  }
  return Object.keys(hours).length ? { zone: editor.querySelector("[data-zone]").value.trim(), hours } : {};
}

/** From and to; a field for times knows no 24:00. */
function times(range) {
  const [start, end] = [...range.querySelectorAll("input")].map((field) => field.value);
  return [start, end === "00:00" ? "24:00" : end];
}

function add(day, [start, end] = ["22:00", "07:00"]) {
  const editor = day.closest("[data-week]");
  const range = editor.querySelector("[data-range]").content.firstElementChild.cloneNode(true);
  const fields = range.querySelectorAll("input");
  [fields[0].value, fields[1].value] = [start, end.replace("24:00", "00:00")];
  for (const field of fields) field.ariaLabel += day.querySelector("span").textContent;
  day.querySelector(".ranges").append(range);
  return fields[0];
}

function likeMonday(editor) {
  const [monday, ...others] = editor.querySelectorAll("[data-day]");
  for (const day of others) {
    day.querySelector(".ranges").replaceChildren();
    for (const range of monday.querySelectorAll(".range")) add(day, times(range));
  }
}

const changed = (editor) => editor.dispatchEvent(new Event("change", { bubbles: true }));

function clicked(event) {
  const editor = event.currentTarget;
  const button = event.target.closest("button");
  if (button?.matches("[data-add]")) add(button.closest("[data-day]")).focus();
  else if (button?.matches("[data-remove]")) button.closest(".range").remove();
  else if (button?.matches("[data-copy]")) likeMonday(editor);
  else return;
  changed(editor);
}

for (const editor of document.querySelectorAll("[data-week]")) {
  const zone = editor.querySelector("[data-zone]");
  zone.value ||= Intl.DateTimeFormat().resolvedOptions().timeZone;
  editor.addEventListener("click", clicked);
  editor.querySelector("[data-always]").addEventListener("change", (event) => {
    editor.querySelector("[data-hours]").hidden = event.target.checked;
  });
}
