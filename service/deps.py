"""What an endpoint asks the application for."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Request

from dpr.search.fusion import Fusion
from service.engine import Engine
from service.settings import Settings


async def _engine(request: Request) -> Engine:
    return cast("Engine", request.app.state.engine)


async def _settings(request: Request) -> Settings:
    return cast("Settings", request.app.state.settings)


async def _fusion(request: Request, engine: EngineOf) -> Fusion:
    own = cast("Fusion | None", request.app.state.fusion)
    return own or engine.ready().index.fusion


EngineOf = Annotated[Engine, Depends(_engine)]
SettingsOf = Annotated[Settings, Depends(_settings)]
DefaultFusion = Annotated[Fusion, Depends(_fusion)]
"""How ``hybrid`` fuses for a request that does not say: by the server's file, else as the index has on record."""
