// One key decides, while nothing is being typed; the box beside the buttons switches that off.
"use strict";
const box = document.getElementById("keys");
const kept = "kinfold-review-keys";
function told() { document.body.classList.toggle("no-keys", box && !box.checked); }
if (box) {
  box.closest("label").hidden = false;
  box.checked = sessionStorage.getItem(kept) !== "off";
  box.addEventListener("change", () => { sessionStorage.setItem(kept, box.checked ? "on" : "off"); told(); });
  told();
}
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || (box && !box.checked)) return;
  if (event.target.closest("input, textarea, select")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const button = document.querySelector(`button[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
  if (!button) return;
  event.preventDefault();
  const note = document.getElementById("note");
  if (button.value === "never" && note && !note.value.trim()) note.focus();
  else button.click();
});
document.addEventListener("submit", (event) => {
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
});
window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
