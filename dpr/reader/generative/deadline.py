"""A deadline for an HTTP response that holds however its bytes trickle in.

A client's own timeout bounds each read of a connection; a server that sends a byte now and then never meets it.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from threading import Lock, Timer
from types import TracebackType
from typing import Self

import httpx


class Alarm:
    """Cuts the connection of a response when its time is over, also while a thread waits for its bytes.

    What then reads the response gets an error of the connection, or its end; ``has_rung`` tells why.
    """

    def __init__(self, response: httpx.Response) -> None:
        self._stream = response.extensions["network_stream"]
        self._timer: Timer | None = None
        self._lock = Lock()
        self._is_off = False
        self.has_rung = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._lock:  # a connection that is kept for the next response is none of this alarm's
            self._is_off = True
        self._cancel()

    def set(self, seconds: float) -> None:
        """Ring after some seconds from now, and not at the moment that was set before."""
        self._cancel()
        self._timer = Timer(max(seconds, 0.0), self._ring)
        self._timer.daemon = True
        self._timer.start()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _ring(self) -> None:
        with self._lock:
            if self._is_off:
                return
            self.has_rung = True
            with suppress(OSError):  # it is closed already
                # Not a TLS socket's own method, which would take the encryption off what is still read.
                socket.socket.shutdown(self._stream.get_extra_info("socket"), socket.SHUT_RDWR)
