// Which passages a question is asked of: a control for each field of the index, by what /v1/facets says.

import { byId, element } from "./dom.js";
import { number, text } from "./language.js";

const MOST_FIELDS = 8;
const INPUT_TYPES = { integer: "number", number: "number", date: "date", datetime: "date" };

/** Offer the fields of an index; what was chosen of a field that is still there stays. */
export function showFilters(facets) {
  const before = new Map(controls().map((control) => [control.name, control.value]));
  const offered = Object.entries(facets).filter(([, facet]) => isOffered(facet));
  const labels = offered.slice(0, MOST_FIELDS).flatMap(([field, facet]) => labelsOf(field, facet));
  byId("filters").hidden = labels.length === 0;
  byId("filter-fields").replaceChildren(...labels);
  for (const control of controls()) control.value = before.get(control.name) ?? "";
}

/** The filter that the controls say; undefined where none is set. */
export function filterOf() {
  const conditions = controls()
    .filter(({ value }) => value !== "")
    .map((control) => {
      const { field, type, operator } = control.dataset;
      const value = control.value;
      return { field, operator, value: typed(type, value, operator) };
    });
  if (conditions.length === 0) return undefined;
  return conditions.length === 1 ? conditions[0] : { operator: "AND", conditions };
}

/** What a passage has in its fields, as pairs of a name and a text. */
export function fieldsOf(passage) {
  return Object.entries(passage.metadata).map(([name, value]) => [
    name,
    Array.isArray(value) ? value.join(", ") : typeof value === "number" ? String(value) : `${value}`,
  ]);
}

function controls() {
  return [...byId("filter-fields").querySelectorAll("select, input")];
}

/** A field with a range, or one whose values fit into a list. */
function isOffered(facet) {
  if (facet.type in INPUT_TYPES) return facet.least !== null && facet.least !== facet.greatest;
  return facet.values.length > 0 && facet.values.length === facet.distinct;
}

function labelsOf(field, facet) {
  if (facet.type in INPUT_TYPES) return [rangeOf(field, facet, ">=", "filter_from"), rangeOf(field, facet, "<=", "filter_to")];
  const choices = facet.values.map(({ value, passages }) =>
    element("option", { value: String(value) }, text("filter_value", { value: String(value), n: number(passages) })),
  );
  const attributes = { name: field, "data-field": field, "data-type": facet.type, "data-operator": "==" };
  const select = element("select", attributes, element("option", { value: "" }, text("filter_all")), ...choices);
  return [element("label", {}, element("span", {}, field), " ", select)];
}

function rangeOf(field, facet, operator, words) {
  const input = element("input", {
    type: INPUT_TYPES[facet.type],
    name: `${field} ${operator}`,
    step: facet.type === "number" ? "any" : null,
    placeholder: facet.type in { integer: 0, number: 0 } ? String(operator === ">=" ? facet.least : facet.greatest) : null,
    "data-field": field,
    "data-type": facet.type,
    "data-operator": operator,
  });
  return element("label", {}, element("span", {}, text(words, { field })), " ", input);
}

/** The value of a control as its field has it; a day of a time ends with it. */
function typed(type, value, operator) {
  if (type === "integer" || type === "number") return Number(value);
  if (type === "boolean") return value === "true";
  return type === "datetime" && operator === "<=" ? `${value}T23:59:59.999999Z` : value;
}
