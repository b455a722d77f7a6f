"""The retrievers and rerankers by name, one entry each.

Names in commands, settings, OpenAPI and errors come from these tables. An entry imports its code when it is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from dpr.search.contract import Reranker, Retriever
    from dpr.search.fusion import Fusion
    from dpr.search.resources import IndexResources

HYBRID_LISTS = ("dense", "bm25")
"""The lists that the hybrid retriever fuses."""

RERANKED = "+rerank"
"""The suffix of a retriever whose hits are reranked: ``hybrid+rerank``."""


FUSED = "+"
"""What stands between the names of lists that are fused: ``bm25+splade``."""


@dataclass(frozen=True, slots=True)
class Opening:
    """The context that a retriever is opened in.

    Attributes:
        resources: the index's files and models.
        retriever: returns another retriever of the same index by its name.
        fusion: how to fuse; a retriever of one list ignores it.
    """

    resources: IndexResources
    retriever: Callable[[str], Retriever]
    fusion: Fusion


@dataclass(frozen=True, slots=True)
class RetrieverEntry:
    """An entry of `RETRIEVERS`.

    Attributes:
        summary: a few words for help.
        open: creates it.
        absence: returns why an index lacks it, as a sentence with the remedy; empty if the index has it.
        fuses: whether it fuses lists and so accepts a fusion.
        is_reference: whether it is there to compare others with, and too slow to be served unless asked for.
        needs: what an index that lacks it does not have, in a few words for a client who cannot rebuild it.
    """

    summary: str
    open: Callable[[Opening], Retriever]
    absence: Callable[[IndexResources], str]
    fuses: bool = False
    is_reference: bool = False
    needs: str = "list"


@dataclass(frozen=True, slots=True)
class RerankerEntry:
    """An entry of `RERANKERS`.

    Attributes:
        summary: a few words for help.
        load: loads a model by its folder or hub name, with a precision and a backend of `dpr.models.backends`.
    """

    summary: str
    load: Callable[[str, str, str], Reranker]


def _open_dense(opening: Opening) -> Retriever:
    from dpr.search.retrievers import DenseRetriever

    resources = opening.resources
    return DenseRetriever(resources.encoder(), resources.vector_index(), resources.passages.id, vectors=resources)


def _open_sparse(name: str, opening: Opening) -> Retriever:
    from dpr.search.retrievers import SparseRetriever

    resources = opening.resources
    return SparseRetriever(name, resources.analyzer(), resources.sparse_indexes[name](), resources.passages.id)


def _open_learned(name: str, opening: Opening) -> Retriever:
    from dpr.search.learned_retrievers import LEARNED_RETRIEVERS

    resources = opening.resources
    encoder, index = resources.learned_encoders[name](), resources.learned_indexes[name]()
    return LEARNED_RETRIEVERS[name](encoder, index, resources.passages.id)


def _open_hybrid(opening: Opening) -> Retriever:
    from dpr.search.retrievers import HybridRetriever

    sources = {name: opening.retriever(name) for name in HYBRID_LISTS}
    return HybridRetriever(sources, opening.resources.passages.id, opening.fusion)


def _no_vectors(name: str, resources: IndexResources) -> str:
    if resources.manifest.encoder is not None:
        return ""
    return f"this index has no vectors for the retriever {name!r}; rebuild it with an encoder (without --no-dense)"


def _no_weights(name: str, resources: IndexResources) -> str:
    if name in resources.sparse_indexes:
        return ""
    return f"this index has no posting weights for the retriever {name!r}; rebuild it with dpr-index build"


def _no_list(name: str, resources: IndexResources) -> str:
    from dpr.search.learned import absence_of_list

    return "" if name in resources.manifest.learned else absence_of_list(name)


def _not_one_segment(resources: IndexResources) -> str:
    if "rank-bm25" in resources.sparse_indexes:
        return ""
    return "the retriever 'rank-bm25' searches one segment without deletions; run dpr-index compact"


def _load_cross_encoder(model: str, precision: str, backend: str) -> Reranker:
    from dpr.models.cross_encoder import load_cross_encoder

    return load_cross_encoder(model, precision, backend)


RETRIEVERS: dict[str, RetrieverEntry] = {
    "dense": RetrieverEntry("nearest vectors", _open_dense, partial(_no_vectors, "dense"), needs="vectors"),
    "bm25": RetrieverEntry(
        "shared terms by BM25", partial(_open_sparse, "bm25"), partial(_no_weights, "bm25"), needs="posting weights"
    ),
    "tfidf": RetrieverEntry(
        "shared terms by TF-IDF", partial(_open_sparse, "tfidf"), partial(_no_weights, "tfidf"), needs="posting weights"
    ),
    "rank-bm25": RetrieverEntry(
        "BM25 by the package rank-bm25, a slow reference",
        partial(_open_sparse, "rank-bm25"),
        _not_one_segment,
        is_reference=True,
        needs="single segment without deletions",
    ),
    "splade": RetrieverEntry(
        "terms weighed by a SPLADE model", partial(_open_learned, "splade"), partial(_no_list, "splade")
    ),
    "colbert": RetrieverEntry(
        "token vectors of a ColBERT model", partial(_open_learned, "colbert"), partial(_no_list, "colbert")
    ),
    "hybrid": RetrieverEntry(
        "dense and bm25 fused", _open_hybrid, partial(_no_vectors, "hybrid"), fuses=True, needs="vectors"
    ),
}
"""Each retriever by its name, those that are fused before those that fuse."""

RERANKERS: dict[str, RerankerEntry] = {
    "cross-encoder": RerankerEntry("a sequence classifier of one logit", _load_cross_encoder),
}
"""Each reranker type by its name."""

DEFAULT_RETRIEVERS = ("hybrid", "bm25")
"""The default retriever is the first of these that an index has: an index without vectors has no ``hybrid``."""

DEFAULT_RERANKER = "cross-encoder"
DEFAULT_RERANK_DEPTH = 20
MAX_RERANK_DEPTH = 100
"""The depth of ``hybrid``."""


def default_retriever(names: Iterable[str]) -> str:
    """Return the default among the retrievers of an index: ``hybrid``, or ``bm25`` if the index has no vectors."""
    index_names = set(names)
    return next((name for name in DEFAULT_RETRIEVERS if name in index_names), DEFAULT_RETRIEVERS[-1])


def plain_name(name: str) -> str:
    """Return the name of the first stage: ``hybrid`` for ``hybrid`` and for ``hybrid+rerank``."""
    return name.removesuffix(RERANKED)


def reranked_name(name: str) -> str:
    """Return the name of a retriever whose hits are reranked: ``hybrid+rerank``, for either name."""
    return plain_name(name) + RERANKED


def fused_lists(name: str) -> list[str]:
    """Return the lists that a name such as ``bm25+splade`` fuses; the name itself if it fuses none."""
    return plain_name(name).split(FUSED)


def fuses(name: str) -> bool:
    """Return whether a retriever fuses lists; an unknown one does not."""
    entry = RETRIEVERS.get(plain_name(name))
    return entry.fuses if entry is not None else len(fused_lists(name)) > 1


class _Entry(Protocol):
    @property
    def summary(self) -> str: ...


def describe(entries: Mapping[str, _Entry]) -> str:
    """Return the entries in a phrase for help: ``dense (nearest vectors), … or hybrid (dense and bm25 fused)``."""
    return choices(f"{name} ({entry.summary})" for name, entry in entries.items())


def choices(names: Iterable[str]) -> str:
    """Return names in a phrase: ``dense, bm25 or hybrid``."""
    *head, last = names
    return f"{', '.join(head)} or {last}" if head else last
