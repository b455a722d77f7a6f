"""Texts that are counted and hashed while they are read, for the record of a training."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from dpr.errors import DataError

Texts = Iterable[str] | Mapping[str, Iterable[str]]
"""Texts, or texts by the name of their source."""


@dataclass(frozen=True, slots=True)
class CorpusDigest:
    """The number of texts of a source, their characters, and a hash of them in order."""

    texts: int
    characters: int
    sha256: str


class HashingCorpus(Iterable[str]):
    """The texts of one source; ``digest`` describes them after a complete pass."""

    def __init__(self, texts: Iterable[str]) -> None:
        # an iterator could be read only once
        self._texts = list(texts) if iter(texts) is texts else texts
        self.digest = CorpusDigest(0, 0, "")

    def __iter__(self) -> Iterator[str]:
        texts = characters = 0
        sha256 = hashlib.sha256()
        for text in self._texts:
            texts += 1
            characters += len(text)
            sha256.update(text.encode("utf-8", errors="surrogatepass") + b"\0")
            yield text
        self.digest = CorpusDigest(texts, characters, sha256.hexdigest())


def by_source(texts: Texts) -> dict[str, HashingCorpus]:
    """Return texts by the name of their source, ``texts`` if they have none."""
    sources = texts if isinstance(texts, Mapping) else {"texts": texts}
    return {name: HashingCorpus(source) for name, source in sources.items()}


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
        raise DataError("there is no text to learn from; name a file with one text a line")
