"""JSON of the service to the results of `dpr.results`; a hit of a server has no row, which is -1."""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from dpr.client.failures import failure_of
from dpr.client.pieces import AnswerPiece, Retrieved, WrittenText
from dpr.errors import RequestError
from dpr.results import Answer, Answered, FirstStage, Hit, ListScore, Passage, PassageWindow, Reading, Timings, Weighing
from dpr.types import Explanation, FloatArray, FusedValue, FusionRule, ListExplanation, TermShare

logger = logging.getLogger(__name__)

Json = Mapping[str, Any]

UNKNOWN_ROW = -1


def hits_of(result: Json) -> list[Hit]:
    """Return the hits of one question's result."""
    weighing = Weighing(**result["weighing"]) if result["weighing"] else None
    return [_hit(hit, weighing) for hit in result["hits"]]


def warn_of_missing(response: Any) -> None:
    """Log that a response of a router lacks the passages of some shards, if it does."""
    shards = response.get("shards") if isinstance(response, Mapping) else None
    if shards and shards["missing"]:
        numbers = ", ".join(str(entry["shard"]) for entry in shards["missing"])
        logger.warning("a partial answer: of %d shards, these did not answer: %s", shards["total"], numbers)


def answered_of(result: Json, hits: Sequence[Hit], timings: Json, generation: str, request_id: str) -> Answered:
    """Return one question's result; ``result`` is one of ``results``, or the data of an ``answer`` event."""
    names = ("text", "passage_id", "start", "end", "score", "span_score", "null_score")
    answers = tuple(Answer(**{name: answer[name] for name in names}) for answer in result["answers"])
    score = result["no_answer_score"]
    reading = Reading(
        answers,
        result["is_answered"],
        float("inf") if score is None else score,
        result["probability"],
        result["text"] or "",
        tuple(result["cited"]),
        result["note"] or "",
    )
    passages = tuple(hit.passage for hit in hits if hit.passage is not None)
    error = failure_of(200, {"error": result["error"]}, request_id) if result["error"] else None
    return Answered(result["question"], tuple(hits), passages, reading, Timings(**timings), generation, error)


def all_answered(response: Json, request_id: str) -> list[Answered]:
    """Return the results of a response of ``/v1/query``."""
    return [
        answered_of(result, hits_of(result), response["timings"], response["generation"], request_id)
        for result in response["results"]
    ]


class StreamReader:
    """Events of ``/v1/query``, in their order, to the pieces of a stream."""

    def __init__(self, request_id: str) -> None:
        self.is_done = False
        self._request_id = request_id
        self._retrieved: Retrieved | None = None
        self._retrieve_ms = 0.0

    def pieces(self, events: Iterable[tuple[str, Json]]) -> Iterable[AnswerPiece]:
        """Yield what the events say.

        Raises:
            ServerError: one of them is an error.
        """
        for name, data in events:
            if name == "passages":
                warn_of_missing(data)
                self._retrieve_ms = data["timings"]["retrieve_ms"]
                hits = tuple(tuple(hits_of(result)) for result in data["results"])
                questions = tuple(result["question"] for result in data["results"])
                self._retrieved = Retrieved(questions, hits, data["generation"])
                yield self._retrieved
            elif name == "text":
                yield WrittenText(data["text"])
            elif name == "answer" and self._retrieved is not None:
                timings = {"retrieve_ms": self._retrieve_ms, "read_ms": 0.0, "total_ms": 0.0}
                hits_of_question = self._retrieved.hits[data["index"]]
                yield answered_of(data, hits_of_question, timings, self._retrieved.generation, self._request_id)
            elif name == "error":
                raise failure_of(200, data, self._request_id)
            elif name == "done":
                self.is_done = True


def explanation_of(response: Json) -> Explanation:
    """Return the explanation of a response of ``/v1/explain``."""
    explained = response["explanation"]
    passage = _passage(explained["passage"])
    return Explanation(
        passage.id,
        response["retriever"] + ("+rerank" if response["rerank"] else ""),
        explained["rank"],
        explained["score"],
        {name: _list_explanation(entry) for name, entry in explained["lists"].items()},
        FusionRule(**explained["fusion"]) if explained["fusion"] else None,
        Weighing(**explained["weighing"]) if explained["weighing"] else None,
        FirstStage(**explained["first_stage"]) if explained["first_stage"] else None,
        explained["question"],
        passage,
        response["generation"],
    )


def vectors_of(response: Json) -> FloatArray:
    """Return the vectors of a response of ``/v1/embeddings`` in base64, (N, D)."""
    vectors = [np.frombuffer(base64.b64decode(item["embedding"]), dtype="<f4") for item in response["data"]]
    return np.stack(vectors).astype(np.float32)


def _hit(hit: Json, weighing: Weighing | None) -> Hit:
    passage = _passage(hit["passage"])
    return Hit(
        UNKNOWN_ROW,
        passage.id,
        hit["rank"],
        hit["score"],
        {name: ListScore(**entry) for name, entry in hit["lists"].items()},
        weighing,
        PassageWindow(**hit["window"]) if hit["window"] else None,
        passage,
        FirstStage(**hit["first_stage"]) if hit["first_stage"] else None,
    )


def _passage(passage: Json) -> Passage:
    names = ("id", "text", "title", "document_id", "start", "metadata")
    return Passage(*(passage[name] for name in names))


def _list_explanation(entry: Json) -> ListExplanation:
    return ListExplanation(
        entry["rank"],
        entry["score"],
        None if entry["terms"] is None else tuple(TermShare(**term) for term in entry["terms"]),
        PassageWindow(**entry["window"]) if entry["window"] else None,
        FusedValue(**entry["fused"]) if entry["fused"] else None,
    )


def encoder_name(indexes: Sequence[Json], index: str | None) -> str:
    """Return the name of an index's encoder, by what ``/v1/indexes`` lists; of the first index without a name.

    Raises:
        RequestError: there is no such index, or it has no encoder.
    """
    entry = next((entry for entry in indexes if index is None or entry["name"] == index), None)
    if entry is None or entry["encoder"] is None:
        raise RequestError(
            f"the server has no index {index or 'with vectors'!r}; /v1/indexes lists what there is", "index"
        )
    return str(entry["encoder"]["name"])
