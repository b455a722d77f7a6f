"""Which retriever a request is for and how it fuses: the server's defaults, what a request asks for, how it is told."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from dpr.errors import RequestError
from dpr.search.fusion import Fusion
from dpr.search.registry import HYBRID_LISTS, RETRIEVERS, choices, default_retriever, fuses, reranked_name
from service.requests import Search
from service.schemas import FusionMethod, FusionOut
from service.settings import Settings


def default_of(names: Iterable[str], settings: Settings) -> str:
    """Return the retriever of requests that name none, for an index that has the retrievers ``names``."""
    return settings.retriever_default or default_retriever(names)


def retriever_of(request: Search, names: Iterable[str], settings: Settings) -> str:
    """Return the retriever for a request to an index with the retrievers ``names``; ``NAME+rerank`` reranks its hits.

    Raises:
        RequestError: it asks to rerank, and this server has no reranker; or it names a retriever that is not served, or
            that the index lacks.
    """
    index_names = tuple(names)
    name = request.retriever or default_of(index_names, settings)
    if name not in served(RETRIEVERS, settings):
        remedy = f"ask {choices(served(index_names, settings))}, or start dpr-serve with --rank-bm25"
        raise RequestError(f"the retriever {name} is a slow reference and not served here; {remedy}", "retriever")
    if name not in index_names:
        cause = f"this index has no {RETRIEVERS[name].needs} for the retriever {name!r}"
        raise RequestError(f"{cause}; ask {choices(served(index_names, settings))}", "retriever")
    if request.rerank and settings.rerank is None:
        raise RequestError("this server has no reranker; leave rerank out, or start dpr-serve with --rerank", "rerank")
    has_reranker = settings.rerank is not None
    return reranked_name(name) if (has_reranker if request.rerank is None else request.rerank) else name


def served(names: Iterable[str], settings: Settings) -> list[str]:
    """Return those of an index's retrievers that this server serves; a reference only where its operator asks."""
    return [
        name
        for name in names
        if not RETRIEVERS[name].is_reference or settings.rank_bm25 or name == settings.retriever_default
    ]


def fusion_of(request: Search, retriever: str, default: Fusion, names: Iterable[str]) -> Fusion | None:
    """Return how to fuse for a request to an index with the retrievers ``names``.

    It is None for a retriever of one list, which refuses to be told.

    A request that names a method or weights gets just these, the same for every question: weights that were fitted for
    another method, or beside the ones given, would be neither's.

    Raises:
        RequestError: the retriever fuses nothing, or the weights are for other lists than it fuses.
    """
    given = {name: getattr(request, name) for name in ("fusion", "weights") if getattr(request, name) is not None}
    if not fuses(retriever):
        if not given:
            return None
        field, fusing = next(iter(given)), list(filter(fuses, names))
        remedy = f"leave {field} out" + (f", or ask {choices(fusing)}" if fusing else "")
        raise RequestError(f"the retriever {retriever} fuses nothing; {remedy}", field=field)
    if not given:
        return default
    fusion = Fusion(request.fusion or Fusion().method, request.weights)
    fusion.weights_for(HYBRID_LISTS)
    return fusion


def fusion_key(fusion: Fusion | None) -> tuple[object, ...]:
    """Return what tells one fusion from another, as a key."""
    if fusion is None:
        return ()
    weights = tuple(sorted(fusion.weights.items())) if fusion.weights else ()
    return fusion.method, weights, fusion.rrf_constant, fusion.coverage_power, fusion.depth


def fusion_out(fusion: Fusion) -> FusionOut:
    """Return what a response says of the fusion."""
    return FusionOut(
        method=cast("FusionMethod", fusion.method),
        weights=fusion.weights_for(HYBRID_LISTS),
        coverage_power=fusion.coverage_power,
        missing_rule=fusion.missing_rule,
    )
