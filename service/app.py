"""The application: rooms put together, nothing decided."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI
from starlette.middleware import Middleware
from starlette.routing import Route

from dpr import __version__
from dpr.search.record import read_fusion
from service.bodies import ComputedRoute
from service.engine import Engine
from service.errors import install_error_handlers
from service.jobs.writers import Writers
from service.middleware import AdmissionMiddleware, BodyLimitMiddleware, HeadMiddleware, RequestIdMiddleware
from service.openapi import install_openapi
from service.routes import documents, embeddings, explain, facets, indexes, jobs, ops, page, query, shard
from service.routes import metrics as metrics_route
from service.security.install import security_middleware
from service.settings import Settings
from service.telemetry.metrics import Metrics
from service.telemetry.middleware import TelemetryMiddleware
from service.telemetry.tracing import open_tracing

DESCRIPTION = """\
Questions in Korean and English against an indexed corpus: `POST /v1/retrieve` returns passages, `POST /v1/query`
returns answers with the passages that hold them, and `POST /v1/explain` tells why a passage belongs to a question.

A request has one `question` or a list of `questions`; the response has `results`, one for each question in the
order asked. Every error is `{"error": {"code", "message", "field"}}`, and every response has an `X-Request-ID`.
"""


ROUTERS = (
    query.router,
    explain.router,
    embeddings.router,
    ops.router,
    metrics_route.router,
    indexes.router,
    facets.router,
    page.router,
    documents.router,
    jobs.router,
)

NODE_ROUTERS = (shard.state_router, shard.router, ops.router, metrics_route.router, indexes.router)


def create_app(settings: Settings, engine: Engine | None = None) -> FastAPI:
    """Build the application, which starts to load when it starts up.

    Args:
        settings: limits and defaults; also what to load, where no engine is given.
        engine: what answers, not yet started.

    Raises:
        DataError: the settings' file of fusion weights cannot be read, or is not for the lists that are fused.
    """
    engine = engine or Engine.from_settings(settings)
    routers = NODE_ROUTERS if settings.node else ROUTERS
    fusion = read_fusion(settings.fusion_file) if settings.fusion_file else None

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        engine.start()
        writers.start()
        yield
        await writers.stop()
        await engine.stop()
        await asyncio.to_thread(tracing.close)

    writers = Writers(settings, engine.indexes)
    metrics, tracing = Metrics(engine), open_tracing(settings.otel_endpoint)
    app = FastAPI(
        title="Dense passage retrieval",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,  # of our own, without a CDN
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},  # ours below
        middleware=[
            Middleware(RequestIdMiddleware, timeout_s=settings.request_timeout_s),
            Middleware(TelemetryMiddleware, metrics=metrics, tracing=tracing, log_questions=settings.log_questions),
            Middleware(HeadMiddleware),
            *security_middleware(settings),
            Middleware(
                BodyLimitMiddleware,
                max_body_bytes=settings.max_body_bytes,
                timeout_s=settings.body_timeout_s,
                retry_after_s=settings.retry_after_s,
            ),
            Middleware(AdmissionMiddleware, routes=computed_routes(routers), retry_after_s=settings.retry_after_s),
        ],
    )
    app.state.engine, app.state.settings, app.state.fusion = engine, settings, fusion
    app.state.metrics, app.state.writers = metrics, writers
    engine.scheduler.observe = metrics.piece
    install_error_handlers(app, settings.retry_after_s)
    install_openapi(app, settings, engine.indexes)
    for router in routers:
        app.include_router(router)
    return app


def computed_routes(routers: Sequence[APIRouter]) -> dict[str, Route]:
    """Return the routes whose requests are computed, by their paths."""
    return {route.path: route for router in routers for route in router.routes if isinstance(route, ComputedRoute)}
