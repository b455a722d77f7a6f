// Asks a question: the passages come first, then what a generator writes of the answer, then the answer.

import { ask, events, Problem } from "./api.js";

const ANSWERS = 3;

/**
 * The response to a retrieval, with answers where the server finds any. `onPassages` gets the response before it is read,
 * `onText` what a generator has written so far.
 */
export async function askQuestion(retrieval, server, signal, { onPassages, onText }) {
  if (server.reader === null && server.generator === null) return ask("v1/retrieve", retrieval, signal);
  const request = { ...retrieval, n_best: Math.min(ANSWERS, server.limits.n_best) };
  let [response, text] = [null, ""];
  for await (const [name, data] of events("v1/query", request, signal)) {
    if (name === "passages") onPassages((response = data));
    else if (name === "text") onText((text += data.text));
    else if (name === "answer") response = { ...response, results: [{ ...response.results[0], ...data }] };
    else if (name === "done") return { ...response, ...data };
  }
  throw new Problem("network", ""); // the events ended before the last one
}
