"""Which names of this server a request may use: a web page must not reach it by a name that its author made.

A page of ``evil.example`` can let that name mean 127.0.0.1 and then read what a local server answers (DNS rebinding).
The browser sends the name in ``Host``. Nobody can do so with an IP address, or with a name without a dot.
"""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import HostError, response_of
from service.security.exposure import is_loopback
from service.settings import Settings

ANY = "*"


def hosts_of(settings: Settings) -> frozenset[str]:
    """Return the host names that are allowed; by default any, but for a server that listens on this machine alone."""
    names = frozenset(name for entry in settings.allowed_hosts.split(",") if (name := entry.strip().lower()))
    if names:
        return names
    address = settings.published_address or settings.host
    return frozenset({address.lower()}) if is_loopback(address) else frozenset({ANY})


class HostMiddleware:
    """Refuse requests to a host name that is not among ``hosts``, is no address, and has a dot."""

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self.app = app
        self.hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and ANY not in self.hosts:
            names = Headers(scope=scope).getlist("host")
            if len(names) > 1 or any(not self._is_allowed(host_name(name)) for name in names):
                error = HostError("this server has another name; list yours with --allowed-hosts")
                await response_of(error, 0)(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _is_allowed(self, name: str) -> bool:
        return name in self.hosts or "." not in name or name.endswith(".localhost") or _is_address(name)


def host_name(host: str) -> str:
    """Return the name of a ``Host`` header without its port, in lower case: ``::1`` for ``[::1]:8000``."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].rstrip(".").lower()


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
