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


async def _fusion(request: Request) -> Fusion:
    return cast("Fusion", request.app.state.fusion)


EngineOf = Annotated[Engine, Depends(_engine)]
SettingsOf = Annotated[Settings, Depends(_settings)]
DefaultFusion = Annotated[Fusion, Depends(_fusion)]
