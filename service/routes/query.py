"""The two questions one may ask: which passages (``/v1/retrieve``), and which answer (``/v1/query``).

All work on a request, its response's JSON included, happens in the engine's thread.
"""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Body, Response

from dpr.pipeline import QA
from dpr.search.fusion import Fusion
from dpr.search.registry import RERANKED, plain_name
from service import examples
from service.deps import DefaultFusion, EngineOf, SettingsOf
from service.errors import NoReaderError
from service.fusion import fusion_of, fusion_out, retriever_of, weighing_out
from service.routes.documented import GUARDED, documented
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
from service.security.scopes import requires

router = APIRouter(prefix="/v1", tags=["questions"], dependencies=[requires("read")], responses=GUARDED)


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
    if not engine.ready().has_reader:
        raise NoReaderError("this server has no reader; ask /v1/retrieve for passages, or start dpr-serve with one")
    return _json(await engine.run(lambda qa: _query(qa, request, retriever, fusion)))


def _retrieve(qa: QA, request: RetrieveRequest, retriever: str, fusion: Fusion | None) -> str:
    started = time.perf_counter()
    batch = qa.retrieve(request.batch, k=request.k, retriever=retriever, fusion=fusion)
    retrieved = time.perf_counter()
    results = [
        RetrieveResult(
            question=question,
            hits=[HitOut.model_validate(hit.to_dict()) for hit in hits],
            weighing=weighing_out(hits),
            note=qa.note(question, retriever) or None,
        )
        for question, hits in zip(request.batch, batch, strict=True)
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


def _query(qa: QA, request: QueryRequest, retriever: str, fusion: Fusion | None) -> str:
    answered = qa.answer(request.batch, k=request.k, n_best=request.n_best, retriever=retriever, fusion=fusion)
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
        results=[QueryResult.model_validate(result.to_dict()) for result in answered],
    ).model_dump_json()


def _rounded(milliseconds: float) -> float:
    return round(milliseconds, 3)


def _json(text: str) -> Response:
    return Response(text, media_type="application/json")
