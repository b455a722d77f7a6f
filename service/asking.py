"""The work of ``/v1/retrieve`` and ``/v1/query`` in steps: search, read, and write down the response."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple, TypeVar

import orjson

from dpr.filters import Filter
from dpr.pipeline import QA, SearchBy
from dpr.results import Answered, Timings
from dpr.search.candidates import candidates_of
from dpr.search.fusion import Fusion
from dpr.search.registry import RERANKED, plain_name
from dpr.types import Candidates, Hit, Reader, Reading, ReadsEach, ReadsWindows, WritesText
from service.cache import ResultCache, Results
from service.errors import TooCostlyError, error_out
from service.fusion import fusion_key, fusion_out
from service.schemas import AnswerEvent, DoneEvent, QueryRequest, QueryTimings, RetrieveRequest, TextEvent
from service.shards.routed import RoutedQA
from service.streaming import Emit
from service.work import Operation, Step, Steps, text_tokens

Output = TypeVar("Output")

RERANKED_PAIR_TOKENS = 160
"""About how many tokens a reranker reads of a hit and its question: those of a passage of 100 words."""

RESULT_TOKENS = 64
"""What it costs to write down one hit, in the time that a model takes for so many tokens."""


CUT_TOKENS = 64
"""Tokens that are cut into windows in the time that a model takes for one."""

TOKENS_AT_ONCE = 16_384
"""Tokens of passages that a request has cut into windows at a time: they take some 30 bytes each in memory."""


@dataclass(frozen=True, slots=True)
class Source:
    """What finds the passages of a request: the name of the index, the retriever's, how it fuses, and the filter."""

    index: str
    retriever: str
    fusion: Fusion | None
    filter: Filter | None = None

    @property
    def key(self) -> tuple[Hashable, ...]:
        """What tells searches apart."""
        return self.retriever, fusion_key(self.fusion), repr(self.filter)


NO_TIMINGS = Timings(0.0, 0.0, 0.0)
"""In place of a question's own timings: those of a response are the request's."""


class SearchOutput(NamedTuple):
    """What a search gives for one question: its hits, how much of it the encoder did not read, and lost shards."""

    hits: list[Hit]
    note: str
    lost_shards: Mapping[int, str] = {}


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


def search(qa: QA, source: Source, k: int) -> Operation[str, SearchOutput]:
    """Return the operation that retrieves ``k`` passages for each question."""
    retriever = source.retriever
    rerank = qa.index.rerank if retriever.endswith(RERANKED) else None
    extra_tokens = rerank.depth * RERANKED_PAIR_TOKENS if rerank else 0

    def compute(questions: Sequence[str]) -> list[SearchOutput]:
        batch = qa.retrieve(list(questions), k=k, retriever=retriever, fusion=source.fusion, filter=source.filter)
        return [
            SearchOutput(hits, qa.note(question, retriever)) for question, hits in zip(questions, batch, strict=True)
        ]

    key = ("search", qa, *source.key, k)
    return Operation("search", compute, lambda question: text_tokens(question) + extra_tokens, key, pace=retriever)


def search_steps(qa: QA, source: Source, k: int, questions: Sequence[str]) -> Steps[Sequence[SearchOutput]]:
    """Retrieve ``k`` passages for each question: here, or of a router's nodes, which it waits for."""
    if not isinstance(qa, RoutedQA):
        return (yield Step(search(qa, source, k), questions))
    routed, by = qa, SearchBy(source.retriever, source.fusion, source.filter)

    def compute(batch: Sequence[str]) -> list[SearchOutput]:
        hits, lost_shards = routed.find(batch, k, by)
        lack = lacking(lost_shards, routed.sharded.state.shard.shards)
        notes = ["; ".join(filter(None, (routed.note(question, source.retriever), lack))) for question in batch]
        return [SearchOutput(*of_question, lost_shards) for of_question in zip(hits, notes, strict=True)]

    if routed.sharded.needs_vectors(source.retriever):
        yield Step(Operation("encode", routed.encode, text_tokens, ("encode", routed)), questions)
    return (yield Step(Operation("shards", compute, text_tokens, waits=True), questions))


def lacking(lost_shards: Mapping[int, str], shards: int) -> str:
    """Return the note on shards that did not answer; empty if all did."""
    if not lost_shards:
        return ""
    return f"a partial answer: of {shards} shards, number {', '.join(map(str, lost_shards))} did not answer"


