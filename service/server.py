"""The running server: take the port, load behind it, say that it is ready, end when told to."""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from typing import NoReturn

import uvicorn

from dpr.errors import ConfigError
from dpr.pipeline import QA
from service.app import create_app
from service.engine import Engine
from service.protocol import ConnectionLimits, limited, sweep
from service.security.exposure import check_exposure
from service.settings import Settings

BACKLOG = 128
OWN_FILES = 256
"""Files that the process needs for itself: an index, models, logs."""

logger = logging.getLogger(__name__)

Announce = Callable[[str, QA], None]
"""Called once with the server's address and what it serves, when it is ready."""


def run_server(settings: Settings, announce: Announce) -> NoReturn:
    """Serve until a signal comes, and end the process.

    Raises:
        ConfigError: the address cannot be listened on, or this process may not open as many connections.
        DPRError: the index or a model cannot be loaded.
    """
    check_exposure(settings)
    allow_connections(settings.max_connections)
    loop_factory = uvicorn.Config("", log_config=None).get_loop_factory()  # uvloop's where it is installed
    with (
        listen(settings.host, settings.port) as listener,
        asyncio.Runner(loop_factory=loop_factory) as runner,
    ):
        runner.run(serve(settings, listener, announce))
    # Python would wait for a piece that is being computed, or for a generator, whose threads cannot be interrupted; and
    # it would free the models one by one, which takes seconds.
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)


class GracefulServer(uvicorn.Server):
    """A server that tells whom it cannot answer any more so, before the grace is over."""

    def __init__(self, config: uvicorn.Config, engine: Engine, grace_s: float) -> None:
        super().__init__(config)
        self._engine = engine
        self._grace_s = grace_s

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, and end those there are within the grace."""
        loop, grace_s = asyncio.get_running_loop(), self._grace_s
        timers = (
            loop.call_later(grace_s - min(1.0, grace_s / 4), self._engine.end_requests),
            loop.call_later(grace_s - min(0.25, grace_s / 8), self._disconnect),
        )
        await super().shutdown(sockets)
        for timer in timers:
            timer.cancel()

    def _disconnect(self) -> None:
        """Cut off the clients that did not take in their responses."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()


async def serve(settings: Settings, listener: socket.socket, announce: Announce) -> None:
    """Serve until a signal comes, or until loading fails.

    Raises:
        DPRError: the index or a model cannot be loaded.
    """
    engine = Engine.from_settings(settings)
    scheme = "https" if settings.tls_cert else "http"
    limits = ConnectionLimits(
        connections=settings.max_connections,
        head_bytes=settings.max_header_bytes,
        head_timeout_s=settings.header_timeout_s,
        write_timeout_s=settings.write_timeout_s,
        retry_after_s=settings.retry_after_s,
    )
    config = uvicorn.Config(
        create_app(settings, engine),
        http=limited(limits),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=settings.idle_timeout_s,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
    )
    server = GracefulServer(config, engine, settings.shutdown_grace_s)

    def stop() -> None:
        server.should_exit = True

    def on_signal(number: int, _: object) -> None:
        stop()
        logger.info("stopped by %s", signal.Signals(number).name)

    async def announce_when_loaded() -> None:  # it returns nothing: a generation that is kept here is never let go
        try:
            await engine.loaded()
            keep_objects()
            announce(_address(listener, scheme), engine.ready())
        except BaseException:
            stop()
            raise

    # The server takes these signals over, and once it has ended gives them back: they end it, they do not kill it.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    if settings.nodes:
        logger.info("connecting to the nodes %s", ", ".join(settings.nodes))
    else:
        logger.info("loading the index %s and its models", ", ".join(str(index.path) for index in settings.index))
    loading = asyncio.create_task(announce_when_loaded())
    sweeping = asyncio.create_task(sweep(server.server_state.connections))
    await server.serve(sockets=[listener])
    sweeping.cancel()
    if loading.done() and not loading.cancelled():
        loading.result()


def keep_objects() -> None:
    """Let the garbage collector pass over the objects there are, which stay: half a million, of models and libraries.

    To look at all of them takes half a second, in which no request is answered. Later generations of an index are freed
    without it, as nothing of them refers back to its owner.
    """
    gc.collect()
    gc.freeze()


def allow_connections(connections: int) -> None:
    """Let this process open files for so many connections, beside its own.

    Raises:
        ConfigError: the system does not allow it.
    """
    descriptors = connections + OWN_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= descriptors:
        return
    if hard != resource.RLIM_INFINITY and hard < descriptors:
        raise ConfigError(
            f"max_connections is {connections:,}, and this process may open {hard:,} files; set --max-connections to "
            f"{max(8, hard - OWN_FILES):,} or less, or raise the limit (ulimit -n)"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, hard))


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
