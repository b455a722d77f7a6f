"""For those who run the server: is it alive, is it ready, what does it serve."""

from __future__ import annotations

from fastapi import APIRouter, Request

from dpr import __version__
from dpr.search.fusion import MISSING_RULES
from service import examples
from service.deps import KNOWN_PARAMETERS, EngineOf, ServerFusion, SettingsOf
from service.fusion import default_of, fusion_out, served
from service.routes.documented import GUARDED, documented
from service.security.scopes import caller_of, requires
from service.shards.routed import RoutedIndex
from service.status import (
    AliveResponse,
    AnalyzerOut,
    EncoderOut,
    InfoResponse,
    Limits,
    ReadyResponse,
    public_name,
)

router = APIRouter(tags=["operations"])


@router.get("/livez", summary="Is the process alive", responses=documented(example=examples.ALIVE))
async def livez() -> AliveResponse:
    """Answer as soon as the process listens, also while it loads."""
    return AliveResponse(status="alive")


@router.get("/readyz", summary="Is it ready for questions", responses=documented(503, example=examples.READY))
async def readyz(engine: EngineOf) -> ReadyResponse:
    """Answer 200 once the index and the models are loaded and warm, before that 503 and the reason."""
    generation = engine.ready().generation
    is_current = all(index.problem is None for index in engine.indexes)
    default = engine.indexes.default
    shards = default.shards_out() if isinstance(default, RoutedIndex) else None
    return ReadyResponse(status="ready", generation=generation, is_current=is_current, shards=shards)


@router.get(
    "/v1/info",
    summary="What is served here",
    dependencies=[requires("read"), KNOWN_PARAMETERS],
    responses=GUARDED | documented(422, 503, example=examples.INFO),
)
async def info(request: Request, engine: EngineOf, settings: SettingsOf, server_fusion: ServerFusion) -> InfoResponse:
    """Tell the index generation, the models, the retrievers and the limits of requests."""
    qa = engine.ready()
    manifest, caller = qa.index.manifest, caller_of(request)
    return InfoResponse(
        version=__version__,
        index=engine.indexes.default.name,
        generation=qa.generation,
        problem=engine.indexes.default.problem,
        passages=len(qa.index.passages),
        encoder=EncoderOut.from_record(manifest.encoder) if manifest.encoder else None,
        analyzer=AnalyzerOut.model_validate(manifest.analyzer),
        dense_kind=manifest.dense.kind if manifest.dense else None,
        retrievers=served(qa.index.names, settings),
        retriever_default=default_of(qa.index.names, settings),
        fusion_default=fusion_out(server_fusion or qa.index.fusion),
        fusions=dict(MISSING_RULES),
        reranker=public_name(qa.index.rerank.model) if qa.index.rerank else None,
        rerank_depth=qa.index.rerank.depth if qa.index.rerank else None,
        reader=public_name(qa.reader.name) if qa.reader else None,
        generator=public_name(qa.generator.name) if qa.generator else None,
        takes_documents=settings.allow_writes and (caller is None or caller.may("write")),
        limits=Limits(
            passages=settings.max_passages,
            timeout_s=settings.request_timeout_s,
            body_bytes=settings.max_body_bytes,
            in_flight=settings.max_in_flight,
        ),
    )
