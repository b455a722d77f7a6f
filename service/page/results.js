// The results of one question: answer, passages as a list or side by side, weights and times.

import { showAnswer, showReading } from "./answer.js";
import { COMPARED, comparison } from "./compare.js";
import { byId, element, fill } from "./dom.js";
import { milliseconds, number, percent, retrieverName, text } from "./language.js";
import { indexOf } from "./options.js";
import { passageList } from "./passages.js";
import { remember, remembered } from "./storage.js";

let view = remembered("view") === "compare" ? "compare" : "list";

export function comparesRetrievers() {
  return view === "compare";
}

/**
 * Show {retrieval, response, networkMs, columns}. `compare` fetches the columns when the reader asks for them, and
 * `explain` promises why a passage has its rank by a retriever.
 */
export function showResults(shown, server, { compare, explain }) {
  const [result] = shown.response.results;
  showAnswer(byId("answer"), result, server);
  showPassages(shown, server, { compare, explain });
}

/** Show what is there before the answer is. Side by side, the passages wait for those of the other retrievers. */
export function showUnread(shown, server, { compare, explain }, written = "") {
  showReading(byId("answer"), written);
  if (written === "") view === "compare" ? fill(byId("passages")) : showPassages(shown, server, { compare, explain });
}

export function hideResults() {
  fill(byId("answer"));
  fill(byId("passages"));
}

export function showPassages(shown, server, { compare, explain }) {
  const { retrieval, response, columns } = shown;
  const openers = [...byId("passages").querySelectorAll(".hit .opener")];
  const isSame = byId("passages").dataset.question === retrieval.question;
  const opened = openers.map((opener) => isSame && opener.ariaExpanded === "true");
  const focused = isSame ? openers.indexOf(document.activeElement) : -1;
  const [result] = response.results;
  if (result.hits.length === 0) return fill(byId("passages"));
  const title = element("h2", { id: "passages-title" }, text("passages"));
  const heading = element("div", { class: "heading" }, title, viewChoice(indexOf(server, retrieval.index), choose));
  const sideBySide = view === "compare" && columns !== null;
  byId("passages").classList.toggle("wide", sideBySide);
  const body = sideBySide
    ? comparison(columns, result, (passageId) => explain("bm25", passageId))
    : passageList(result, (passageId) => explain(retrieval.retriever, passageId));
  fill(byId("passages"), heading, body, weightsOf(result), timesOf(shown));
  byId("passages").dataset.question = retrieval.question;
  // The answer came while the reader was in the list already.
  byId("passages")
    .querySelectorAll(".hit .opener")
    .forEach((opener, index) => {
      if (opened[index]) opener.click();
      if (focused === index) opener.focus();
    });

  async function choose(name) {
    view = name;
    remember("view", view);
    if (view === "compare") await compare();
    showPassages(shown, server, { compare, explain });
    byId("passages").querySelector("input:checked")?.focus();
  }
}

function viewChoice(index, choose) {
  if (COMPARED.filter((name) => index.retrievers.includes(name)).length < 2) return null;
  const radios = ["list", "compare"].map((name) => {
    const radio = element("input", { type: "radio", name: "view", value: name, checked: view === name });
    radio.addEventListener("change", () => choose(name));
    return element("label", {}, radio, element("span", {}, text(`view_${name}`)));
  });
  return element("fieldset", { class: "choice" }, element("legend", { class: "unseen" }, text("view")), ...radios);
}

function weightsOf({ weighing }) {
  if (weighing === null) return null;
  const weights = Object.entries(weighing.weights).map(
    ([name, weight]) => `${retrieverName(name)} ${number(weight, 2)}`,
  );
  const coverage = Object.entries(weighing.coverage).map(([name, share]) =>
    text("coverage", { list: retrieverName(name), percent: percent(share) }),
  );
  return element("p", { class: "small" }, [text("weights", { weights: weights.join(", ") }), ...coverage].join(" "));
}

function timesOf({ response, networkMs }) {
  const { timings, generation } = response;
  const { retrieve_ms: retrieve, read_ms: read, total_ms: total } = timings;
  const times = { retrieve, read, total, network: networkMs };
  const parts = Object.entries(times)
    .filter(([, ms]) => ms !== undefined && ms !== null)
    .map(([name, ms]) => text(`time_${name}`, { ms: milliseconds(ms) }));
  const line = [...parts, text("generation", { generation })].join(" · ");
  return element("p", { class: "small times" }, element("span", { class: "unseen" }, `${text("timings")}: `), line);
}
