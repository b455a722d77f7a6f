"""The two questions one may ask: which passages (``/v1/retrieve``), and which answer (``/v1/query``).

All work on a request, its response's JSON included, happens in the engine's thread.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Body, Response

from dpr.pipeline import Answered, OpenQA
from dpr.search.fusion import Fusion
from dpr.search.registry import RERANKED, plain_name
from dpr.types import Answer, Hit, Passage
from service import examples
from service.deps import DefaultFusion, EngineOf, SettingsOf
from service.errors import NoReaderError
from service.fusion import fusion_of, fusion_out, retriever_of, weighing_out
from service.routes.documented import documented
from service.schemas import (
    AnswerOut,
    FirstStageOut,
    HitOut,
    ListScoreOut,
    PassageOut,
    QueryRequest,
    QueryResponse,
    QueryResult,
    QueryTimings,
    RetrieveRequest,
    RetrieveResponse,
    RetrieveResult,
    RetrieveTimings,
    WindowOut,
)

router = APIRouter(prefix="/v1", tags=["questions"])


@router.post(
    "/retrieve",
    summary="Which passages belong to the question",
    response_model=RetrieveResponse,
    responses=documented(400, 413, 422, 500, 503, example=examples.RETRIEVE_RESPONSE),
)
async def retrieve(
    request: Annotated[RetrieveRequest, Body(openapi_examples=examples.RETRIEVE_REQUESTS)],
    engine: EngineOf,
    settings: SettingsOf,
    default: DefaultFusion,
) -> Response:
    """Search one list, or several fused, for each question's best passages.

    Every hit says where each list ranked it, how it scored there and what that added to its score.
    """
    retriever = retriever_of(request, settings)
    fusion = fusion_of(request, retriever, default)
    return _json(await engine.run(lambda qa: _retrieve(qa, request, retriever, fusion)))


@router.post(
    "/query",
    summary="What the answer is, and where it stands",
    response_model=QueryResponse,
    responses=documented(400, 413, 422, 500, 502, 503, 504, example=examples.QUERY_RESPONSE),
)
async def query(
    request: Annotated[QueryRequest, Body(openapi_examples=examples.QUERY_REQUESTS)],
    engine: EngineOf,
    settings: SettingsOf,
    default: DefaultFusion,
) -> Response:
    """Retrieve passages as ``/v1/retrieve`` does, read all of them, and return the best spans.

    Where ``is_answered`` is false the reader stands by none of the answers: they are its best guesses. A server with a
    generator writes the answer in ``text``, and the reader answers where the generator fails, as ``note`` then says.
    """
    retriever = retriever_of(request, settings)
    fusion = fusion_of(request, retriever, default)
    if engine.ready().reader is None:
        raise NoReaderError("this server has no reader; ask /v1/retrieve for passages, or start dpr-serve with one")
    return _json(await engine.run(lambda qa: _query(qa, request, retriever, fusion)))


def _retrieve(qa: OpenQA, request: RetrieveRequest, retriever: str, fusion: Fusion | None) -> str:
    started = time.perf_counter()
    found = qa.retrieve(request.batch, retriever, request.k, fusion)
    retrieved = time.perf_counter()
    results = [
        RetrieveResult(
            question=question,
            hits=_hits(hits, qa.passages(hits)),
            weighing=weighing_out(hits),
            note=qa.note(question, retriever) or None,
        )
        for question, hits in zip(request.batch, found, strict=True)
    ]
    timings = RetrieveTimings(
        retrieve_ms=_rounded((retrieved - started) * 1000), total_ms=_rounded((time.perf_counter() - started) * 1000)
    )
    return RetrieveResponse(
        generation=qa.index.generation,
        retriever=plain_name(retriever),
        rerank=retriever.endswith(RERANKED),
        fusion=fusion_out(fusion) if fusion else None,
        timings=timings,
        results=results,
    ).model_dump_json()


def _query(qa: OpenQA, request: QueryRequest, retriever: str, fusion: Fusion | None) -> str:
    answered = qa.answer(request.batch, retriever, request.k, fusion, request.n_best)
    timings = answered[0].timings
    return QueryResponse(
        generation=qa.index.generation,
        retriever=plain_name(retriever),
        rerank=retriever.endswith(RERANKED),
        fusion=fusion_out(fusion) if fusion else None,
        timings=QueryTimings(
            retrieve_ms=_rounded(timings.retrieve_ms),
            read_ms=_rounded(timings.read_ms),
            total_ms=_rounded(timings.total_ms),
        ),
        results=[_query_result(result) for result in answered],
    ).model_dump_json()


def _query_result(answered: Answered) -> QueryResult:
    passages = {passage.id: passage for passage in answered.passages}
    reading = answered.reading
    held = dict.fromkeys([*(answer.passage_id for answer in reading.answers), *reading.cited])
    return QueryResult(
        question=answered.question,
        hits=_hits(answered.hits, answered.passages),
        weighing=weighing_out(answered.hits),
        is_answered=reading.is_answered,
        no_answer_score=reading.no_answer_score if math.isfinite(reading.no_answer_score) else None,
        probability=reading.probability,
        answers=[_answer(answer, passages[answer.passage_id]) for answer in reading.answers],
        evidence=[PassageOut.model_validate(passages[passage_id]) for passage_id in held],
        text=reading.text or None,
        cited=list(reading.cited),
        note=reading.note or None,
    )


def _hits(hits: Sequence[Hit], passages: Sequence[Passage]) -> list[HitOut]:
    return [
        HitOut(
            rank=hit.rank,
            score=hit.score,
            passage=PassageOut.model_validate(passage),
            lists={name: ListScoreOut.model_validate(part) for name, part in hit.lists.items()},
            window=WindowOut.model_validate(hit.window) if hit.window else None,
            first_stage=FirstStageOut.model_validate(hit.first_stage) if hit.first_stage else None,
        )
        for hit, passage in zip(hits, passages, strict=True)
    ]


def _answer(answer: Answer, passage: Passage) -> AnswerOut:
    return AnswerOut(
        text=answer.text,
        passage_id=answer.passage_id,
        document_id=passage.document_id,
        start=answer.start,
        end=answer.end,
        document_start=passage.start + answer.start,
        document_end=passage.start + answer.end,
        score=answer.score,
        span_score=answer.span_score,
        null_score=answer.null_score,
    )


def _rounded(milliseconds: float) -> float:
    return round(milliseconds, 3)


def _json(text: str) -> Response:
    return Response(text, media_type="application/json")
