// Moments in the reader's own time zone, which the server does not know.
const format = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "short", timeStyle: "short" });

function write() {
  for (const element of document.querySelectorAll("time[datetime]")) {
    element.textContent = format.format(new Date(element.dateTime));
  }
}

write();
document.addEventListener("redrawn", write);
