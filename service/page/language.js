// The language of the interface: the reader's choice, else the browser's; and the texts and numbers in it.

import { STRINGS } from "./strings.js";
import { remember, remembered } from "./storage.js";

const saved = remembered("language");
let language = saved in STRINGS ? saved : navigator.language.toLowerCase().startsWith("ko") ? "ko" : "en";

export function currentLanguage() {
  return language;
}

export function switchLanguage() {
  language = language === "ko" ? "en" : "ko";
  remember("language", language);
}

/** The string of this name, with {braces} filled in. */
export function text(name, values = {}) {
  return STRINGS[language][name].replace(/\{(\w+)\}/g, (_, key) => values[key]);
}

/** The name of a retriever for people; the server's own where the page has none. */
export function retrieverName(name) {
  return STRINGS[language][`retriever_${name}`] ?? name;
}

export function number(value, digits = 0) {
  return value.toLocaleString(language, { maximumFractionDigits: digits, minimumFractionDigits: digits });
}

export function percent(share) {
  return share.toLocaleString(language, { style: "percent" });
}

export function milliseconds(value) {
  return text("milliseconds", { n: number(value, value < 10 ? 1 : 0) });
}

/** The language that a text is written in, for screen readers and line breaks. */
export function languageOf(written) {
  return /[\uac00-\ud7a3]/.test(written) ? "ko" : "en";
}

/** Fill in what the markup leaves to a language. */
export function translate() {
  document.documentElement.lang = language;
  for (const node of document.querySelectorAll("[data-text]")) node.textContent = text(node.dataset.text);
  for (const node of document.querySelectorAll("[data-label]")) node.ariaLabel = text(node.dataset.label);
  for (const node of document.querySelectorAll("[data-placeholder]")) node.placeholder = text(node.dataset.placeholder);
}
