// Figures as the server writes them (dashboard/pages/figures.py), for what changes in place.
const locale = document.documentElement.lang;
const decimal = (digits) => new Intl.NumberFormat(locale, { maximumFractionDigits: digits });

export const fill = (template, values) => template.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
export const number = (value) => decimal(0).format(value);
export const percent = (share) => `${Math.floor(share * 100)} %`;
export const hours = (seconds) => decimal(seconds < 360000 ? 1 : 0).format(seconds / 3600);

export function clock(seconds) {
  const whole = Math.floor(seconds);
  const two = (n) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** A length nobody needs to the second, in the page's language. */
export function roughly(seconds) {
  const unit = (value, name) =>
    new Intl.NumberFormat(locale, { style: "unit", unit: name, unitDisplay: "short" })
      .format(value)
      .replace(/hr|sec/, (word) => word[0]); // English says h and s
  if (seconds < 60) return unit(Math.round(seconds), "second");
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return unit(minutes, "minute");
  const even = Math.round(minutes / 5) * 5;
  if (even >= 600 || even % 60 === 0) return unit(Math.round(minutes / 60), "hour");
  return `${unit(Math.floor(even / 60), "hour")} ${unit(even % 60, "minute")}`;
}

/** The time of day `seconds` from now; with the weekday when that is not today. */
export function timeOfDay(seconds, now = new Date()) {
  const at = new Date(now.getTime() + seconds * 1000);
  const today = at.toDateString() === now.toDateString();
  const format = { hour: "2-digit", minute: "2-digit", hour12: false, ...(today ? {} : { weekday: "short" }) };
  return new Intl.DateTimeFormat(locale, format).format(at);
}
