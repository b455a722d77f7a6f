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
export async function send(method, path, { body, type = "application/json", signal } = {}) {
  const headers = { accept: "application/json" };
  const key = remembered("key", "sessionStorage");
  if (key !== null) headers.authorization = `Bearer ${key}`;
  if (body !== undefined) headers["content-type"] = type;
  let response;
  try {
    response = await fetch(path, { method, headers, signal, body, cache: "no-store", credentials: "same-origin" });
    if (response.ok) return response.status === 204 ? null : await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("network", "");
  }
  throw await problemOf(response);
}

/** What the server serves: /v1/info, and in `indexes` the names of all its indexes. */
export async function info() {
  const [facts, { indexes }] = await Promise.all([send("GET", "v1/info"), send("GET", "v1/indexes")]);
  return { ...facts, indexes: indexes.map(({ name }) => name) };
}

export function ask(path, request, signal) {
  return send("POST", path, { body: JSON.stringify(request), signal });
}

async function problemOf(response) {
  const wait = Number.parseInt(response.headers.get("retry-after") ?? "", 10);
  const facts = {
    status: response.status,
    waitSeconds: Number.isNaN(wait) ? null : wait,
    requestId: response.headers.get("x-request-id"),
  };
  try {
    const { error } = await response.json();
    return new Problem(String(error.code), String(error.message), facts);
  } catch {
    return new Problem("http_error", `${response.status} ${response.statusText}`, facts);
  }
}