def cut(qa: QA, reader: ReadsWindows) -> Operation[Candidates, Sequence[Sized]]:
    """Return the operation that cuts the passages of a question into the windows of a reader."""
    return Operation("cut", reader.windows, lambda item: _passage_tokens(item) // CUT_TOKENS + 1, ("cut", qa))


def read(qa: QA, reader: ReadsWindows) -> Operation[Sized, object]:
    """Return the operation that reads one window of a passage for a question."""
    return Operation("read", reader.read_windows, len, ("read", qa))


def retrieve_steps(qa: QA, request: RetrieveRequest, source: Source, cache: ResultCache) -> Steps[str]:
    """Return the JSON of the response of ``/v1/retrieve``."""
    started = time.perf_counter()
    key = ("retrieve", *source.key, request.k)
    results = Results(cache, qa, key, request.batch)
    batch = yield from search_steps(qa, source, request.k, results.questions)
    retrieved = time.perf_counter()

    def respond(row: int) -> None:
        content = orjson.dumps(_retrieve_result(results.questions[row], batch[row]))
        results.put(row, content, is_whole=not batch[row].lost_shards)

    yield Step(_each_result(respond, request.k), range(len(batch)))
    timings = {"retrieve_ms": _ms(started, retrieved), "total_ms": _ms(started)}
    return _response(qa, source, timings, results, batch)


def query_steps(
    qa: QA, request: QueryRequest, source: Source, cache: ResultCache, emit: Emit | None = None
) -> Steps[str]:
    """Return the JSON of the response of ``/v1/query``; of a stream, which ``emit`` gets, that of its last event.

    What a stream gets, and what a generator wrote, is not from the cache.

    Raises:
        GeneratorError: the generator failed at every question, and there is no reader in its place.
    """
    started = time.perf_counter()
    key = ("query", *source.key, request.k, request.n_best)
    results = Results(cache if emit is None and qa.generator is None else None, qa, key, request.batch)
    questions = results.questions
    batch = yield from search_steps(qa, source, request.k, questions)
    retrieved = time.perf_counter()
    rows = range(len(batch))
    if emit is not None:
        hits_of = Results(None, qa, (), questions)

        def respond(row: int) -> None:
            hits_of.put(row, orjson.dumps(_retrieve_result(questions[row], batch[row])))

        yield Step(_each_result(respond, request.k), rows)
        passages_timings = {"retrieve_ms": _ms(started, retrieved), "total_ms": _ms(started, retrieved)}
        emit("passages", _response(qa, source, passages_timings, hits_of, batch))
    candidates = [candidates_of(question, output.hits) for question, output in zip(questions, batch, strict=True)]
    conclude = yield from _read_steps(qa, candidates, request.n_best, emit)

    def result(row: int) -> dict[str, Any]:
        """Return the result of a question as JSON values."""
        (hits, note, _), outcome = batch[row], conclude(row)
        reading, error = (outcome, None) if isinstance(outcome, Reading) else (Reading(), error_out(outcome))
        reading = replace(reading, note="; ".join(filter(None, (note, reading.note))))
        passages = candidates[row].passages
        answered = Answered(questions[row], tuple(hits), passages, reading, NO_TIMINGS, qa.generation)
        return {**answered.to_dict(), "error": error.model_dump() if error else None}

    if emit is None:

        def put(row: int) -> None:
            results.put(row, orjson.dumps(result(row)), is_whole=not batch[row].lost_shards)

        yield Step(_each_result(put, request.k), rows)
        timings = {"retrieve_ms": _ms(started, retrieved), "read_ms": _ms(retrieved), "total_ms": _ms(started)}
        return _response(qa, source, timings, results, batch)
    answers = yield Step(_each_result(result, request.k), rows)
    for row, answer in enumerate(answers):
        emit("answer", AnswerEvent(index=row, **_verdict(answer)).model_dump_json())
    query_timings = QueryTimings(retrieve_ms=_ms(started, retrieved), read_ms=_ms(retrieved), total_ms=_ms(started))
    return DoneEvent(generation=qa.generation, timings=query_timings).model_dump_json()


def _read_steps(
    qa: QA, candidates: Sequence[Candidates], n_best: int, emit: Emit | None
) -> Steps[Callable[[int], Reading | Exception]]:
    """Read each question's passages; return what concludes the reading of a question, by its row."""
    if (by_window := qa.window_reader()) is not None:
        reader, read_of = by_window, []
        for some in _in_parts(candidates):
            windows = yield Step(cut(qa, reader), some)
            outputs = iter(
                (yield Step(read(qa, reader), [window for of_question in windows for window in of_question]))
            )
            read_of += [[next(outputs) for _ in of_question] for of_question in windows]
        return lambda row: reader.reading(candidates[row], read_of[row], n_best) if read_of[row] else Reading()
    readable = [row for row, item in enumerate(candidates) if item.passages]
    operation: Operation[Candidates, Reading | Exception] = Operation(
        "generate" if qa.generator else "read",
        partial(_outcomes, qa.answering_reader(), n_best=n_best, emit=emit if len(candidates) == 1 else None),
        _passage_tokens,
        waits=qa.generator is not None,
    )
    outcomes = yield Step(operation, [candidates[row] for row in readable])
    failures = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    if failures and len(failures) == len(candidates):
        raise failures[0]
    outcome_by_row = dict(zip(readable, outcomes, strict=True))
    return lambda row: outcome_by_row.get(row, Reading())


def _passage_tokens(item: Candidates) -> int:
    return sum(text_tokens(passage.text) for passage in item.passages)


def _in_parts(candidates: Sequence[Candidates]) -> Iterator[list[Candidates]]:
    """Yield questions with their passages, as many at a time as are cut into windows before they are read."""
    part: list[Candidates] = []
    tokens = 0
    for item in candidates:
        part.append(item)
        tokens += _passage_tokens(item)
        if tokens >= TOKENS_AT_ONCE:
            yield part
            part, tokens = [], 0
    yield part


def _outcomes(
    reader: Reader, batch: Sequence[Candidates], n_best: int, emit: Emit | None
) -> Sequence[Reading | Exception]:
    """Read each question; a text that is written while a stream waits for it is passed on as it comes."""
    if emit is None or not isinstance(reader, WritesText):
        return reader.read_each(batch, n_best) if isinstance(reader, ReadsEach) else reader.read(batch, n_best)
    outcomes: list[Reading | Exception] = []
    for item in batch:
        for piece in reader.stream(item, n_best):
            if isinstance(piece, Reading):
                outcomes.append(piece)
            else:
                emit("text", TextEvent(text=piece).model_dump_json())
    return outcomes


def _retrieve_result(question: str, output: SearchOutput) -> dict[str, Any]:
    hits, note, _ = output
    weighing = hits[0].weighing if hits else None
    return {
        "question": question,
        "hits": [hit.to_dict() for hit in hits],
        "weighing": weighing.to_dict() if weighing else None,
        "note": note or None,
    }


def _response(
    qa: QA, source: Source, timings: Mapping[str, float], results: Results, batch: Sequence[SearchOutput]
) -> str:
    """Return the JSON of a response: as its model says (`service.schemas`), and written without it, to be fast."""
    return orjson.dumps(
        {
            "index": source.index,
            "generation": qa.generation,
            "retriever": plain_name(source.retriever),
            "rerank": source.retriever.endswith(RERANKED),
            "fusion": fusion_out(source.fusion).model_dump() if source.fusion else None,
            "shards": _shards(qa, batch),
            "timings": timings,
            "results": [orjson.Fragment(content) for content in results.contents],
        }
    ).decode()


def _shards(qa: QA, batch: Sequence[SearchOutput]) -> dict[str, object] | None:
    """Return which shards answered for the questions that were not in the cache: what is there is of all shards."""
    if not isinstance(qa, RoutedQA):
        return None
    lost_shards = {number: cause for output in batch for number, cause in output.lost_shards.items()}
    return {
        "total": qa.sharded.state.shard.shards,
        "missing": [{"shard": number, "cause": cause} for number, cause in sorted(lost_shards.items())],
    }


def _verdict(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an event says of an answer: all but the hits, which are in an event before."""
    return {name: result[name] for name in AnswerEvent.model_fields if name != "index"}


def _each_result(result: Callable[[int], Output], k: int) -> Operation[int, Output]:
    return Operation("respond", lambda rows: [result(row) for row in rows], lambda _row: k * RESULT_TOKENS)


def _ms(start: float, end: float | None = None) -> float:
    """Return the milliseconds from one moment to another, by default to now."""
    return round(((time.perf_counter() if end is None else end) - start) * 1000, 3)
