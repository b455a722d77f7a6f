"""Texts that remember what was read of them, so that a model can tell what it was made of."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from dpr.errors import DataError

Texts = Iterable[str] | Mapping[str, Iterable[str]]
"""Texts, or texts by the name of their source."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a source held: its texts, their characters, and a hash of them, in order."""

    texts: int
    characters: int
    sha256: str


class SeenTexts(Iterable[str]):
    """The texts of one source; ``seen`` is what the last whole reading of them found."""

    def __init__(self, texts: Iterable[str]) -> None:
        # an iterator could be read but once
        self._texts = list(texts) if iter(texts) is texts else texts
        self.seen = Seen(0, 0, "")

    def __iter__(self) -> Iterator[str]:
        texts = characters = 0
        digest = hashlib.sha256()
        for text in self._texts:
            texts += 1
            characters += len(text)
            digest.update(text.encode("utf-8", errors="surrogatepass") + b"\0")
            yield text
        self.seen = Seen(texts, characters, digest.hexdigest())


def by_source(texts: Texts) -> dict[str, SeenTexts]:
    """Return texts by the name of their source; those without one are called ``texts``."""
    named = texts if isinstance(texts, Mapping) else {"texts": texts}
    return {name: SeenTexts(source) for name, source in named.items()}


def all_texts(sources: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """Yield the texts of all sources, in order.

    Raises:
        DataError: there is none.
    """
    is_empty = True
    for source in sources.values():
        for text in source:
            is_empty = False
            yield text
    if is_empty:
        raise DataError("there is no text to learn from; name a file that holds some, one text a line")
