"""What an endpoint asks the application for."""

from __future__ import annotations

import math
from typing import Annotated, cast

from fastapi import Depends, Query, Request
from fastapi.routing import APIRoute

from dpr.errors import RequestError
from dpr.search.fusion import Fusion
from service.context import RequestContext
from service.engine import Engine
from service.errors import UnknownFieldError
from service.invalid_fields import shown_name
from service.jobs.writers import Writers
from service.requests import IndexName
from service.settings import Settings

TIMEOUT_HEADER = "X-Request-Timeout"
"""Seconds that a client waits for its answer; the server's own limit holds beside it."""


async def _engine(request: Request) -> Engine:
    return cast("Engine", request.app.state.engine)


async def _settings(request: Request) -> Settings:
    return cast("Settings", request.app.state.settings)


async def _fusion(request: Request) -> Fusion | None:
    return cast("Fusion | None", request.app.state.fusion)


async def _context(request: Request) -> RequestContext:
    """Return the request's context, its deadline brought forward where the client asks for that."""
    context = cast("RequestContext", request.state.context)
    if (wish := request.headers.get(TIMEOUT_HEADER)) is not None:
        context.limit(_timeout_s(wish))
    return context


def _timeout_s(wish: str) -> float:
    try:
        timeout_s = float(wish)
    except ValueError:
        timeout_s = math.nan
    if not 0 < timeout_s < math.inf:
        raise RequestError(
            f"{TIMEOUT_HEADER} is no number of seconds above 0; send one, or leave it out", TIMEOUT_HEADER
        )
    return timeout_s


async def _refuse_unknown_parameters(request: Request) -> None:
    """Refuse a parameter in the address that the route does not have, or twice: to pass over one answers otherwise."""
    route: APIRoute = request.scope["route"]
    known = [field.alias for field in route.dependant.query_params]
    names = [name for name, _ in request.query_params.multi_items()]
    unknown = next((name for name in names if name not in known), None)
    if unknown is not None:
        takes = " and ".join(known) if known else "no parameters"
        remedy = "send the rest in the body" if route.body_field else "leave out the rest"
        raise UnknownFieldError(f"{route.path} takes {takes} in its address; {remedy}", shown_name(unknown))
    repeated = next((name for name in known if names.count(name) > 1), None)
    if repeated is not None:
        raise RequestError(
            f"{route.path} takes {repeated} once, and it is there {names.count(repeated)} times; send one", repeated
        )


async def _writers(request: Request) -> Writers:
    return cast("Writers", request.app.state.writers)


KNOWN_PARAMETERS = Depends(_refuse_unknown_parameters)
"""A dependency of all routes that take parameters or a body."""

WritersOf = Annotated[Writers, Depends(_writers)]
IndexQuery = Annotated[IndexName | None, Query(alias="index", description="Which index; the first one by default.")]
EngineOf = Annotated[Engine, Depends(_engine)]
ContextOf = Annotated[RequestContext, Depends(_context)]
"""The request's id and deadline: hand it to ``engine.run_steps``."""
SettingsOf = Annotated[Settings, Depends(_settings)]
ServerFusion = Annotated[Fusion | None, Depends(_fusion)]
"""How ``hybrid`` fuses for a request that does not say; None: as the index that answers has on record."""
