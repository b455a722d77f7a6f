// What went wrong, for people: a heading in their language, and the server's own sentence.

import { element, fill } from "./dom.js";
import { number, text } from "./language.js";

const HEADINGS = {
  network: "problem_network",
  busy: "problem_busy",
  not_ready: "problem_not_ready",
  question_too_long: "problem_too_long",
};
const HEADINGS_BY_STATUS = {
  403: "problem_forbidden",
  422: "problem_invalid",
  429: "problem_rate",
  504: "problem_timeout",
};

export function headingOf(problem) {
  return text(HEADINGS[problem.code] ?? HEADINGS_BY_STATUS[problem.status] ?? "problem");
}

export function problemLine(problem) {
  return element("div", { class: "note" }, element("p", {}, headingOf(problem)), detailOf(problem));
}

export function showProblem(section, problem, again) {
  const wait = problem.waitSeconds;
  fill(
    section,
    element("h2", {}, headingOf(problem)),
    detailOf(problem),
    wait === null ? null : element("p", {}, text("retry_after", { seconds: number(wait) })),
    mayHelp(problem) ? element("button", { type: "button", class: "primary", onclick: again }, text("retry")) : null,
    problem.requestId ? element("p", { class: "small" }, text("request_id", { id: problem.requestId })) : null,
  );
}

/** Whether the same request may succeed later. */
function mayHelp({ status }) {
  return status === 0 || status === 429 || status >= 500;
}

function detailOf(problem) {
  if (problem.code === "network") return element("p", {}, text("problem_network_why"));
  return element("p", { lang: "en" }, problem.message);
}
