// Language and theme: cookies, so that the server draws the page right at once and nothing flashes.
function keep(name, value) {
  const age = value ? 31536000 : 0;
  document.cookie = `${name}=${value}; path=/; max-age=${age}; samesite=lax`;
}

document.addEventListener("click", (event) => {
  const chosen = event.target.closest("[data-cookie]");
  if (chosen) {
    keep(...chosen.dataset.cookie.split("="));
    location.reload();
  } else if (event.target.closest("[data-theme-switch]")) {
    const root = document.documentElement;
    const dark = (root.dataset.theme || preferred()) === "dark";
    root.dataset.theme = dark ? "light" : "dark";
    keep("theme", root.dataset.theme);
  }
});

const preferred = () => (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
