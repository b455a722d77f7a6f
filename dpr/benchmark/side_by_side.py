"""Several indexes of the same passages as one, so that their retrievers are compared by one benchmark.

The retrievers of the first index have their own names; those of another one its name before a slash: ``e5/dense``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from dpr.errors import ConfigError, RequestError
from dpr.search.contract import Retriever, SearchableIndex
from dpr.types import PassagePool

if TYPE_CHECKING:
    from dpr.search.fusion import Fusion
    from dpr.search.reranking import RerankOptions

OF = "/"
"""What stands between the name of an index and that of its retriever."""


class SideBySide:
    """The first index, with the retrievers of others."""

    def __init__(self, first: SearchableIndex, others: Mapping[str, SearchableIndex]) -> None:
        """Put indexes side by side.

        Raises:
            ConfigError: one has other passages than the first.
        """
        self._first = first
        self._others = dict(others)
        for name, index in others.items():
            _refuse_other_passages(name, index.passages, first.passages)

    @property
    def generation(self) -> str:
        """The generation of the first index."""
        return self._first.generation

    @property
    def passages(self) -> PassagePool:
        """The passages, by their rows in the first index."""
        return self._first.passages

    @property
    def rerank(self) -> RerankOptions | None:
        """The reranker."""
        return self._first.rerank

    def retriever(self, name: str, fusion: Fusion | None = None) -> Retriever:
        """Return a retriever by its name.

        Raises:
            RequestError: there is no such index, or it has no such retriever.
        """
        of, slash, plain = name.partition(OF)
        return self.part(of if slash else "").retriever(plain if slash else name, fusion)

    def part(self, name: str) -> SearchableIndex:
        """Return an index by its name; the first one's is empty.

        Raises:
            RequestError: there is no such index.
        """
        if not name:
            return self._first
        if name not in self._others:
            names = ", ".join(self._others) or "only the first, without a name"
            raise RequestError(
                f"a retriever is of the index {name!r}, which is not given; there is {names}", "retriever"
            )
        return self._others[name]


def parts_of(index: SearchableIndex, names: Sequence[str]) -> list[tuple[str, SearchableIndex, list[str]]]:
    """Return each index that retrievers are of, with its name and their names in it; the first one's name is empty."""
    if not isinstance(index, SideBySide):
        return [("", index, list(names))]
    of_index: dict[str, list[str]] = {}
    for name in names:
        of, slash, plain = name.partition(OF)
        of_index.setdefault(of if slash else "", []).append(plain if slash else name)
    return [(of, index.part(of), plain) for of, plain in of_index.items()]


def plain_names(names: Sequence[str]) -> list[str]:
    """Return the names of retrievers without those of their indexes."""
    return [name.rpartition(OF)[2] for name in names]


def _refuse_other_passages(name: str, passages: PassagePool, first: PassagePool) -> None:
    absent = next((passage.id for passage in first if passages.row_of(passage.id) is None), None)
    if absent is None and len(passages) == len(first):
        return
    more = len(passages) - len(first)
    cause = f"lacks the passage {absent!r} of" if absent is not None else f"has {more:,} more passages than"
    raise ConfigError(f"the index {name!r} {cause} the first one; compare indexes of the same passages")
