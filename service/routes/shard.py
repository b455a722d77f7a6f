"""What a node answers to routers: what it serves, hits of lists in its shard, passages, explanations and facets."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import APIRouter, Body, Response

from service.bodies import ComputedRoute
from service.deps import ContextOf, EngineOf
from service.engine import Engine
from service.routes.documented import GUARDED, documented
from service.security.scopes import requires
from service.shards import examples, node
from service.shards.served import NodeIndex
from service.shards.wire import write_states

state_router = APIRouter(prefix="/v1/shard", tags=["shard"], dependencies=[requires("read")], responses=GUARDED)
"""What a full node answers, too: else its routers would take it for lost."""

router = APIRouter(
    prefix="/v1/shard",
    tags=["shard"],
    dependencies=[requires("read")],
    responses=GUARDED,
    route_class=ComputedRoute,
)


@state_router.get("", summary="Which shard is served here", responses=documented(503, example=examples.SHARD))
async def shard(engine: EngineOf) -> Response:
    """Tell the shard and its collection, and the collection before, which is served till routers have gone on."""
    engine.ready()
    return _json(write_states([node.state_of(qa) for qa in _node(engine).generations()]))


@router.post(
    "/lists",
    summary="The hits of lists in this shard",
    responses=documented(400, 409, 413, 422, 500, 503, 504, example=examples.LISTS),
)
async def lists(
    request: Annotated[node.ListsRequest, Body(openapi_examples=examples.LISTS_REQUESTS)],
    engine: EngineOf,
    context: ContextOf,
) -> Response:
    """Search lists for questions; scores are by the statistics of the whole collection, rows are rows of it."""
    engine.ready()
    qa = _node(engine).generation_of(request.collection)
    return _json(await engine.run(lambda qa: node.search_lists(qa, request), context, qa))


@router.post(
    "/passages",
    summary="Passages of this shard",
    responses=documented(400, 409, 413, 422, 500, 503, 504, example=examples.PASSAGES),
)
async def passages(
    request: Annotated[node.PassagesRequest, Body(openapi_examples=examples.PASSAGES_REQUESTS)],
    engine: EngineOf,
    context: ContextOf,
) -> Response:
    """Return the passages of rows, in their order."""
    engine.ready()
    qa = _node(engine).generation_of(request.collection)
    return _json(await engine.run(lambda qa: node.passages_of(qa, request), context, qa))


@router.post(
    "/explanation",
    summary="What lists say of a passage",
    responses=documented(400, 409, 413, 422, 500, 503, 504, example=examples.EXPLANATION),
)
async def explanation(
    request: Annotated[node.ExplanationRequest, Body(openapi_examples=examples.EXPLANATION_REQUESTS)],
    engine: EngineOf,
    context: ContextOf,
) -> Response:
    """Return the score, the terms and the window that lists have for a passage of this shard, and its row."""
    engine.ready()
    qa = _node(engine).generation_of(request.collection)
    return _json(await engine.run(lambda qa: node.explanation_of(qa, request), context, qa))


@router.post(
    "/facets",
    summary="The counts of the collection's fields",
    responses=documented(400, 409, 413, 422, 500, 503, 504, example=examples.FACETS),
)
async def facets(
    request: Annotated[node.FacetsRequest, Body(openapi_examples=examples.FACETS_REQUESTS)],
    engine: EngineOf,
    context: ContextOf,
) -> Response:
    """Return which fields the passages of all shards have, and their most frequent values."""
    engine.ready()
    qa = _node(engine).generation_of(request.collection)
    return _json(await engine.run(node.facets_of, context, qa))


def _node(engine: Engine) -> NodeIndex:
    return cast("NodeIndex", engine.indexes.default)


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")
