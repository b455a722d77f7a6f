"""Why a passage belongs to a question: ``/v1/explain``."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Body, Response

from dpr.pipeline import QA
from dpr.search.fusion import Fusion
from dpr.search.registry import RERANKED, plain_name
from service import examples
from service.bodies import ComputedRoute
from service.deps import KNOWN_PARAMETERS, ContextOf, EngineOf, ServerFusion, SettingsOf
from service.explanation import ExplainResponse, ExplainTimings, ExplanationOut
from service.filtering import filter_of
from service.fusion import fusion_of, fusion_out, retriever_of
from service.requests import ExplainRequest
from service.routes.documented import GUARDED, documented
from service.security.scopes import requires

router = APIRouter(
    prefix="/v1",
    tags=["questions"],
    dependencies=[requires("read"), KNOWN_PARAMETERS],
    responses=GUARDED,
    route_class=ComputedRoute,
)


@router.post(
    "/explain",
    summary="Why this passage for this question",
    response_model=ExplainResponse,
    responses=documented(400, 404, 413, 422, 500, 503, 504, example=examples.EXPLAIN_RESPONSE),
)
async def explain(
    request: Annotated[ExplainRequest, Body(openapi_examples=examples.EXPLAIN_REQUESTS)],
    engine: EngineOf,
    settings: SettingsOf,
    server_fusion: ServerFusion,
    context: ContextOf,
) -> Response:
    """Tell what each list says of a passage, term by term, and how fusion made a score of it.

    A passage may be any of the index, also one that is no hit; a list then tells its score without a rank.
    """
    index, qa = engine.indexes.find(request.index).name, engine.ready(request.index)
    retriever = retriever_of(request, qa.index.names, settings)
    fusion = fusion_of(request, retriever, server_fusion or qa.index.fusion, qa.index.names)
    text = await engine.run(lambda qa: _explain(qa, request, retriever, fusion, index), context, qa)
    return Response(text, media_type="application/json")


def _explain(qa: QA, request: ExplainRequest, retriever: str, fusion: Fusion | None, index: str) -> str:
    started = time.perf_counter()
    rank = 1 if request.passage_id is None and request.rank is None else request.rank
    explanation = qa.explain(
        request.question,
        request.passage_id,
        rank=rank,
        retriever=retriever,
        fusion=fusion,
        filter=filter_of(request.filter),
    )
    return ExplainResponse(
        index=index,
        generation=explanation.generation,
        retriever=plain_name(retriever),
        rerank=retriever.endswith(RERANKED),
        fusion=fusion_out(fusion) if fusion else None,
        timings=ExplainTimings(total_ms=round((time.perf_counter() - started) * 1000, 3)),
        explanation=ExplanationOut.model_validate(explanation.to_dict()),
    ).model_dump_json()
