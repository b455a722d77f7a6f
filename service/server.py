"""The running server: take the port, load behind it, say that it is ready, end when told to."""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import socket
from collections.abc import Callable

import uvicorn

from dpr.errors import ConfigError
from dpr.pipeline import QA
from service.app import create_app
from service.engine import Engine
from service.security.exposure import check_exposure
from service.settings import Settings

BACKLOG = 128

logger = logging.getLogger(__name__)

Announce = Callable[[str, QA], None]
"""Called once with the server's address and what it serves, when it is ready."""


def run_server(settings: Settings, announce: Announce) -> None:
    """Serve until a signal comes.

    Raises:
        ConfigError: the address cannot be listened on.
        DPRError: the index or a model cannot be loaded.
    """
    check_exposure(settings)
    with listen(settings.host, settings.port) as listener:
        asyncio.run(serve(settings, listener, announce))


async def serve(settings: Settings, listener: socket.socket, announce: Announce) -> None:
    """Serve until a signal comes, or until loading fails.

    Raises:
        DPRError: the index or a model cannot be loaded.
    """
    engine = Engine.of(settings)
    scheme = "https" if settings.tls_cert else "http"
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(settings, engine),
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=settings.shutdown_grace_s,
            ssl_certfile=settings.tls_cert,
            ssl_keyfile=settings.tls_key,
        )
    )

    def stop() -> None:
        server.should_exit = True

    def on_signal(number: int, _: object) -> None:
        stop()
        logger.info("stopped by %s", signal.Signals(number).name)

    def on_loaded(loading: asyncio.Task[QA]) -> None:
        if not loading.cancelled() and loading.exception() is None:
            announce(_address(listener, scheme), loading.result())
        else:
            stop()

    # The server takes these signals over, and once it has ended gives them back: they end it, they do not kill it.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    logger.info("loading %s", settings.index)
    loading = asyncio.create_task(engine.loaded())
    loading.add_done_callback(on_loaded)
    await server.serve(sockets=[listener])
    if loading.done() and not loading.cancelled():
        loading.result()


def listen(host: str, port: int) -> socket.socket:
    """Take the port before anything is loaded.

    Raises:
        ConfigError: the port is taken, or there is no such address here.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ConfigError(
                f"port {port} of {host} is in use; choose another, or --port 0 for any free one"
            ) from None
        cause = error.strerror or str(error)
        raise ConfigError(f"cannot listen on {host} port {port} ({cause}); choose others with --host, --port") from None


def _address(listener: socket.socket, scheme: str) -> str:
    host, port = listener.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
