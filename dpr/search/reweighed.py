"""BM25 of an open index with other parameters than its own: the postings are weighed again, in memory."""

from __future__ import annotations

from dpr.search.resources import IndexResources
from dpr.search.retrievers import SparseRetriever
from dpr.sparse.collection import collection_statistics
from dpr.sparse.engine import SparseEngine, SparseSegment
from dpr.sparse.scheme import SCHEMES
from dpr.store.shard import refuse_shard


def reweighed_bm25(resources: IndexResources, k1: float, b: float) -> SparseRetriever:
    """Return BM25 with other parameters, in the variant of the index; it needs 4 bytes of memory for each posting.

    Raises:
        ConfigError: a parameter is out of range, or the index is a shard.
    """
    refuse_shard(resources.manifest.shard)
    record = resources.manifest.weights["bm25"]
    scheme, parameters = SCHEMES[record.scheme], {**record.parameters, "k1": k1, "b": b}
    segments = resources.segments
    deleted = [segment.id_rank < 0 if segment.record.deleted else None for segment in segments]
    collections, _ = collection_statistics([segment.counts() for segment in segments], deleted)
    weighed = [
        SparseSegment(
            segment.counts(),
            scheme.weights(segment.counts(), collection, **parameters),
            segment.frequencies(),
            segment.id_rank,
        )
        for segment, collection in zip(segments, collections, strict=True)
    ]
    engine = SparseEngine(weighed, record.scheme, resources.manifest.passages)
    return SparseRetriever("bm25", resources.analyzer(), engine, resources.passages.id)
