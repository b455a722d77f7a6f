"""A service on a port of this machine, for clients that bring their own connections."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from dpr.pipeline import QA
from service.app import create_app
from service.engine import Engine
from service.indexes import Indexes
from tests.service.fakes import settings_of

READY_S = 30.0


@contextmanager
def live(load: Indexes | Callable[[], QA], port: int = 0, waits: bool = True, **settings: Any) -> Iterator[str]:
    """Serve indexes, or what ``load`` returns; yield the address, once it is ready if ``waits``."""
    chosen_settings = settings_of(**settings)
    engine = Engine(load, chosen_settings.max_in_flight)
    config = uvicorn.Config(
        create_app(chosen_settings, engine), log_config=None, lifespan="on", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", port)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            deadline = time.monotonic() + READY_S
            while not (server.started and (_is_ready(engine) or not waits)):
                assert time.monotonic() < deadline, "the server did not start"
                time.sleep(0.02)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)


def _is_ready(engine: Engine) -> bool:
    try:
        engine.ready()
    except Exception:
        return False
    return True
