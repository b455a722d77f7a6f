// The keys: / to the question, arrows through the passages, Esc back. Enter opens a passage, since it is a button.

import { byId } from "./dom.js";

/** Install the keys; `stop` ends a running request and says whether there was one. */
export function installKeys(stop) {
  document.addEventListener("keydown", (event) => {
    if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/" && !isField(event.target)) focusQuestion(event);
    else if (event.key === "Escape") back(event, stop);
    else if (event.key === "ArrowDown") move(event, 1);
    else if (event.key === "ArrowUp") move(event, -1);
  });
}

function focusQuestion(event) {
  event.preventDefault();
  byId("question").focus();
  byId("question").select();
}

function back(event, stop) {
  if (!stop() && !isField(event.target)) focusQuestion(event);
}

function move(event, step) {
  const question = byId("question");
  const leaves = event.target === question && step > 0 && question.selectionEnd === question.value.length;
  if (isField(event.target) && !leaves) return;
  const column = event.target.closest?.(".column") ?? byId("passages").querySelector(".column") ?? byId("passages");
  const openers = [...column.querySelectorAll(".opener")];
  const next = openers.indexOf(document.activeElement) + step;
  if (openers.length === 0 || (next < 0 && !openers.includes(document.activeElement))) return;
  event.preventDefault();
  if (next < 0) question.focus();
  else openers[Math.min(next, openers.length - 1)].focus();
}

function isField(target) {
  return ["INPUT", "SELECT", "TEXTAREA"].includes(target.tagName);
}
