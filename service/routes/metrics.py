"""The metrics, for Prometheus."""

from __future__ import annotations

from typing import cast

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from service.routes.documented import GUARDED
from service.security.scopes import requires
from service.telemetry.metrics import Metrics

router = APIRouter(tags=["operations"])


@router.get(
    "/metrics",
    summary="Metrics in the text format of Prometheus",
    response_class=Response,
    dependencies=[requires("read")],
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **GUARDED},
)
async def metrics(request: Request) -> Response:
    """Tell requests, errors, batches, times, the queue, the generation and memory, counted since the start."""
    counted = cast("Metrics", request.app.state.metrics)
    return Response(counted.text(), media_type=CONTENT_TYPE_PLAIN_0_0_4)
