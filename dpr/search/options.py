"""How passages are found, as a caller decides it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from dpr.search.registry import default_retriever, reranked_name
from dpr.value_types import check_fields

if TYPE_CHECKING:
    from dpr.filters import FilterForm
    from dpr.search.fusion import Fusion
    from dpr.search.reranking import RerankOptions


class SearchChoices(TypedDict, total=False):
    """How the passages of one call are found."""

    k: int
    retriever: str | None
    fusion: Fusion | None
    filter: FilterForm | None


class AnswerChoices(SearchChoices, total=False):
    """How the passages of one call are found, and how many answers it returns."""

    n_best: int


@dataclass(frozen=True, slots=True)
class RetrievalOptions:
    """How passages are found where a call does not say.

    Attributes:
        retriever: the name of one of the index's retrievers; None: ``hybrid``, or ``bm25`` if the index has no vectors.
        fusion: how ``hybrid`` fuses; None: the index's recorded one.
        rerank: what reranks the retriever's hits; None: nothing.
    """

    retriever: str | None = None
    fusion: Fusion | None = None
    rerank: RerankOptions | None = None

    def __post_init__(self) -> None:
        check_fields(self)

    def retriever_for(self, names: Iterable[str]) -> str:
        """Return the retriever for an index that has the retrievers ``names``; ``NAME+rerank`` if hits are reranked."""
        name = default_retriever(names) if self.retriever is None else self.retriever
        return reranked_name(name) if self.rerank else name
