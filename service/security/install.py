"""The middleware that a server's settings ask for, the outermost first."""

from __future__ import annotations

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from service.security.exposure import origins_of
from service.security.headers import SecurityHeadersMiddleware
from service.security.hosts import HostMiddleware, hosts_of
from service.security.keyring import KeyRing
from service.security.middleware import AuthenticationMiddleware, OriginMiddleware
from service.security.rate import RateLimiter
from service.settings import Settings

PREFLIGHT_MAX_AGE_S = 600


def security_middleware(settings: Settings) -> list[Middleware]:
    """Return what surrounds the application: headers, host names, origins, CORS if some are listed, keys if there are.

    Raises:
        ConfigError: the keys file cannot be used, or an origin is none.
    """
    origins = origins_of(settings)
    layers = [
        Middleware(SecurityHeadersMiddleware),
        Middleware(HostMiddleware, hosts=hosts_of(settings)),
        Middleware(OriginMiddleware, origins=origins, retry_after_s=settings.retry_after_s),
    ]
    if origins:
        cors = Middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["X-Request-ID", "Retry-After", "Server-Timing"],
            max_age=PREFLIGHT_MAX_AGE_S,
        )
        layers.append(cors)
    if settings.keys_file is not None:
        limiter = RateLimiter(settings.rate_limit_per_s, settings.rate_limit_burst)
        layers.append(
            Middleware(
                AuthenticationMiddleware,
                keys=KeyRing(settings.keys_file),
                limiter=limiter,
                retry_after_s=settings.retry_after_s,
            )
        )
    return layers
