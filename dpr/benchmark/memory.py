"""By how much the process grows while something is opened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class MemoryGrowth:
    """Measures what each list of an index adds to the process, once, and what a system needs of them in all.

    ``open_list`` opens a list by its name and searches it, so that its files and models are in memory.
    """

    open_list: Callable[[str], object]
    _bytes: dict[str, int] = field(default_factory=dict)

    def of(self, name: str, lists: Sequence[str]) -> int:
        """Return the bytes of a system and of its lists, which are opened here if they are not yet."""
        for part in (*lists, name):
            if part not in self._bytes:
                before = _resident_bytes()
                self.open_list(part)
                self._bytes[part] = max(0, _resident_bytes() - before)
        return sum(self._bytes[part] for part in {name, *lists})


def _resident_bytes() -> int:
    import psutil

    return int(psutil.Process().memory_info().rss)
