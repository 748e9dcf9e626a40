// One key for each button of the review page; nothing is taken while a note is written.
"use strict";

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
  const note = document.getElementById("note");
  if (event.target === note) {
    if (event.key === "Escape") note.blur();
    return;
  }
  if (event.target.closest("input, textarea, select")) return;
  if (event.key === "n" && note) {
    event.preventDefault();
    note.focus();
    return;
  }
  const button = document.querySelector(`button[data-key="${CSS.escape(event.key)}"]`);
  if (button) {
    event.preventDefault();
    button.click();
  }
});

// A second click would judge the review that comes next.
document.addEventListener("submit", (event) => {
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
});
