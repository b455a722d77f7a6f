// Adds documents: files become lines of an import, imports become jobs, and each job is followed to its end.

import { Problem, send, sendLines } from "./api.js";
import { byId, element } from "./dom.js";
import { number, text } from "./language.js";
import { headingOf } from "./problem.js";

const POLL_MS = 1000;
const MOST_LINES = 50_000; // of an import, as the server says
const ENDED = ["done", "failed", "cancelled"];
const uploads = [];

/** Offer the section where the server takes documents of this caller; `onChange` is called when an index changed. */
export function showUpload(server, index, onChange) {
  byId("documents").hidden = !server.takes_documents;
  byId("files").onchange = ({ target }) => {
    for (const file of target.files) upload(file, server, index(), onChange);
    target.value = "";
  };
  for (const { show } of uploads) show();
}

async function upload(file, server, index, onChange) {
  const state = { name: file.name, job: null, sent: 0, parts: 0, refused: [], problem: null };
  const item = itemOf(state);
  uploads.push(item);
  byId("uploads").prepend(item.node);
  try {
    const parts = partsOf(await linesOf(file), server.limits.body_bytes);
    state.parts = parts.length;
    for (const { firstLine, body } of parts) {
      item.show();
      const told = await sendLines(`v1/documents?${new URLSearchParams(index ? { index } : {})}`, body);
      const lines = told.slice(0, -1).filter(({ status }) => status === "refused");
      state.refused.push(...lines.map(({ line, error }) => ({ line: line + firstLine, error })));
      state.sent += 1;
      state.job = told.at(-1).job;
      await follow(state, item);
      onChange();
      if (state.job.state !== "done") break;
    }
  } catch (problem) {
    state.problem = problem;
  }
  item.show();
}

/** Ask for the job until it has ended. */
async function follow(state, item) {
  while (!ENDED.includes(state.job.state)) {
    item.show();
    await new Promise((wake) => setTimeout(wake, POLL_MS));
    state.job = await send("GET", pathOf(state.job));
  }
}

function pathOf({ id, index }) {
  return `v1/jobs/${encodeURIComponent(id)}?${new URLSearchParams({ index })}`;
}

/** The lines of a file: as they are of JSON Lines, and one document of a text. */
async function linesOf(file) {
  let content;
  try {
    content = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
  } catch {
    throw new Problem("not_utf8", text("not_utf8"));
  }
  if (/\.(jsonl|ndjson)$/i.test(file.name)) return content.split("\n");
  return [JSON.stringify({ id: file.name, title: file.name.replace(/\.\w+$/, ""), text: content })];
}

/** Bodies of whole lines, none over the server's limits, each with the number of lines before it. */
function partsOf(lines, mostBytes) {
  const parts = [];
  let [body, bytes, firstLine] = ["", 0, 0];
  lines.forEach((line, index) => {
    const size = new TextEncoder().encode(line).length + 1;
    if (size > mostBytes) throw new Problem("too_large", text("line_too_large", { line: number(index + 1) }));
    if (bytes + size > mostBytes || index - firstLine === MOST_LINES) {
      parts.push({ firstLine, body });
      [body, bytes, firstLine] = ["", 0, index];
    }
    [body, bytes] = [`${body}${line}\n`, bytes + size];
  });
  return [...parts, { firstLine, body }];
}

function itemOf(state) {
  const bar = element("progress", { "aria-label": state.name });
  const line = element("p", { class: "small", role: "status" });
  const cancel = element("button", { type: "button", class: "plain", hidden: true, onclick: stop });
  const refused = element("ul", { class: "small" });
  const heading = element("div", { class: "heading" }, element("span", {}, state.name), cancel);
  const node = element("li", { class: "upload" }, heading, bar, line, refused);
  function stop() {
    send("DELETE", pathOf(state.job)).catch((problem) => {
      line.textContent = problem.message;
    });
  }
  function show() {
    const { job, problem } = state;
    const hasEnded = problem !== null || (job !== null && ENDED.includes(job.state) && state.sent === state.parts);
    bar.hidden = hasEnded || ["failed", "cancelled"].includes(job?.state);
    if (job?.total > 0) [bar.max, bar.value] = [job.total, job.done ?? 0];
    else bar.removeAttribute("value");
    cancel.hidden = bar.hidden || job === null;
    cancel.textContent = text("cancel");
    line.textContent = problem === null ? stateOf(state) : `${headingOf(problem)}: ${problem.message}`;
    const lines = state.refused.map((one) =>
      element("li", {}, text("refused_line", { ...one, line: number(one.line) })),
    );
    refused.replaceChildren(...lines);
  }
  show();
  return { node, show };
}

function stateOf({ job, sent, parts }) {
  if (job === null) return text("job_sending");
  const part = parts > 1 ? ` ${text("part", { sent: number(sent), parts: number(parts) })}` : "";
  const values = {
    n: number(job.documents),
    generation: job.generation,
    stage: job.stage ?? "",
    error: job.error ?? "",
  };
  return text(`job_${job.state}`, values) + part;
}
