// The answer: its words, how sure the reader is, and the passage that holds it.

import { element, fill } from "./dom.js";
import { languageOf, percent, text } from "./language.js";
import { excerpt, marked } from "./marking.js";

/** The marks of a passage: the best answer or guess, then the other candidates. */
export function spansOf(result, passageId) {
  const kinds = (index) => (index > 0 ? "other" : result.is_answered ? "best" : "guess");
  return (result.answers ?? [])
    .map((answer, index) => ({ start: answer.start, end: answer.end, kind: kinds(index), passage: answer.passage_id }))
    .filter((span) => span.passage === passageId);
}

/** Show that the passages are read, or what a generator has written so far. */
export function showReading(section, written) {
  const words = written ? element("p", { class: "words written", lang: languageOf(written) }, written) : null;
  fill(section, title("answer"), words ?? element("p", { class: "note" }, text("reading")));
}

export function showAnswer(section, result, info) {
  if (result.hits.length === 0) {
    fill(section, title("no_hits", "quiet"), element("p", { class: "note" }, text("no_hits_why")), noteOf(result));
  } else if (result.answers === undefined) {
    fill(section, element("h2", { id: "answer-title", class: "unseen" }, text("answer")), noReader(), noteOf(result));
  } else if (result.text !== null) {
    fill(section, ...written(result, info), evidence(result), others(result), noteOf(result));
  } else if (result.is_answered) {
    const [best] = result.answers;
    const words = element("p", { class: "words", lang: languageOf(best.text) }, best.text);
    fill(section, title("answer"), words, probability(result), evidence(result), others(result), noteOf(result));
  } else {
    const why = element("p", { class: "note" }, text("no_answer_why"));
    fill(section, title("no_answer", "quiet"), why, ...guess(result), evidence(result), others(result), noteOf(result));
  }
}

function title(name, kind = "") {
  return element("h2", { id: "answer-title", class: `label ${kind}` }, text(name));
}

function noReader() {
  return element("p", { class: "note" }, text("no_reader"));
}

function noteOf(result) {
  return result.note ? element("p", { class: "note", lang: "en" }, result.note) : null;
}

function guess(result) {
  const [best] = result.answers;
  if (best === undefined) return [];
  const words = element("span", { class: "guess-words", lang: languageOf(best.text) }, best.text);
  return [
    element("p", { class: "guess-line" }, element("span", { class: "small" }, text("best_guess")), words),
    probability(result),
  ];
}

function probability(result) {
  if (result.probability === null) return null;
  const share = Math.round(result.probability * 100);
  const meter = element("meter", { min: 0, max: 100, value: share, "aria-hidden": "true" });
  return element("p", { class: "probability" }, meter, text("probability", { percent: percent(result.probability) }));
}

/** A generator's text; [n] in it leads to the hit of rank n. */
function written(result, info) {
  const pieces = result.text.split(/(\[\d+\])/).map((piece) => {
    const rank = /^\[(\d+)\]$/.exec(piece)?.[1];
    if (rank === undefined || Number(rank) > result.hits.length) return piece;
    const cited = () => document.getElementById(`hit-${rank}`)?.querySelector("button")?.focus();
    return element("button", { type: "button", class: "citation", onclick: cited }, piece);
  });
  return [
    title(result.is_answered ? "answer" : "no_answer", result.is_answered ? "" : "quiet"),
    element("p", { class: "words written", lang: languageOf(result.text) }, ...pieces),
    info.generator ? element("p", { class: "small" }, text("written_by", { name: info.generator })) : null,
  ];
}

function evidence(result) {
  const [best] = result.answers;
  const passage = result.evidence.find((candidate) => candidate.id === best?.passage_id);
  if (passage === undefined) return null;
  const spans = spansOf(result, passage.id);
  const quote = element("blockquote", { lang: languageOf(passage.text) });
  const part = excerpt(passage.text, spans[0]);
  quote.append(...marked(passage.text, spans, part?.from, part?.to));
  const whole = element("button", { type: "button", class: "plain", onclick: showWhole }, text("whole_passage"));
  function showWhole() {
    quote.replaceChildren(...marked(passage.text, spans));
    whole.remove();
  }
  const caption = element("figcaption", { lang: languageOf(passage.title) }, passage.title || passage.id);
  return element("figure", { class: "evidence" }, caption, quote, part ? whole : null);
}

function others(result) {
  const rest = result.answers.slice(1);
  if (rest.length === 0) return null;
  const titles = new Map(
    [...result.evidence, ...result.hits.map((hit) => hit.passage)].map((one) => [one.id, one.title]),
  );
  const items = rest.map((answer) =>
    element(
      "li",
      {},
      element("span", { lang: languageOf(answer.text) }, answer.text),
      element("span", { class: "small" }, titles.get(answer.passage_id) || answer.passage_id),
    ),
  );
  return element("details", { class: "others" }, element("summary", {}, text("others")), element("ol", {}, ...items));
}
