"""The two questions one may ask: which passages (``/v1/retrieve``), and which answer (``/v1/query``).

All work on a request, its response's JSON included, happens in the engine's thread (`service.asking`).
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Response

from service import examples
from service.asking import query_steps, refuse_costly, retrieve_steps
from service.bodies import BoundedRoute
from service.deps import ContextOf, EngineOf, ServerFusion, SettingsOf
from service.errors import NoReaderError
from service.fusion import fusion_of, retriever_of
from service.routes.documented import GUARDED, documented
from service.schemas import QueryRequest, QueryResponse, RetrieveRequest, RetrieveResponse
from service.security.scopes import requires

router = APIRouter(
    prefix="/v1", tags=["questions"], dependencies=[requires("read")], responses=GUARDED, route_class=BoundedRoute
)


@router.post(
    "/retrieve",
    summary="Which passages belong to the question",
    response_model=RetrieveResponse,
    responses=documented(400, 413, 422, 500, 503, 504, example=examples.RETRIEVE_RESPONSE),
)
async def retrieve(
    request: Annotated[RetrieveRequest, Body(openapi_examples=examples.RETRIEVE_REQUESTS)],
    engine: EngineOf,
    settings: SettingsOf,
    server_fusion: ServerFusion,
    context: ContextOf,
) -> Response:
    """Search one list, or several fused, for each question's best passages.

    Every hit says where each list ranked it, how it scored there and what that added to its score.
    """
    refuse_costly(request, settings.max_passages)
    index, qa = engine.indexes.find(request.index).name, engine.ready(request.index)
    retriever = retriever_of(request, settings)
    fusion = fusion_of(request, retriever, server_fusion or qa.index.fusion)
    return _json(await engine.run_steps(lambda qa: retrieve_steps(qa, request, retriever, fusion, index), context, qa))


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
    server_fusion: ServerFusion,
    context: ContextOf,
) -> Response:
    """Retrieve passages as ``/v1/retrieve`` does, read all of them, and return the best spans.

    Where ``is_answered`` is false the reader stands by none of the answers: they are its best guesses. A server with a
    generator writes the answer in ``text``, and the reader answers where the generator fails, as ``note`` then says.
    """
    refuse_costly(request, settings.max_passages)
    index, qa = engine.indexes.find(request.index).name, engine.ready(request.index)
    retriever = retriever_of(request, settings)
    fusion = fusion_of(request, retriever, server_fusion or qa.index.fusion)
    if not qa.has_reader:
        raise NoReaderError("this server has no reader; ask /v1/retrieve for passages, or start dpr-serve with one")
    return _json(await engine.run_steps(lambda qa: query_steps(qa, request, retriever, fusion, index), context, qa))


def _json(text: str) -> Response:
    return Response(text, media_type="application/json")
