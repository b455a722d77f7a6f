"""The resources of one segment of a generation: its files, memory-mapped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from dpr.array_files import open_array, open_vectors
from dpr.dense.index_type import IndexType
from dpr.dense.index_types import index_type_of
from dpr.dense.windows import WindowedIndex, window_ranks
from dpr.errors import ConfigError, IndexFormatError, RequestError
from dpr.search.lazy import Lazy
from dpr.search.learned import LEARNED, Block
from dpr.sparse.counts import TermCounts
from dpr.sparse.engine import SparseSegment
from dpr.store.layout import GenerationFiles, SegmentFiles
from dpr.store.manifest import DenseRecord, EncoderRecord, Manifest, SegmentRecord
from dpr.store.windows import open_windows
from dpr.types import (
    FloatArray,
    IntArray,
    RankArray,
    VectorIndex,
    WindowArray,
)


class SegmentResources:
    """The resources of one segment; the slow ones are opened at their first use.

    Attributes:
        record: its entry in the manifest.
        files: the paths of its files.
        id_rank: the rank of each row's id among the sorted ids of the generation, (P,) int32; -1: deleted.
        counts: its vocabulary and term counts.
        frequencies: the document frequencies of its terms in the generation, (T,).
        weights: its posting weights, (postings,), by retriever name.
        vectors: the vectors of its passages and windows, (V, D).
        windows: the row, start and end of each vector's text, (V, 3); None if each passage has one vector.
        vector_index: the search for passages.
        vector_index_with_deleted: the search over all vectors, also those of deleted passages.
        learned: what it holds of each learned list, by its name.
    """

    def __init__(
        self,
        manifest: Manifest,
        record: SegmentRecord,
        files: SegmentFiles,
        generation_files: GenerationFiles,
        id_rank: RankArray,
    ) -> None:
        """Open the files of a segment, and its files in the generation."""
        self.record = record
        self.files = files
        self.id_rank = id_rank
        self.counts = Lazy(partial(TermCounts.open, files.counts))
        self.frequencies: Lazy[IntArray] = Lazy(
            partial(open_array, generation_files.frequencies(record.id), np.int64, (record.terms,))
        )
        self.weights: Mapping[str, Lazy[FloatArray]] = {
            name: Lazy(partial(open_array, generation_files.weights(record.id, name), np.float32, (record.postings,)))
            for name in manifest.weights
        }
        self.vectors = Lazy(partial(_open_vectors, files, record, manifest.encoder))
        self.windows: Lazy[WindowArray | None] = Lazy(
            lambda: open_windows(files.windows, record.vectors) if record.has_windows else None
        )
        open_vector_index = partial(_open_vector_index, files, record.dense, self.vectors)
        self.vector_index = Lazy(partial(_open_passage_index, open_vector_index, self.windows, id_rank))
        self.vector_index_with_deleted = Lazy(partial(open_vector_index, None))
        self.learned: Mapping[str, Lazy[Any]] = {
            name: Lazy(partial(_open_learned, name, Block(files.learned(name), record.passages), learned.dimension))
            for name, learned in manifest.learned.items()
        }

    def open_files(self) -> None:
        """Open every file that a search reads."""
        self.counts()
        self.frequencies()
        for weights in self.weights.values():
            weights()
        if self.record.dense is not None:
            self.vector_index()
        for learned in self.learned.values():
            learned()

    def sparse(self, name: str) -> SparseSegment:
        """Return the segment for the sparse engine, with the weights of a retriever."""
        return SparseSegment(self.counts(), self.weights[name](), self.frequencies(), self.id_rank)

    def vectors_of(self, row: int) -> tuple[FloatArray, WindowArray | None]:
        """Return the vectors of a row of the segment and their windows; see `dpr.types.PassageVectors`."""
        windows = self.windows()
        if windows is None:
            return self.vectors()[row : row + 1], None
        first, end = np.searchsorted(windows[:, 0], [row, row + 1]).tolist()
        return self.vectors()[first:end], windows[first:end, 1:] if end - first > 1 else None


# Free functions, as in `dpr.search.resources`.


def _open_learned(name: str, block: Block, dimension: int) -> Any:
    return LEARNED[name].open(block, dimension)


def _open_vectors(files: SegmentFiles, record: SegmentRecord, encoder: EncoderRecord | None) -> FloatArray:
    if encoder is None:
        raise RequestError("the index has no vectors; rebuild it without --no-dense", "retriever")
    return open_vectors(files.vectors, record.vectors, encoder.dimension)


def _open_passage_index(
    open_vector_index: Callable[[RankArray | IntArray], VectorIndex],
    lazy_windows: Lazy[WindowArray | None],
    id_rank: RankArray,
) -> VectorIndex:
    windows = lazy_windows()
    if windows is None:
        return open_vector_index(id_rank)
    return WindowedIndex(open_vector_index(window_ranks(id_rank, windows)), windows)


def _open_vector_index(
    files: SegmentFiles, dense: DenseRecord | None, vectors: Lazy[FloatArray], ranks: RankArray | IntArray | None
) -> VectorIndex:
    if dense is None:
        raise RequestError("the index has no vectors; rebuild it without --no-dense", "retriever")
    return recorded_index_type(dense).open(vectors(), files.dense, ranks)


def recorded_index_type(dense: DenseRecord) -> IndexType:
    """Return the recorded index type with its parameters.

    Raises:
        IndexFormatError: this program does not know the index type.
    """
    try:
        return index_type_of(dense.kind, dense.parameters)
    except ConfigError as error:
        raise IndexFormatError(
            f"this program cannot search the index's vectors ({error}); rebuild with dpr-index build, or use the "
            "program that wrote it"
        ) from None
