// Marks spans of a text. Offsets count Unicode characters, as the server does, not JavaScript's UTF-16 units.

import { element } from "./dom.js";

const LONG = 900;
const AROUND = 320;

/** Nodes of a text from character `from` to `to`, with <mark> for each span {start, end, kind}; the first spans win. */
export function marked(text, spans, from = 0, to = Infinity) {
  const characters = Array.from(text);
  const last = Math.min(to, characters.length);
  const nodes = [];
  let position = from;
  for (const { start, end, kind } of apart(spans)) {
    const [first, past] = [Math.max(start, position), Math.min(end, last)];
    if (first >= past) continue;
    nodes.push(characters.slice(position, first).join(""));
    nodes.push(element("mark", { class: kind }, characters.slice(first, past).join("")));
    position = past;
  }
  nodes.push(characters.slice(position, last).join(""));
  return [from > 0 ? "… " : null, ...nodes, last < characters.length ? " …" : null].filter((node) => node !== null);
}

/** The part of a long text around its first span, cut at spaces; null for a text that is not long. */
export function excerpt(text, span) {
  const characters = Array.from(text);
  if (characters.length <= LONG) return null;
  const start = span?.start ?? 0;
  const from = start <= AROUND ? 0 : afterSpace(characters, start - AROUND);
  const to = beforeSpace(characters, Math.max(span?.end ?? 0, from + 2 * AROUND));
  return { from, to };
}

/** Where the short form of a text starts, so that its span is among the first words. */
export function opening(text, span) {
  const start = span?.start ?? 0;
  return start <= 90 ? 0 : afterSpace(Array.from(text), start - 60);
}

function apart(spans) {
  const chosen = [];
  for (const span of spans) {
    if (chosen.every((other) => span.end <= other.start || span.start >= other.end)) chosen.push(span);
  }
  return chosen.sort((one, other) => one.start - other.start);
}

function afterSpace(characters, position) {
  for (let index = position; index < position + 30; index += 1) if (characters[index] === " ") return index + 1;
  return position;
}

function beforeSpace(characters, position) {
  if (position >= characters.length) return characters.length;
  for (let index = position; index < Math.min(position + 30, characters.length); index += 1) {
    if (characters[index] === " ") return index;
  }
  return position;
}
