"""What a key allows: a scope for each kind of route, of which the higher ones include the lower.

A route, or a router for all of its routes, says what it needs in one line::

    @router.put("/documents/{id}", dependencies=[requires("write")])

Without a keys file, every route is open to everybody who reaches the server.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer

from service.security.keys import LEVELS, Scope
from service.security.refusals import ForbiddenError

OPEN_PATHS = frozenset({"/", "/livez", "/readyz", "/docs", "/openapi.json"})
"""Paths that need no key: probes, the page and the documentation. They show nothing of the index."""

OPEN_FOLDERS = ("/page/",)
"""Below these lie the files of the page and of the documentation, which need no key either."""

_BEARER = HTTPBearer(auto_error=False, scheme_name="API key", description="A key of dpr-serve keys add.")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the key's id and name, and the highest scope that it has."""

    key_id: str
    name: str
    scope: Scope

    def may(self, scope: Scope) -> bool:
        """Tell whether the caller's scope includes another."""
        return LEVELS[self.scope] >= LEVELS[scope]


def is_open(path: str) -> bool:
    """Tell whether a path needs no key."""
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDERS)


def caller_of(request: Request) -> Caller | None:
    """Return who asks; None on a server without keys."""
    caller: Caller | None = getattr(request.state, "caller", None)
    return caller


def requires(scope: Scope) -> Any:
    """Return the dependency of a route which only keys of this scope, or a higher one, may use.

    That there is a valid key at all is checked before the body is read, by ``AuthenticationMiddleware``.

    Raises:
        ForbiddenError: when asked with a key of a lower scope.
    """

    async def check(request: Request, _bearer: Annotated[object, Security(_BEARER)]) -> None:
        caller = caller_of(request)
        if caller is not None and not caller.may(scope):
            raise ForbiddenError(
                f"the key {caller.key_id} has the scope {caller.scope}, and this needs {scope}; use a key that has it"
            )

    check.scope = scope  # type: ignore[attr-defined]  # read by the test that every route declares one
    return Depends(check)
