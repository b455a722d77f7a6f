"""When two passages are the same: ids made from the text, and a stream without repeats."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from hashlib import blake2b

from dpr.data.files import Place
from dpr.data.intake import STRICT, Intake
from dpr.errors import DataError
from dpr.types import Passage


def content_id(text: str) -> str:
    """Return 16 hexadecimal digits that depend on the text alone, in whatever Unicode form and file it came."""
    return blake2b(unicodedata.normalize("NFC", text).encode("utf-8"), digest_size=8).hexdigest()


class UniquePassages(Iterator[Passage]):
    """Passages without repeats; ``skipped`` counts the repeats left out so far.

    A passage whose id was seen with the same title and text is a repeat. One whose id was made from its text
    (`content_id`) is a repeat whatever its title. Two hashes are kept for each passage, about 130 bytes.

    Raises:
        DataError: while iterating, where an id was seen with another content, unless the ``intake`` leaves that out.
    """

    def __init__(self, located: Iterable[tuple[Place | None, Passage]], intake: Intake = STRICT) -> None:
        self.skipped = 0
        self._intake = intake
        self._located = iter(located)
        self._content_of: dict[int, int] = {}

    def __next__(self) -> Passage:
        for place, passage in self._located:
            key, content = hash(passage.id), hash((passage.title, passage.text))
            seen = self._content_of.get(key)
            if seen is None:
                self._content_of[key] = content
                return passage
            if seen != content and passage.id != content_id(passage.text):
                self._intake.on_bad_row(_conflict(place, passage))
            else:
                self.skipped += 1
        raise StopIteration


def _conflict(place: Place | None, passage: Passage) -> DataError:
    cause = f"passage id {passage.id!r} was seen before with another title or text; give each passage its own id"
    return place.error(cause) if place else DataError(cause)


def unique_passages(passages: Iterable[Passage]) -> UniquePassages:
    """Leave out repeated passages, for passages whose place in a file is not known."""
    return UniquePassages((None, passage) for passage in passages)
