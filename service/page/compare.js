// Retrievers side by side: for one question a column each, and for each passage its rank in the other columns.

import { spansOf } from "./answer.js";
import { element } from "./dom.js";
import { termsOf } from "./explain.js";
import { milliseconds, number, retrieverName, text } from "./language.js";
import { badgeOf, foldable, titleOf } from "./passages.js";
import { problemLine } from "./problem.js";

export const COMPARED = ["hybrid", "bm25", "dense"];
const EXPLAINED = 5;

/**
 * The columns {name, response} or {name, problem}; `answered` is the result whose answer is marked. `explain` promises
 * which terms of the question a passage has: it is asked for BM25's first passages, and for each that is opened.
 */
export function comparison(columns, answered, explain) {
  const ranks = new Map(columns.map(({ name, response }) => [name, ranksOf(response)]));
  const grid = element("div", { class: "columns", role: "group", tabindex: "0", "aria-label": text("view_compare") });
  const open = async (entry) => {
    const problem = await showTerms(grid, entry.dataset.passage, explain);
    if (problem !== null) entry.append(problemLine(problem));
  };
  grid.append(...columns.map((column) => columnOf(column, ranks, answered, open)));
  for (const event of ["mouseover", "focusin"]) grid.addEventListener(event, ({ target }) => highlight(grid, target));
  grid.addEventListener("mouseleave", () => highlight(grid, null));
  queueMicrotask(() => showFirstTerms(grid, columns, explain)); // once the page shows the grid
  return grid;
}

function ranksOf(response) {
  return new Map((response?.results[0].hits ?? []).map((hit) => [hit.passage.id, hit.rank]));
}

function columnOf({ name, response, problem }, ranks, answered, open) {
  const id = `column-${name}`;
  const time = response ? milliseconds(response.timings.retrieve_ms) : null;
  const heading = element("h3", { id }, retrieverName(name), element("span", { class: "small" }, time));
  const column = element("section", { class: "column", "aria-labelledby": id }, heading);
  if (problem) column.append(problemLine(problem));
  else
    column.append(
      element(
        "ol",
        { class: "entries" },
        ...response.results[0].hits.map((hit) => entryOf(hit, name, ranks, answered, open)),
      ),
    );
  return column;
}

function entryOf(hit, column, ranks, answered, open) {
  const { passage } = hit;
  const label = [element("span", { class: "rank" }, number(hit.rank)), titleOf(passage)];
  const onToggle = (isOpen) => isOpen && open(entry);
  const { button, body } = foldable(passage, spansOf(answered, passage.id), label, onToggle);
  const others = [...ranks]
    .filter(([name]) => name !== column)
    .map(([name, list]) => chipOf(name, list.get(passage.id)));
  const entry = element("li", { class: "entry" }, button, badgeOf(answered, passage.id), body);
  entry.append(element("p", { class: "ranks" }, ...others));
  entry.dataset.passage = passage.id;
  return entry;
}

/** One after the other, and no further than the server tells: the rest is asked for when it is opened. */
async function showFirstTerms(grid, columns, explain) {
  const hits = columns.find(({ name }) => name === "bm25")?.response?.results[0].hits ?? [];
  for (const { passage } of hits.slice(0, EXPLAINED)) {
    if (!grid.isConnected || (await showTerms(grid, passage.id, explain)) !== null) return;
  }
}

/** Show the terms of a passage in each column; return the problem, null where there is none. */
async function showTerms(grid, passageId, explain) {
  const entries = [...grid.querySelectorAll(".entry")].filter((entry) => entry.dataset.passage === passageId);
  if (entries[0].querySelector(".terms") !== null) return null;
  try {
    const explanation = await explain(passageId);
    for (const entry of entries) entry.append(termsOf(explanation) ?? "");
    return null;
  } catch (problem) {
    return problem;
  }
}

function chipOf(name, rank) {
  const list = retrieverName(name);
  if (rank === undefined)
    return element("span", { class: "chip absent", title: text("not_in_list") }, text("rank_absent", { list }));
  return element("span", { class: "chip" }, text("rank_of", { list, rank: number(rank) }));
}

function highlight(grid, target) {
  const passage = target?.closest(".entry")?.dataset.passage;
  for (const entry of grid.querySelectorAll(".entry"))
    entry.classList.toggle("same", entry.dataset.passage === passage);
}
