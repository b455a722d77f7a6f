"""Identity of passages: ids made from texts, and streams without repeats."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from hashlib import blake2b

from dpr.data.files import Location
from dpr.data.intake import STRICT, Intake
from dpr.errors import DataError
from dpr.metadata import json_metadata
from dpr.types import Passage
from dpr.unicode_form import composed, is_composed

_LOW_BITS = (1 << 32) - 1


def content_id(text: str) -> str:
    """Return 16 hexadecimal digits that depend on the text alone, not on its Unicode form or file."""
    return blake2b(composed(text).encode("utf-8"), digest_size=8).hexdigest()


def with_composed_names(passage: Passage) -> Passage:
    """Return a passage with composed id, title and document id; the text stays, because offsets refer to it."""
    names = passage.id, passage.title, passage.document_id
    if all(map(is_composed, names)):
        return passage
    passage_id, title, document_id = map(composed, names)
    return replace(passage, id=passage_id, title=title, document_id=document_id)


class UniquePassages(Iterator[Passage]):
    """Passages with composed names, without repeats and empty passages.

    ``skipped`` counts the repeats so far, ``empty`` the passages without text; ``location`` is that of the last one.

    A passage with the id, title, text and fields of an earlier one, in any Unicode form, is a repeat. A passage with an
    id made from its text (`content_id`) is a repeat with any title; with other fields it is another passage, whose id
    has a hash of these, too. With ``only`` (ids of passages and documents), no others are yielded. The memory is two
    hashes for each passage, about 130 bytes.

    Raises:
        DataError: during the iteration, two different passages share an id, unless the ``intake`` skips that.
    """

    def __init__(
        self,
        passages: Iterable[tuple[Location | None, Passage]],
        intake: Intake = STRICT,
        only: Collection[str] | None = None,
    ) -> None:
        self.skipped = 0
        self.empty = 0
        self.location: Location | None = None
        self._intake = intake
        self._passages = iter(passages)
        self._content_of: dict[int, int] = {}
        self._only = None if only is None else frozenset(only)

    def __next__(self) -> Passage:
        for location, read_passage in self._passages:
            if not read_passage.text.strip():
                self.empty += 1
                continue
            passage = with_composed_names(read_passage)
            unique = self._without_repeat(passage, location)
            if unique is None or (self._only is not None and self._only.isdisjoint((unique.id, unique.document_id))):
                continue
            self.location = location
            return unique
        raise StopIteration

    def _without_repeat(self, passage: Passage, location: Location | None) -> Passage | None:
        """Return a passage that did not come before, None for one that did."""
        fields = repr(sorted(passage.metadata.items())) if passage.metadata else ""
        fields_hash = hash(fields) & _LOW_BITS
        content = (hash((passage.title, composed(passage.text))) & _LOW_BITS) << 32 | fields_hash
        known_content = self._content_of.get(hash(passage.id))
        if known_content is None:
            return self._noted(passage, content)
        if known_content != content and passage.id != content_id(passage.text):
            other = "another title, text or field; give each passage its own id"
            cause = f"passage id {passage.id!r} occurred before with {other}"
            self._intake.on_bad_row(location.error(cause) if location else DataError(cause))
            return None
        if known_content & _LOW_BITS != fields_hash:
            values = sorted((name, str(value)) for name, value in json_metadata(passage.metadata).items())
            passage = replace(passage, id=f"{passage.id}-{content_id(repr(values))[:8]}")
            if hash(passage.id) not in self._content_of:
                return self._noted(passage, content)
        self.skipped += 1
        return None

    def _noted(self, passage: Passage, content: int) -> Passage:
        self._content_of[hash(passage.id)] = content
        return passage


def unique_passages(passages: Iterable[Passage]) -> UniquePassages:
    """Return passages without repeats, for passages without a location in a file."""
    return UniquePassages((None, passage) for passage in passages)
