"""A deadline for a whole HTTP response.

The timeout of a client limits each read of a connection; a server that sends a byte now and then never exceeds it.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from threading import Lock, Timer
from types import TracebackType
from typing import Self

import httpx


class Deadline:
    """Shuts down the connection of a response at a deadline, even while a thread waits for its bytes.

    Reading the response then ends with a connection error or at its end; ``has_passed`` tells why.
    """

    def __init__(self, response: httpx.Response) -> None:
        self._stream = response.extensions["network_stream"]
        self._timer: Timer | None = None
        self._lock = Lock()
        self._is_over = False
        self.has_passed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._lock:  # the connection may serve the next response
            self._is_over = True
        self._cancel()

    def set(self, seconds: float) -> None:
        """Set the deadline to some seconds from now, in place of an earlier one."""
        self._cancel()
        self._timer = Timer(max(seconds, 0.0), self._shut_down)
        self._timer.daemon = True
        self._timer.start()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _shut_down(self) -> None:
        with self._lock:
            if self._is_over:
                return
            self.has_passed = True
            with suppress(OSError):  # it is closed already
                # not the method of a TLS socket, which would end the encryption of bytes that are still read
                socket.socket.shutdown(self._stream.get_extra_info("socket"), socket.SHUT_RDWR)
