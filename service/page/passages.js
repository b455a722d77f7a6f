// The passages of one retriever as a list: title, text with the answer marked, ranks in every list.

import { spansOf } from "./answer.js";
import { element } from "./dom.js";
import { explanationOf } from "./explain.js";
import { fieldsOf } from "./filters.js";
import { languageOf, number, retrieverName, text } from "./language.js";
import { marked, opening } from "./marking.js";

/** `explain` asks the server why a passage has its rank, and promises the explanation. */
export function passageList(result, explain) {
  return element("ol", { class: "hits" }, ...result.hits.map((hit) => element("li", {}, hitOf(hit, result, explain))));
}

/** A text that shows its first lines until its button opens it; the button gets `aria-expanded`. */
export function foldable(passage, spans, label, onToggle = () => {}) {
  const body = element("p", { class: "text folded", lang: languageOf(passage.text) });
  const button = element(
    "button",
    { type: "button", class: "opener", "aria-expanded": "false", onclick: toggle },
    label,
  );
  function show(open) {
    button.setAttribute("aria-expanded", String(open));
    body.classList.toggle("folded", !open);
    body.replaceChildren(...marked(passage.text, spans, open ? 0 : opening(passage.text, spans[0])));
  }
  function toggle() {
    const open = button.getAttribute("aria-expanded") !== "true";
    show(open);
    onToggle(open);
  }
  show(false);
  return { button, body };
}

/** What a passage is called: its title, or its id where it has none. */
export function titleOf(passage) {
  return element("span", { class: "title", lang: languageOf(passage.title) }, passage.title || passage.id);
}

export function badgeOf(result, passageId) {
  const [best] = result.answers ?? [];
  if (best?.passage_id !== passageId) return null;
  return element("span", { class: "badge" }, text(result.is_answered ? "holds_answer" : "holds_guess"));
}

function hitOf(hit, result, explain) {
  const { passage } = hit;
  const more = element("div", { class: "more", hidden: true }, element("dl", {}, ...factsOf(hit)));
  const label = [element("span", { class: "rank" }, number(hit.rank)), titleOf(passage)];
  const spans = spansOf(result, passage.id);
  const { button, body } = foldable(passage, spans, label, (open) => {
    more.hidden = !open;
    if (more.children.length === 1) more.append(explanationOf(explain(passage.id)));
  });
  const heading = element("div", { class: "hit-heading" }, element("h3", {}, button), badgeOf(result, passage.id));
  return element("article", { class: "hit", id: `hit-${hit.rank}` }, heading, body, ranksOf(hit), more);
}

function ranksOf(hit) {
  const lists = Object.entries(hit.lists);
  const chips = lists.length < 2 ? [] : lists.map(([name, list]) => chipOf(retrieverName(name), list));
  const score = element("span", {}, text("score_of", { score: number(hit.score, 2) }));
  return element("p", { class: "ranks" }, ...chips, score);
}

function chipOf(list, { rank, score }) {
  if (rank === null) return element("span", { class: "chip absent" }, text("rank_absent", { list }));
  const words = text("rank_of", { list, rank: number(rank) });
  return element("span", { class: "chip", title: text("score_of", { score: number(score, 3) }) }, words);
}

function factsOf(hit) {
  const { passage, window: matched, first_stage: first } = hit;
  const facts = [
    [text("passage_id"), passage.id],
    passage.document_id === passage.id ? null : [text("document_id"), passage.document_id],
    matched && [
      text("matched_part"),
      text("matched_part_value", { start: number(matched.start), end: number(matched.end) }),
    ],
    first && [text("rerank"), text("first_rank", { rank: number(first.rank) })],
    ...fieldsOf(passage),
  ];
  return facts
    .filter(Boolean)
    .map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value)));
}
