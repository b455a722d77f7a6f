"""The two questions one may ask: which passages (``/v1/retrieve``), and which answer (``/v1/query``).

All work on a request, its response's JSON included, happens in the engine's thread (`service.asking`).
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Request, Response

from dpr.pipeline import QA
from dpr.search.fusion import Fusion
from service import examples
from service.asking import Source, query_steps, refuse_costly, retrieve_steps
from service.bodies import ComputedRoute
from service.deps import KNOWN_PARAMETERS, ContextOf, EngineOf, ServerFusion, SettingsOf
from service.engine import Engine
from service.errors import NoReaderError
from service.filtering import filter_of
from service.fusion import fusion_of, retriever_of
from service.routes.documented import GUARDED, documented, with_events
from service.schemas import QueryRequest, QueryResponse, RetrieveRequest, RetrieveResponse
from service.security.scopes import requires
from service.settings import Settings
from service.streaming import Emit, event_stream, wants_events

router = APIRouter(
    prefix="/v1",
    tags=["questions"],
    dependencies=[requires("read"), KNOWN_PARAMETERS],
    responses=GUARDED,
    route_class=ComputedRoute,
)


@router.post(
    "/retrieve",
    summary="Which passages belong to the question",
    response_model=RetrieveResponse,
    responses=documented(400, 404, 413, 422, 500, 503, 504, example=examples.RETRIEVE_RESPONSE),
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
    qa = engine.ready(request.index)
    source = _source(request, engine, settings, qa, server_fusion)
    return _json(await engine.run_steps(lambda qa: retrieve_steps(qa, request, source, engine.cache), context, qa))


@router.post(
    "/query",
    summary="What the answer is, and where it stands",
    response_model=QueryResponse,
    responses=with_events(
        documented(400, 404, 413, 422, 500, 502, 503, 504, example=examples.QUERY_RESPONSE), examples.QUERY_EVENTS
    ),
)
async def query(
    http_request: Request,
    request: Annotated[QueryRequest, Body(openapi_examples=examples.QUERY_REQUESTS)],
    engine: EngineOf,
    settings: SettingsOf,
    server_fusion: ServerFusion,
    context: ContextOf,
) -> Response:
    """Retrieve passages as ``/v1/retrieve`` does, read all of them, and return the best spans.

    Where ``is_answered`` is false the reader stands by none of the answers: they are its best guesses. A server with a
    generator writes the answer in ``text``, and the reader answers where the generator fails, as ``note`` then says.
    A question of several that could not be read has its ``error``, and its hits, beside the others' answers.

    As server-sent events: ``passages`` (as ``/v1/retrieve`` responds), ``text`` for each piece that a generator writes,
    an ``answer`` for each question, and ``done``; or ``error``, in the shape of every error.
    """
    refuse_costly(request, settings.max_passages)
    qa = engine.ready(request.index)
    source = _source(request, engine, settings, qa, server_fusion)
    if not qa.has_reader:
        raise NoReaderError("this server has no reader; ask /v1/retrieve for passages, or start dpr-serve with one")

    async def work(emit: Emit | None = None) -> str:
        return await engine.run_steps(lambda qa: query_steps(qa, request, source, engine.cache, emit), context, qa)

    if wants_events(http_request, request.stream):
        return await event_stream(http_request, work, settings.retry_after_s)
    return _json(await work())


def _source(request: RetrieveRequest, engine: Engine, settings: Settings, qa: QA, default: Fusion | None) -> Source:
    retriever = retriever_of(request, qa.index.names, settings)
    fusion = fusion_of(request, retriever, default or qa.index.fusion, qa.index.names)
    return Source(engine.indexes.find(request.index).name, retriever, fusion, filter_of(request.filter))


def _json(text: str) -> Response:
    return Response(text, media_type="application/json")
