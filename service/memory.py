"""Memory of a flood, back to the system: the C library keeps what was freed, for the next flood."""

from __future__ import annotations

import asyncio
import ctypes

MUCH_BYTES = 8 * 1024 * 1024
"""Bodies in memory at a time after which memory is given back; below, looking for it is not worth the time."""

AFTER_S = 1.0
"""When it is given back: a moment later, when what holds the bodies has let go of them."""


class FloodGauge:
    """Counts the bytes of bodies in memory; once many have come and gone, it gives their memory back."""

    def __init__(self) -> None:
        self.size_bytes = 0
        self._most_bytes = 0

    def add(self, size_bytes: int) -> None:
        """Count bytes that came."""
        self.size_bytes += size_bytes
        self._most_bytes = max(self._most_bytes, self.size_bytes)

    def remove(self, size_bytes: int) -> None:
        """Count bytes that are gone."""
        self.size_bytes -= size_bytes
        if self.size_bytes == 0 and self._most_bytes >= MUCH_BYTES:
            self._most_bytes = 0
            loop = asyncio.get_running_loop()
            loop.call_later(AFTER_S, loop.run_in_executor, None, give_back)


def give_back() -> None:
    """Return free memory to the system; without effect where the C library cannot."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError):  # a C library other than glibc
        return
