"""When two passages are the same: ids made from the text, and a stream without repeats."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from hashlib import blake2b

from dpr.data.files import Place
from dpr.data.intake import STRICT, Intake
from dpr.errors import DataError
from dpr.types import Passage
from dpr.unicode_form import composed, is_composed


def content_id(text: str) -> str:
    """Return 16 hexadecimal digits that depend on the text alone, in whatever Unicode form and file it came."""
    return blake2b(composed(text).encode("utf-8"), digest_size=8).hexdigest()


def with_composed_names(passage: Passage) -> Passage:
    """Return a passage whose id, title and document id are composed; the text, which offsets refer to, stays."""
    names = passage.id, passage.title, passage.document_id
    if all(map(is_composed, names)):
        return passage
    passage_id, title, document_id = map(composed, names)
    return replace(passage, id=passage_id, title=title, document_id=document_id)


class UniquePassages(Iterator[Passage]):
    """Passages with composed names, without repeats and without empty ones.

    ``skipped`` counts the repeats left out so far, ``empty`` the passages without text, which data sets do hold.

    A passage whose id was seen with the same title and text, in any Unicode form, is a repeat. One whose id was made
    from its text (`content_id`) is a repeat whatever its title. Two hashes are kept for each passage, about 130 bytes.

    Raises:
        DataError: while iterating, where an id was seen with another content, unless the ``intake`` leaves that out.
    """

    def __init__(self, located: Iterable[tuple[Place | None, Passage]], intake: Intake = STRICT) -> None:
        self.skipped = 0
        self.empty = 0
        self._intake = intake
        self._located = iter(located)
        self._content_of: dict[int, int] = {}

    def __next__(self) -> Passage:
        for place, read_passage in self._located:
            if not read_passage.text.strip():
                self.empty += 1
                continue
            passage = with_composed_names(read_passage)
            key, content = hash(passage.id), hash((passage.title, composed(passage.text)))
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
