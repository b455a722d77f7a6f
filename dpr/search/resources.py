"""The resources of a generation: its files, memory-mapped, and its models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from dpr.array_files import open_array, open_vectors
from dpr.config import AUTO_COMPUTE, ComputeOptions
from dpr.dense.index_type import IndexType
from dpr.dense.index_types import index_type_of
from dpr.dense.segments import SegmentedIndex
from dpr.dense.windows import WindowedIndex, window_ranks
from dpr.errors import ConfigError, IndexFormatError, ModelError, RequestError
from dpr.search.lazy import Lazy
from dpr.search.learned import LEARNED, Block, load_learned_encoder
from dpr.sparse.counts import TermCounts
from dpr.sparse.engine import SparseEngine, SparseSegment
from dpr.sparse.rank_bm25 import RankBM25Engine
from dpr.sparse.scheme import SCHEMES
from dpr.store.layout import GenerationFiles, SegmentFiles
from dpr.store.manifest import AnalyzerRecord, DenseRecord, EncoderRecord, Manifest, SegmentRecord
from dpr.store.passages import PassageStore
from dpr.store.windows import open_windows
from dpr.text.registry import analyzer as analyzer_by_name
from dpr.types import (
    Analyzer,
    Encoder,
    EncoderOptions,
    FloatArray,
    IntArray,
    LearnedEncoder,
    RankArray,
    SparseIndex,
    VectorIndex,
    WindowArray,
)

EncoderLoader = Callable[[EncoderRecord], Encoder]
"""Loads the recorded encoder of an index."""


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
        self.vectors = Lazy(partial(self._open_vectors, files, manifest.encoder))
        self.windows: Lazy[WindowArray | None] = Lazy(partial(self._open_windows, files))
        self.vector_index = Lazy(partial(self._open_passage_index, files))
        self.vector_index_with_deleted = Lazy(partial(self._open_vector_index, files, None))
        self.learned: Mapping[str, Lazy[Any]] = {
            name: Lazy(partial(self._open_learned, name, learned.dimension))
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

    def _open_learned(self, name: str, dimension: int) -> Any:
        return LEARNED[name].open(Block(self.files.learned(name), self.record.passages), dimension)

    def _open_vectors(self, files: SegmentFiles, encoder: EncoderRecord | None) -> FloatArray:
        if encoder is None:
            raise RequestError("the index has no vectors; rebuild it without --no-dense", "retriever")
        return open_vectors(files.vectors, self.record.vectors, encoder.dimension)

    def _open_windows(self, files: SegmentFiles) -> WindowArray | None:
        return open_windows(files.windows, self.record.vectors) if self.record.has_windows else None

    def vectors_of(self, row: int) -> tuple[FloatArray, WindowArray | None]:
        """Return the vectors of a row of the segment and their windows; see `dpr.types.PassageVectors`."""
        windows = self.windows()
        if windows is None:
            return self.vectors()[row : row + 1], None
        first, end = np.searchsorted(windows[:, 0], [row, row + 1]).tolist()
        return self.vectors()[first:end], windows[first:end, 1:] if end - first > 1 else None

    def _open_passage_index(self, files: SegmentFiles) -> VectorIndex:
        windows = self.windows()
        if windows is None:
            return self._open_vector_index(files, self.id_rank)
        return WindowedIndex(self._open_vector_index(files, window_ranks(self.id_rank, windows)), windows)

    def _open_vector_index(self, files: SegmentFiles, ranks: RankArray | IntArray | None) -> VectorIndex:
        dense = self.record.dense
        if dense is None:
            raise RequestError("the index has no vectors; rebuild it without --no-dense", "retriever")
        return recorded_index_type(dense).open(self.vectors(), files.dense, ranks)


class IndexResources:
    """The resources of one generation; the slow ones are opened at their first use.

    Attributes:
        passages: the passages, by row.
        id_rank: the rank of each row's id among the sorted ids, (P,) int32, which orders equal scores; -1: deleted.
        segments: the resources of each segment.
        encoder: the encoder of the questions.
        analyzer: the analyzer of the questions.
        vector_index: the search over the vectors of all segments.
        sparse_indexes: the searches over weighted terms, by retriever name.
        learned_indexes: the searches over learned lists, by their names.
        learned_encoders: their models, which encode the questions.
        compute: how these models compute; set it before the first of them is loaded.
    """

    def __init__(
        self,
        manifest: Manifest,
        segments: Sequence[SegmentFiles],
        files: GenerationFiles,
        encoder: Encoder | None = None,
        load: EncoderLoader | None = None,
        analyzer: Analyzer | None = None,
    ) -> None:
        """Open the files that ``manifest`` describes; for the other arguments see ``open_index``.

        ``load`` loads the recorded encoder if ``encoder`` is None.

        Raises:
            IndexFormatError: a file is damaged, or the encoder or the analyzer is not the index's.
        """
        self.manifest = manifest
        self.id_rank = open_array(files.id_rank, np.int32, (manifest.rows,))
        self.passages = PassageStore.open([segment.passages for segment in segments], self.id_rank)
        ends = np.cumsum([record.passages for record in manifest.segments])
        self.segments = tuple(
            SegmentResources(manifest, record, segment, files, self.id_rank[end - record.passages : end])
            for record, segment, end in zip(manifest.segments, segments, ends.tolist(), strict=True)
        )
        self.encoder = Lazy(partial(self._find_encoder, encoder, load or load_recorded))
        self.analyzer = Lazy(partial(checked_analyzer, manifest.analyzer, analyzer))
        self.vector_index = Lazy(self._open_vector_index)
        self.sparse_indexes: dict[str, Lazy[SparseIndex]] = {
            name: Lazy(partial(self._open_sparse_index, name)) for name in manifest.weights
        }
        if manifest.rows == manifest.passages and len(self.segments) == 1:
            self.sparse_indexes["rank-bm25"] = Lazy(self._make_rank_bm25)
        self.compute = AUTO_COMPUTE
        self.learned_indexes: dict[str, Lazy[Any]] = {
            name: Lazy(partial(self._open_learned_index, name)) for name in manifest.learned
        }
        self.learned_encoders: dict[str, Lazy[Any]] = {
            name: Lazy(partial(self._load_learned, name)) for name in manifest.learned
        }
        if unknown := sorted(manifest.learned.keys() - LEARNED.keys()):
            raise IndexFormatError(
                f"this program does not know the list {unknown[0]!r} of the index; rebuild with dpr-index build, or "
                "use the program that wrote it"
            )
        if encoder is not None and manifest.encoder is not None:
            self.encoder()
        if analyzer is not None:
            self.analyzer()

    def open_files(self) -> None:
        """Open every file that a search reads; from there on they may be renamed or removed.

        Raises:
            IndexFormatError: a file is absent or damaged.
        """
        for segment in self.segments:
            segment.open_files()

    def vectors_of(self, row: int) -> tuple[FloatArray, WindowArray | None]:
        """Return the vectors of a row's passage and their windows; see `dpr.types.PassageVectors`."""
        ends = np.cumsum([segment.record.passages for segment in self.segments])
        number = int(np.searchsorted(ends, row, side="right"))
        segment = self.segments[number]
        return segment.vectors_of(row - int(ends[number]) + segment.record.passages)

    def _find_encoder(self, loaded: Encoder | None, load: EncoderLoader) -> Encoder:
        recorded = self.manifest.encoder
        if recorded is None:
            raise RequestError("the index has no vectors; rebuild it without --no-dense", "retriever")
        return checked_encoder(recorded, loaded or load(recorded))

    def _open_vector_index(self) -> VectorIndex:
        indexes = [segment.vector_index() for segment in self.segments]
        return (
            indexes[0] if len(indexes) == 1 else SegmentedIndex(indexes, [segment.id_rank for segment in self.segments])
        )

    def _open_sparse_index(self, name: str) -> SparseIndex:
        segments = [segment.sparse(name) for segment in self.segments]
        return SparseEngine(segments, self.manifest.weights[name].scheme, self.manifest.passages)

    def _open_learned_index(self, name: str) -> Any:
        return LEARNED[name].index([(segment.learned[name](), segment.id_rank) for segment in self.segments])

    def _load_learned(self, name: str) -> LearnedEncoder[Any]:
        return load_learned_encoder(name, self.manifest.learned[name], self.compute)

    def _make_rank_bm25(self) -> SparseIndex:
        parameters = {**SCHEMES["bm25"].defaults, **self.manifest.weights["bm25"].parameters}
        return RankBM25Engine(self.segments[0].counts(), **parameters, id_rank=self.id_rank)


