// Why a passage has its rank: what each list said of it, and which terms of the question it has.

import { element } from "./dom.js";
import { languageOf, number, percent, retrieverName, text } from "./language.js";
import { problemLine } from "./problem.js";

/** A section that fills itself with the explanation that `explained` promises. */
export function explanationOf(explained) {
  const section = element("div", { class: "why", "aria-busy": "true" }, element("p", {}, text("explaining")));
  explained
    .then((explanation) => section.replaceChildren(...partsOf(explanation)))
    .catch((problem) => section.replaceChildren(problemLine(problem)))
    .finally(() => section.removeAttribute("aria-busy"));
  return section;
}

/** The terms that the passage has, each with its share of the list's score; null where no list counts terms. */
export function termsOf(explanation) {
  const counted = Object.values(explanation.lists).find((list) => list.terms !== null);
  if (counted === undefined) return null;
  const total = counted.terms.reduce((sum, { share }) => sum + share, 0);
  const present = counted.terms.filter(({ count }) => count > 0);
  if (present.length === 0) return element("p", { class: "terms" }, text("no_terms"));
  const chips = present.map(({ term, share }) =>
    element("li", {}, element("span", { lang: languageOf(term) }, term), " ", percent(total > 0 ? share / total : 0)),
  );
  return element("ul", { class: "terms", "aria-label": text("terms") }, ...chips);
}

function partsOf(explanation) {
  return [listsOf(explanation), termsOf(explanation), absentTermsOf(explanation)].filter((part) => part !== null);
}

function listsOf({ lists }) {
  const fused = Object.values(lists).some((list) => list.fused !== null);
  const names = ["list", "rank", "score", ...(fused ? ["weight", "adds"] : [])];
  const head = element("tr", {}, ...names.map((name) => element("th", { scope: "col" }, text(`column_${name}`))));
  const rows = Object.entries(lists).map(([name, list]) => {
    const numbers = [shown(list.rank, 0), shown(list.score, 3)];
    if (fused) numbers.push(shown(list.fused?.weight, 2), shown(list.fused?.contribution, 2));
    const cells = numbers.map((value) => element("td", {}, value));
    return element("tr", {}, element("th", { scope: "row" }, retrieverName(name)), ...cells);
  });
  const caption = element("caption", {}, text("explanation"));
  return element("table", {}, caption, element("thead", {}, head), element("tbody", {}, ...rows));
}

function shown(value, digits) {
  return value === null || value === undefined ? "–" : number(value, digits);
}

function absentTermsOf({ lists }) {
  const counted = Object.values(lists).find((list) => list.terms !== null);
  const absent = (counted?.terms ?? []).filter(({ count }) => count === 0).map(({ term }) => term);
  return absent.length > 0 ? element("p", {}, text("absent_terms", { terms: absent.join(", ") })) : null;
}
