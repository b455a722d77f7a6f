"""The work of ``/v1/retrieve`` and ``/v1/query`` in steps: search, read, and write down the response."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import NamedTuple, TypeVar

from dpr.pipeline import QA, candidates_of
from dpr.results import Answered, Timings
from dpr.search.fusion import Fusion
from dpr.search.registry import RERANKED, plain_name
from dpr.types import Candidates, Hit, Passage, Reading, ReadsPassages
from service.errors import TooCostlyError
from service.fusion import fusion_key, fusion_out, weighing_out
from service.schemas import (
    HitOut,
    QueryRequest,
    QueryResponse,
    QueryResult,
    QueryTimings,
    RetrieveRequest,
    RetrieveResponse,
    RetrieveResult,
    RetrieveTimings,
)
from service.work import Operation, Step, Steps, text_tokens

Output = TypeVar("Output")

RERANKED_PAIR_TOKENS = 160
"""About how many tokens a reranker reads of a hit and its question: those of a passage of 100 words."""

RESULT_TOKENS = 64
"""What it costs to write down one hit, in the time that a model takes for so many tokens."""


class SearchOutput(NamedTuple):
    """What a search gives for one question: its hits, and how much of it the encoder did not read."""

    hits: list[Hit]
    note: str


class PassageOfQuestion(NamedTuple):
    """One passage to read for one question."""

    question: str
    passage: Passage


def refuse_costly(request: RetrieveRequest, max_passages: int) -> None:
    """Refuse a request for more passages than the server allows.

    Raises:
        TooCostlyError: its questions × ``k`` are more than ``max_passages``.
    """
    passages = len(request.batch) * request.k
    if passages > max_passages:
        raise TooCostlyError(
            f"{len(request.batch)} questions with k {request.k} ask for {passages:,} passages, over the limit of "
            f"{max_passages:,}; send fewer questions, or a smaller k"
        )


def search(qa: QA, retriever: str, fusion: Fusion | None, k: int) -> Operation[str, SearchOutput]:
    """Return the operation that retrieves ``k`` passages for each question."""
    rerank = qa.index.rerank if retriever.endswith(RERANKED) else None
    extra_tokens = rerank.depth * RERANKED_PAIR_TOKENS if rerank else 0

    def compute(questions: Sequence[str]) -> list[SearchOutput]:
        batch = qa.retrieve(list(questions), k=k, retriever=retriever, fusion=fusion)
        return [
            SearchOutput(hits, qa.note(question, retriever)) for question, hits in zip(questions, batch, strict=True)
        ]

    key = ("search", qa, retriever, fusion_key(fusion), k)
    return Operation("search", compute, lambda question: text_tokens(question) + extra_tokens, key)


def read(qa: QA, reader: ReadsPassages) -> Operation[PassageOfQuestion, object]:
    """Return the operation that finds the spans of one passage for one question."""

    def compute(pairs: Sequence[PassageOfQuestion]) -> list[object]:
        batch = [
            Candidates(question, passages, (0.0,) * len(passages))
            for question, group in groupby(pairs, key=lambda pair: pair.question)
            if (passages := tuple(pair.passage for pair in group))
        ]
        return [spans for of_question in reader.spans(batch) for spans in of_question]

    def tokens(pair: PassageOfQuestion) -> int:
        return text_tokens(pair.question) + text_tokens(pair.passage.text)

    return Operation("read", compute, tokens, ("read", qa))


def retrieve_steps(qa: QA, request: RetrieveRequest, retriever: str, fusion: Fusion | None, index: str) -> Steps[str]:
    """Return the JSON of the response of ``/v1/retrieve``."""
    started = time.perf_counter()
    batch: Sequence[SearchOutput] = yield Step(search(qa, retriever, fusion, request.k), request.batch)
    retrieved = time.perf_counter()

    def result(row: int) -> RetrieveResult:
        hits, note = batch[row]
        return RetrieveResult(
            question=request.batch[row],
            hits=[HitOut.model_validate(hit.to_dict()) for hit in hits],
            weighing=weighing_out(hits),
            note=note or None,
        )

    results = yield Step(_each_result(result, request.k), range(len(batch)))
    timings = RetrieveTimings(retrieve_ms=_ms(started, retrieved), total_ms=_ms(started, time.perf_counter()))
    return RetrieveResponse(
        index=index,
        generation=qa.generation,
        retriever=plain_name(retriever),
        rerank=retriever.endswith(RERANKED),
        fusion=fusion_out(fusion) if fusion else None,
        timings=timings,
        results=list(results),
    ).model_dump_json()


def query_steps(qa: QA, request: QueryRequest, retriever: str, fusion: Fusion | None, index: str) -> Steps[str]:
    """Return the JSON of the response of ``/v1/query``."""
    started = time.perf_counter()
    batch: Sequence[SearchOutput] = yield Step(search(qa, retriever, fusion, request.k), request.batch)
    retrieved = time.perf_counter()
    candidates = [candidates_of(question, output.hits) for question, output in zip(request.batch, batch, strict=True)]
    conclude = yield from _read_steps(qa, candidates, request.n_best)
    timings = Timings(_ms(started, retrieved), 0.0, 0.0)

    def result(row: int) -> QueryResult:
        (hits, note), reading = batch[row], conclude(row)
        reading = replace(reading, note="; ".join(filter(None, (note, reading.note))))
        answered = Answered(request.batch[row], tuple(hits), candidates[row].passages, reading, timings, qa.generation)
        return QueryResult.model_validate(answered.to_dict())

    results = yield Step(_each_result(result, request.k), range(len(batch)))
    finished = time.perf_counter()
    return QueryResponse(
        index=index,
        generation=qa.generation,
        retriever=plain_name(retriever),
        rerank=retriever.endswith(RERANKED),
        fusion=fusion_out(fusion) if fusion else None,
        timings=QueryTimings(
            retrieve_ms=_ms(started, retrieved), read_ms=_ms(retrieved, finished), total_ms=_ms(started, finished)
        ),
        results=list(results),
    ).model_dump_json()


def _read_steps(qa: QA, candidates: Sequence[Candidates], n_best: int) -> Steps[Callable[[int], Reading]]:
    """Read each question's passages; return what concludes the reading of a question, by its row."""
    if (by_passage := qa.passage_reader()) is not None:
        reader = by_passage
        pairs = [PassageOfQuestion(item.question, passage) for item in candidates for passage in item.passages]
        spans = iter((yield Step(read(qa, reader), pairs)))
        of_question = [[next(spans) for _ in item.passages] for item in candidates]
        return lambda row: reader.reading(candidates[row], of_question[row], n_best) if of_question[row] else Reading()
    readable = [row for row, item in enumerate(candidates) if item.passages]
    answering = qa.answering_reader()
    operation: Operation[Candidates, Reading] = Operation(
        "generate" if qa.generator else "read",
        lambda items: answering.read(items, n_best),
        lambda item: sum(text_tokens(passage.text) for passage in item.passages),
        waits=qa.generator is not None,
    )
    readings = yield Step(operation, [candidates[row] for row in readable])
    readings_by_row = dict(zip(readable, readings, strict=True))
    return lambda row: readings_by_row.get(row, Reading())


def _each_result(result: Callable[[int], Output], k: int) -> Operation[int, Output]:
    return Operation("respond", lambda rows: [result(row) for row in rows], lambda _row: k * RESULT_TOKENS)


def _ms(start: float, end: float) -> float:
    return round((end - start) * 1000, 3)
