"""Which indexes there are, and the taking over of a new generation at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from fastapi import APIRouter, Query

from service import examples
from service.deps import KNOWN_PARAMETERS, ContextOf, EngineOf, SettingsOf
from service.engine import Engine
from service.fusion import default_of, served
from service.indexes import ServedIndex
from service.requests import IndexName
from service.routes.documented import GUARDED, documented
from service.security.scopes import requires
from service.settings import Settings
from service.status import EncoderOut, IndexesResponse, IndexOut, ReloadResponse

router = APIRouter(prefix="/v1", tags=["indexes"], responses=GUARDED)


@router.get(
    "/indexes",
    summary="Which indexes are served",
    dependencies=[requires("read"), KNOWN_PARAMETERS],
    responses=documented(422, 503, example=examples.INDEXES),
)
async def indexes(engine: EngineOf, settings: SettingsOf) -> IndexesResponse:
    """List the indexes, the default one first, each with the generation that answers."""
    engine.ready()
    return IndexesResponse(indexes=_listed(engine.indexes, engine, settings))


@router.post(
    "/reload",
    summary="Serve what is published now",
    dependencies=[requires("admin"), KNOWN_PARAMETERS],
    responses=documented(404, 409, 422, 503, 504, example=examples.RELOAD),
)
async def reload(
    engine: EngineOf,
    settings: SettingsOf,
    context: ContextOf,
    index: Annotated[IndexName | None, Query(description="Which index; all by default.")] = None,
) -> ReloadResponse:
    """Load the published generation of an index, or of all, and wait until it answers.

    A server that looks for new generations does the same by itself. Where one cannot be served, the answer is an error,
    and the generation before goes on.
    """
    engine.ready(index)
    changed = await context.in_thread(engine.indexes.reload, index)
    some = [engine.indexes.find(index)] if index else engine.indexes
    return ReloadResponse(changed=changed, indexes=_listed(some, engine, settings))


def _listed(indexes: Iterable[ServedIndex], engine: Engine, settings: Settings) -> list[IndexOut]:
    return [_index_out(index, index is engine.indexes.default, settings) for index in indexes]


def _index_out(index: ServedIndex, is_default: bool, settings: Settings) -> IndexOut:
    qa = index.snapshot
    manifest = qa.index.manifest
    return IndexOut(
        name=index.name,
        is_default=is_default,
        generation=qa.generation,
        passages=len(qa.index.passages),
        encoder=EncoderOut.from_record(manifest.encoder) if manifest.encoder else None,
        retrievers=served(qa.index.names, settings),
        retriever_default=default_of(qa.index.names, settings),
        problem=index.problem,
    )
