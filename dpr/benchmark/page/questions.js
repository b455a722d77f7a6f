// The list of questions that systems disagree on: filters, pages, and why each system found or missed the passage.
"use strict";

const PAGE_QUESTIONS = 10;

const marked = (text, answers) => {
  const found = answers.filter((answer) => answer && text.includes(answer)).sort((a, b) => b.length - a.length)[0];
  if (found === undefined) return [text];
  const start = text.indexOf(found);
  return [text.slice(0, start), element("mark", {}, found), text.slice(start + found.length)];
};

const passageBlock = (id, answers, isGold) => {
  const passage = report.data.passages[id];
  const text = passage ? passage.text : "";
  const title = passage?.title ? [element("strong", {}, passage.title), " "] : [];
  return element("blockquote", isGold ? { class: "gold" } : {}, ...title, ...marked(text, answers), " ", element("small", {}, id));
};

const rankWords = (rank) =>
  rank ? `${word("rank")} ${rank}` : word("not found").replace("{depth}", report.data.depth);

const evidenceLine = (system, evidence) => {
  const line = element("li", {}, dot(system), element("strong", {}, system), `: ${rankWords(evidence.rank)}`);
  if (evidence.score !== null) line.append(`, ${word("score")} ${evidence.score.toFixed(3)}`);
  if (!evidence.terms) return line;
  line.append(evidence.terms.length ? ` · ${word("shared")}: ` : ` · ${word("no shared term")}`);
  for (const [term, share] of evidence.terms.slice(0, 10)) {
    line.append(element("span", { class: "term" }, `${term} ${share.toFixed(2)}`), " ");
  }
  if (evidence.lacks.length) line.append(` · ${word("lacks")}: `);
  for (const term of evidence.lacks.slice(0, 10)) line.append(element("span", { class: "term lacks" }, term), " ");
  return line;
};

const explanation = (entry) => {
  const answers = report.data.questions.answers[entry.question];
  const systems = report.chosen;
  const why = element("div", { class: "why" });
  if (answers.length) why.append(element("p", {}, `${word("answer")}: `, element("mark", {}, answers[0])));
  why.append(
    element("p", {}, element("strong", {}, word("gold"))),
    passageBlock(entry.gold, answers, true),
    element("ul", {}, ...systems.map((system) => evidenceLine(system, entry.evidence[system]))),
  );
  const shown = new Map();
  for (const system of systems) {
    const first = entry.first[system];
    if (first) shown.set(first.passage, [...(shown.get(first.passage) ?? []), system]);
  }
  for (const [passage, names] of shown) {
    why.append(
      element("p", {}, element("strong", {}, `${word("first hit")} ${names.join(", ")}`), ` (${word("not relevant")})`),
      passageBlock(passage, answers, false),
      element("ul", {}, ...names.map((system) => evidenceLine(system, entry.first[system]))),
    );
  }
  return why;
};

const questionItem = (entry) => {
  const { text, ranks } = report.data.questions;
  const line = element("span", { class: "ranks" });
  for (const system of report.chosen) {
    const causes = entry.causes[system];
    const rank = ranks[system][entry.question];
    const reason = causes ? ` — ${word(causes[0])}` : "";
    line.append(element("span", {}, dot(system), `${system}: ${rank ? `${word("rank")} ${rank}` : `> ${report.data.depth}`}${reason}`));
  }
  const item = element("details", {}, element("summary", {}, text[entry.question], line));
  item.addEventListener("toggle", () => {
    if (item.open && item.children.length === 1) item.append(explanation(entry));
  });
  return item;
};

const fillSelect = (select, values, label) => {
  const before = select.value;
  select.replaceChildren(
    element("option", { value: "" }, word("any")),
    ...values.map((value) => element("option", { value }, label(value))),
  );
  select.value = values.includes(before) ? before : "";
};

const questionList = () => {
  const form = document.getElementById("filters");
  let page = 0;
  const fits = (entry) => {
    const { finder, misser, cause, words } = Object.fromEntries(new FormData(form));
    const causes = report.chosen.filter((system) => system in entry.causes && (!misser || system === misser));
    const finders = report.chosen.filter((system) => !(system in entry.causes));
    return (
      causes.length > 0 &&
      finders.length > 0 &&
      (!finder || finders.includes(finder)) &&
      (!cause || causes.some((system) => entry.causes[system][0] === cause)) &&
      report.data.questions.text[entry.question].toLowerCase().includes(words.toLowerCase())
    );
  };
  const show = () => {
    const entries = report.data.explained.filter(fits);
    const pages = Math.max(1, Math.ceil(entries.length / PAGE_QUESTIONS));
    page = Math.min(page, pages - 1);
    const items = entries.slice(page * PAGE_QUESTIONS, (page + 1) * PAGE_QUESTIONS).map(questionItem);
    document.getElementById("questions").replaceChildren(...(items.length ? items : [element("p", {}, word("none"))]));
    document.getElementById("page").textContent = `${page + 1} / ${pages} (${entries.length.toLocaleString()})`;
    document.getElementById("previous").disabled = page === 0;
    document.getElementById("next").disabled = page === pages - 1;
  };
  const turn = (step) => {
    page += step;
    show();
  };
  const refresh = () => {
    fillSelect(form.elements.finder, report.chosen, (name) => name);
    fillSelect(form.elements.misser, report.chosen, (name) => name);
    fillSelect(form.elements.cause, [...new Set(report.data.rows.causes.map((row) => row.cause))], word);
    show();
  };
  form.addEventListener("input", () => turn(-page));
  form.addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("previous").addEventListener("click", () => turn(-1));
  document.getElementById("next").addEventListener("click", () => turn(1));
  return [refresh];
};
