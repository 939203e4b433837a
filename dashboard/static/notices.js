// A sentence at the foot of the page, read aloud by screen readers, gone by itself.
export function notice(sentence) {
  const shown = document.createElement("p");
  shown.textContent = sentence;
  document.getElementById("notices").append(shown);
  setTimeout(() => shown.remove(), 3000 + 60 * sentence.length);
}
