// Talks to the server: one function for a request, one class for what goes wrong.

import { remember, remembered } from "./storage.js";

/** An error of the server, or of the way to it: code, sentence, status (0: not reached), wait in seconds, request id. */
export class Problem extends Error {
  constructor(code, message, { status = 0, waitSeconds = null, requestId = null } = {}) {
    super(message);
    Object.assign(this, { code, status, waitSeconds, requestId });
  }
}

export function setKey(key) {
  remember("key", key, "sessionStorage");
}

/** Send a request and return the parsed response; throws Problem, and AbortError where the signal stopped it. */
export async function send(method, path, options = {}) {
  const response = await respond(method, path, options);
  return reached(() => response.json());
}

/** Send lines of JSON and return those of the response. */
export async function sendLines(path, body) {
  const response = await respond("POST", path, { body, type: "application/x-ndjson", accept: "application/x-ndjson" });
  const lines = await reached(() => response.text());
  return lines
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

/** Ask for server-sent events; yields [name, data] of each, and throws the Problem of an `error` event. */
export async function* events(path, request, signal) {
  const body = JSON.stringify(request);
  const response = await respond("POST", path, { body, accept: "text/event-stream", signal });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let unread = "";
  for (;;) {
    const { value, done } = await reached(() => reader.read());
    if (done) return;
    const blocks = (unread + value).split("\n\n");
    unread = blocks.pop();
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split("\n").map((line) => line.split(/: (.*)/s, 2)));
      if (fields.event === undefined) continue; // a comment, which keeps the connection alive
      const data = JSON.parse(fields.data);
      if (fields.event === "error") throw new Problem(data.error.code, data.error.message, factsOf(response));
      yield [fields.event, data];
    }
  }
}

async function respond(method, path, { body, type = "application/json", accept = "application/json", signal }) {
  const headers = { accept };
  const key = remembered("key", "sessionStorage");
  if (key !== null) headers.authorization = `Bearer ${key}`;
  if (body !== undefined) headers["content-type"] = type;
  const options = { method, headers, signal, body, cache: "no-store", credentials: "same-origin" };
  const response = await reached(() => fetch(path, options));
  if (!response.ok) throw await problemOf(response);
  return response;
}

/** What `work` promises; a Problem where the server is not reached, or is lost on the way. */
async function reached(work) {
  try {
    return await work();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("network", "");
  }
}

/** What the server serves: /v1/info, and in `indexes` what /v1/indexes says of each. */
export async function info() {
  const facts = await send("GET", "v1/info");
  const { indexes } = await send("GET", "v1/indexes");
  return { ...facts, indexes };
}

/** The fields of an index, with their types and values. */
export async function facets(index) {
  const { fields } = await send("GET", `v1/facets?limit=50&index=${encodeURIComponent(index)}`);
  return fields;
}

export function ask(path, request, signal) {
  return send("POST", path, { body: JSON.stringify(request), signal });
}

async function problemOf(response) {
  try {
    const { error } = await response.json();
    return new Problem(String(error.code), String(error.message), factsOf(response));
  } catch {
    return new Problem("http_error", `${response.status} ${response.statusText}`, factsOf(response));
  }
}

function factsOf(response) {
  const wait = Number.parseInt(response.headers.get("retry-after") ?? "", 10);
  const requestId = response.headers.get("x-request-id");
  return { status: response.status, waitSeconds: Number.isNaN(wait) ? null : wait, requestId };
}
