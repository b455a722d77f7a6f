// The page: asks the server what is typed, and shows what it answers.

import { ask, facets, info, setKey, Problem } from "./api.js";
import { COMPARED } from "./compare.js";
import { askQuestion } from "./asking.js";
import { byId } from "./dom.js";
import { showFilters } from "./filters.js";
import { installKeys } from "./keyboard.js";
import { currentLanguage, languageOf, number, switchLanguage, text, translate } from "./language.js";
import { explanationRequestOf, indexOf, retrievalOf, showFacts, showOptions, showRetrievers } from "./options.js";
import { showProblem } from "./problem.js";
import { addRecent, showRecent } from "./recent.js";
import { comparesRetrievers, hideResults, showPassages, showResults, showUnread } from "./results.js";
import { remember } from "./storage.js";
import { showUpload } from "./upload.js";

const NAME = document.title;
const RETRY_LOADING_MS = 2000;

let server = null; // what /v1/info says
let shown = null; // {retrieval, response, networkMs, columns} of the question on the page
let running = null; // the AbortController of the request under way
let connecting = false;
let lastProblem = null;

async function connect() {
  if (connecting || server !== null) return;
  connecting = true;
  try {
    server = await info();
  } catch (problem) {
    say(problem.code === "not_ready" ? "loading" : null);
    if (problem.code === "not_ready") setTimeout(connect, RETRY_LOADING_MS);
    else if (problem.status === 401) askForKey(problem);
    else showError(problem, connect);
    return;
  } finally {
    connecting = false;
  }
  clearError();
  say(null);
  showServer();
  askFromAddress();
}

/** Tell what the server serves now: an upload has changed it. */
async function refresh() {
  server = await info();
  showServer();
}

function showServer() {
  if (server === null) return;
  showUpload(server, () => byId("index").value, refresh);
  showOptions(server);
  showFacts(server);
  byId("index").onchange = () => {
    showRetrievers(server);
    offerFilters();
  };
  offerFilters();
}

/** Offer the fields of the index that is chosen; without them, where the server does not tell them. */
async function offerFilters() {
  try {
    showFilters(await facets(byId("index").value || server.index));
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    showFilters({});
  }
}

async function submit(question) {
  byId("question").value = question;
  if (question.trim() === "") {
    say("empty_question");
    byId("question").focus();
    return;
  }
  if (server === null) {
    writeAddress(question); // asked from there once the server is known
    await connect();
    return;
  }
  const retrieval = retrievalOf(question, server);
  const started = performance.now();
  const work = (signal) => {
    const show = (written) => !signal.aborted && showUnread(shown, server, { compare, explain }, written);
    const onPassages = (response) => {
      shown = { retrieval, response, networkMs: null, columns: null };
      byId("main").classList.remove("stale");
      show("");
    };
    return askQuestion(retrieval, server, signal, { onPassages, onText: show });
  };
  const asking = during("asking", work, () => submit(question));
  byId("main").classList.add("stale"); // what is shown belongs to the question before
  const response = await asking;
  if (response === null) {
    if (lastProblem !== null || shown?.networkMs === null) clearShown();
    return;
  }
  shown = { retrieval, response, networkMs: performance.now() - started, columns: null };
  addRecent(question);
  writeAddress(question);
  render();
  announce();
  if (comparesRetrievers()) await compare();
}

/** Run a request with the page showing that it runs; null where it was stopped or failed, which is shown. */
async function during(message, work, again) {
  running?.abort();
  const controller = new AbortController();
  running = controller;
  clearError();
  say(message);
  setBusy(true);
  try {
    return await work(controller.signal);
  } catch (error) {
    if (running !== controller) return null;
    say(error.name === "AbortError" ? "stopped" : null);
    if (error instanceof Problem && error.status === 401) askForKey(error);
    else if (error instanceof Problem) showError(error, again);
    else if (error.name !== "AbortError") throw error;
    return null;
  } finally {
    if (running === controller) {
      running = null;
      setBusy(false);
    }
  }
}

