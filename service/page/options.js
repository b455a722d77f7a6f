// What /v1/info says, as controls and as a line of facts; and the request that the controls make.

import { byId, element } from "./dom.js";
import { filterOf } from "./filters.js";
import { number, retrieverName, text } from "./language.js";

const PASSAGES = 10;

/** Offer what this server has, and nothing else. */
export function showOptions(server) {
  byId("index-option").hidden = server.indexes.length < 2;
  if (byId("index").options.length !== server.indexes.length) {
    byId("index").replaceChildren(...server.indexes.map(({ name }) => element("option", { value: name }, name)));
  }
  showRetrievers(server);
  byId("k").max = server.limits.k;
  byId("k").value ||= Math.min(PASSAGES, server.limits.k);
  if (byId("rerank-option").hidden) byId("rerank").checked = server.reranker !== null;
  byId("rerank-option").hidden = server.reranker === null;
}

/** Offer the retrievers of the index that is chosen. */
export function showRetrievers(server) {
  const retriever = byId("retriever");
  const index = indexOf(server, byId("index").value);
  const selected = index.retrievers.includes(retriever.value) ? retriever.value : index.retriever_default;
  retriever.replaceChildren(...index.retrievers.map((name) => element("option", { value: name }, retrieverName(name))));
  retriever.value = selected;
}

/** What the server says of an index; of its default one where none is named. */
export function indexOf(server, name) {
  return { ...server, ...server.indexes.find((index) => index.name === name) };
}

export function showFacts(server) {
  byId("facts").textContent = [
    text("facts", { passages: number(server.passages) }),
    text("generation", { generation: server.generation }),
    server.encoder && text("fact_encoder", { name: server.encoder.name }),
    server.reader && text("fact_reader", { name: server.reader }),
  ]
    .filter(Boolean)
    .join(" · ");
}

/** The retrieval of a question as the controls say it. */
export function retrievalOf(question, server) {
  const k = byId("k").valueAsNumber;
  const request = { question, retriever: byId("retriever").value };
  if (!Number.isNaN(k)) request.k = k;
  if (server.indexes.length > 1) request.index = byId("index").value;
  if (server.reranker !== null) request.rerank = byId("rerank").checked;
  const filter = filterOf();
  if (filter !== undefined) request.filter = filter;
  return request;
}

/** What asks why a passage has its rank by a retriever; another than that of the question is not reranked. */
export function explanationRequestOf({ question, retriever, rerank, index, filter }, passageId, byRetriever) {
  const request = { question, retriever: byRetriever, passage_id: passageId, index, filter };
  return rerank === undefined ? request : { ...request, rerank: rerank && byRetriever === retriever };
}