def checked_encoder(recorded: EncoderRecord, encoder: Encoder) -> Encoder:
    """Return an encoder if it is the index's recorded one.

    Raises:
        IndexFormatError: it is another one.
    """
    if encoder.fingerprint != recorded.fingerprint:
        raise IndexFormatError(
            f"the index was made with the encoder {recorded.name} ({recorded.fingerprint}), but this is "
            f"{encoder.name} ({encoder.fingerprint}); use the former, or rebuild with dpr-index build"
        )
    return encoder


def checked_analyzer(recorded: AnalyzerRecord, analyzer: Analyzer | None = None) -> Analyzer:
    """Return an analyzer if it is the one that an index has on record; without one, the one of that name.

    Raises:
        IndexFormatError: it is another one, or of another version.
    """
    analyzer = analyzer or analyzer_by_name(recorded.name)
    if AnalyzerRecord(analyzer.name, analyzer.version) != recorded:
        raise IndexFormatError(
            f"the index was made with the analyzer {recorded.name} of version {recorded.version}, but this is "
            f"{analyzer.name} of version {analyzer.version}; install the former, or rebuild with dpr-index build"
        )
    return analyzer


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


def load_recorded(recorded: EncoderRecord, name: str | None = None, compute: ComputeOptions = AUTO_COMPUTE) -> Encoder:
    """Load an index's encoder by its recorded name, or by ``name``.

    Raises:
        ModelError: the encoder cannot be loaded.
        IndexFormatError: its vectors have another dimension.
        ConfigError: this machine lacks the precision or the backend.
    """
    from dpr.models.backends import check_compute

    check_compute(compute)
    try:
        return _load_encoder(name or recorded.name, recorded.options, compute)
    except ConfigError as error:  # vectors of another dimension
        raise IndexFormatError(
            f"the index was made with the encoder {recorded.name} ({recorded.fingerprint}), and {name} cannot take its "
            f"place ({error}); use the former, or rebuild with dpr-index build"
        ) from error
    except ModelError as error:
        if name is not None:
            raise
        raise ModelError(
            f"{error} (the index was made with this encoder; set --encoder to its new location)"
        ) from error


def _load_encoder(name: str, options: EncoderOptions, compute: ComputeOptions) -> Encoder:
    from dpr.models.encoders import load_encoder

    return load_encoder(name, compute.precision, compute.backend, options)