/** Ask every compared retriever that this index has, but the one whose passages are there already. */
async function compare() {
  if (shown.columns !== null) return;
  const current = shown;
  const { retrieval, response } = current;
  const column = async (name, signal) => {
    if (name === retrieval.retriever) return { name, response };
    try {
      return { name, response: await ask("v1/retrieve", { ...retrieval, retriever: name }, signal) };
    } catch (problem) {
      if (problem instanceof Problem && problem.status !== 401) return { name, problem };
      throw problem;
    }
  };
  const names = COMPARED.filter((name) => indexOf(server, retrieval.index).retrievers.includes(name));
  const work = (signal) => Promise.all(names.map((name) => column(name, signal)));
  const columns = await during("comparing", work, compare);
  if (columns === null || shown !== current) return;
  shown.columns = columns;
  announce();
  showPassages(shown, server, { compare, explain });
}

async function explain(retriever, passageId) {
  const response = await ask("v1/explain", explanationRequestOf(shown.retrieval, passageId, retriever));
  return response.explanation;
}

function stop() {
  const wasRunning = running !== null;
  running?.abort();
  return wasRunning;
}

function setBusy(busy) {
  byId("submit").hidden = busy;
  byId("stop").hidden = !busy;
  byId("main").setAttribute("aria-busy", String(busy));
  byId("main").classList.remove("stale");
}

/** Show a line of state, which is also read out. */
function say(name) {
  byId("status").classList.remove("unseen");
  byId("status").textContent = name === null ? "" : text(name);
}

/** Have the outcome read out; to the eye the page shows it already. */
function announce() {
  const [result] = shown.response.results;
  const values = { n: number(result.hits.length), answer: result.text ?? result.answers?.[0]?.text };
  const answered = result.is_answered ? "done_answer" : "done_no_answer";
  byId("status").classList.add("unseen");
  byId("status").textContent = text(result.answers === undefined ? "done_passages" : answered, values);
}

function showError(problem, again) {
  lastProblem = { problem, again };
  showProblem(byId("problem"), problem, again);
}

function clearError() {
  lastProblem = null;
  byId("problem").hidden = true;
}

/** Take away what belongs to an earlier question: beside an error it would read as the answer to this one. */
function clearShown() {
  shown = null;
  document.title = NAME;
  hideResults();
}

function askForKey(problem) {
  byId("key-problem").textContent = problem.message;
  byId("key-form").hidden = false;
  byId("key").focus();
}

function render() {
  if (shown === null) return;
  document.title = `${shown.retrieval.question} – ${NAME}`;
  if (shown.networkMs === null) showUnread(shown, server, { compare, explain });
  else showResults(shown, server, { compare, explain });
  showRecent(submit);
}

/** The question stands behind the # of the address, which browsers send to no server. */
function writeAddress(question) {
  const address = `#${new URLSearchParams({ q: question })}`;
  if (location.hash !== address) history.pushState(null, "", address);
}

function askFromAddress() {
  const question = new URLSearchParams(location.hash.slice(1)).get("q");
  if (question && question !== shown?.retrieval.question) submit(question);
}

function setTheme(theme) {
  remember("theme", theme === "system" ? null : theme);
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

function renderAll() {
  translate();
  const other = byId("language");
  other.textContent = text("other_language");
  other.lang = currentLanguage() === "ko" ? "en" : "ko";
  showServer();
  if (lastProblem !== null) showProblem(byId("problem"), lastProblem.problem, lastProblem.again);
  showRecent(submit);
  render();
}

byId("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  submit(byId("question").value);
});
byId("question").addEventListener("keydown", (event) => {
  // While a Korean syllable is being composed, Enter ends the syllable.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  submit(event.target.value);
});
byId("question").addEventListener("input", ({ target }) => {
  target.lang = languageOf(target.value);
});
byId("stop").addEventListener("click", stop);
byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  setKey(byId("key").value);
  event.target.hidden = true;
  byId("key").value = "";
  if (server === null) connect();
  else submit(byId("question").value);
});
byId("language").addEventListener("click", () => {
  switchLanguage();
  renderAll();
});
byId("theme").addEventListener("change", ({ target }) => setTheme(target.value));
window.addEventListener("popstate", askFromAddress);

installKeys(stop);
renderAll();
byId("theme").value = document.documentElement.dataset.theme ?? "system";
if (matchMedia("(pointer: fine)").matches) byId("question").focus(); // elsewhere a keyboard would cover the page
connect();
