// The questions asked before, newest first; they stay in this browser.

import { byId, element } from "./dom.js";
import { languageOf, text } from "./language.js";
import { remember, remembered } from "./storage.js";

const MOST = 12;

function questions() {
  const saved = remembered("recent");
  return Array.isArray(saved) ? saved.filter((question) => typeof question === "string") : [];
}

function keep(list) {
  remember("recent", list.length > 0 ? list : null);
}

export function addRecent(question) {
  keep([question, ...questions().filter((other) => other !== question)].slice(0, MOST));
}

/** Show the list; `ask` is called with a question that is chosen from it. */
export function showRecent(ask) {
  const list = questions();
  byId("recent").hidden = list.length === 0;
  byId("recent-list").replaceChildren(...list.map((question) => itemOf(question, ask)));
  byId("forget").onclick = () => {
    keep([]);
    showRecent(ask);
    byId("question").focus();
  };
}

function itemOf(question, ask) {
  const remove = () => {
    keep(questions().filter((other) => other !== question));
    showRecent(ask);
    (byId("recent-list").querySelector("button") ?? byId("question")).focus();
  };
  const label = text("forget_question", { question });
  return element(
    "li",
    {},
    element(
      "button",
      { type: "button", class: "question", lang: languageOf(question), onclick: () => ask(question) },
      question,
    ),
    element("button", { type: "button", class: "remove", "aria-label": label, title: label, onclick: remove }, "×"),
  );
}
