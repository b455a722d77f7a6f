"""The resources of a generation: its files, memory-mapped, and its models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from functools import partial
from typing import Any

import numpy as np

from dpr.array_files import open_array
from dpr.config import AUTO_COMPUTE, ComputeOptions
from dpr.dense.segments import SegmentedIndex
from dpr.errors import ConfigError, IndexFormatError, ModelError, RequestError
from dpr.filters import Filter
from dpr.search.lazy import Lazy
from dpr.search.learned import LEARNED, load_learned_encoder
from dpr.search.segment_resources import SegmentResources as SegmentResources
from dpr.search.segment_resources import recorded_index_type as recorded_index_type
from dpr.sparse.counts import TermCounts
from dpr.sparse.engine import SparseEngine
from dpr.sparse.rank_bm25 import RankBM25Engine
from dpr.sparse.scheme import SCHEMES
from dpr.store.facets import read_facets
from dpr.store.layout import GenerationFiles, SegmentFiles
from dpr.store.manifest import AnalyzerRecord, EncoderRecord, Manifest
from dpr.store.passages import PassageStore
from dpr.text.registry import analyzer as analyzer_by_name
from dpr.topk import segment_of
from dpr.types import (
    Analyzer,
    BoolArray,
    Encoder,
    EncoderOptions,
    FloatArray,
    RankArray,
    SparseIndex,
    VectorIndex,
    WindowArray,
)

EncoderLoader = Callable[[EncoderRecord], Encoder]
"""Loads the recorded encoder of an index."""


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
        collection_facets: of a shard, the counts of the collection's fields; None where it does not have them.
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
        self.encoder = Lazy(partial(_find_encoder, manifest.encoder, encoder, load or load_recorded))
        self.analyzer = Lazy(partial(checked_analyzer, manifest.analyzer, analyzer))
        self.vector_index = Lazy(partial(_open_vector_index, self.segments))
        self.sparse_indexes: dict[str, Lazy[SparseIndex]] = {
            name: Lazy(partial(_open_sparse_index, name, manifest, self.segments)) for name in manifest.weights
        }
        if manifest.rows == manifest.passages and len(self.segments) == 1 and manifest.shard is None:
            self.sparse_indexes["rank-bm25"] = Lazy(
                partial(_make_rank_bm25, manifest, self.segments[0].counts, self.id_rank)
            )
        self.collection_facets = read_facets(files.facets) if manifest.shard else None
        self.learned_indexes: dict[str, Lazy[Any]] = {
            name: Lazy(partial(_open_learned_index, name, self.segments, self.id_rank)) for name in manifest.learned
        }
        self.compute_as(AUTO_COMPUTE)
        if unknown := sorted(manifest.learned.keys() - LEARNED.keys()):
            raise IndexFormatError(
                f"this program does not know the list {unknown[0]!r} of the index; rebuild with dpr-index build, or "
                "use the program that wrote it"
            )
        if encoder is not None and manifest.encoder is not None:
            self.encoder()
        if analyzer is not None:
            self.analyzer()

    def compute_as(self, compute: ComputeOptions) -> None:
        """Let the models of learned lists compute in this way; call it before the first of them is loaded."""
        self.learned_encoders: dict[str, Lazy[Any]] = {
            name: Lazy(partial(load_learned_encoder, name, learned, compute))
            for name, learned in self.manifest.learned.items()
        }

    def open_files(self) -> None:
        """Open every file that a search reads; from there on they may be renamed or removed.

        Raises:
            IndexFormatError: a file is absent or damaged.
        """
        for segment in self.segments:
            segment.open_files()

    def selecting(self, is_selected: BoolArray, condition: Filter | None = None) -> IndexResources:
        """Return resources that search the selected rows alone, (P,), and share all files and models.

        ``condition`` is the filter that selects them; see `dpr.types.VectorIndex`.

        The passages, and the statistics behind the scores of terms, stay those of the whole index.
        """
        selection = copy(self)
        id_rank = np.where(is_selected, self.id_rank, np.int32(-1))
        selection.id_rank = id_rank
        vector_index = self.vector_index
        selection.vector_index = Lazy(lambda: vector_index().selecting(id_rank, condition))
        selection.sparse_indexes = {
            name: Lazy(partial(_selecting, index, id_rank)) for name, index in self.sparse_indexes.items()
        }
        selection.learned_indexes = {
            name: Lazy(partial(_open_learned_index, name, self.segments, id_rank)) for name in self.learned_indexes
        }
        return selection

    def vectors_of(self, row: int) -> tuple[FloatArray, WindowArray | None]:
        """Return the vectors of a row's passage and their windows; see `dpr.types.PassageVectors`."""
        number, own_row = segment_of(row, [segment.record.passages for segment in self.segments])
        return self.segments[number].vectors_of(own_row)


# Free functions: a `Lazy` with a method of its owner would keep the owner alive, and its files open, until the garbage
# collector comes.


def _find_encoder(recorded: EncoderRecord | None, loaded: Encoder | None, load: EncoderLoader) -> Encoder:
    if recorded is None:
        raise RequestError("the index has no vectors; rebuild it without --no-dense", "retriever")
    return checked_encoder(recorded, loaded or load(recorded))


def _open_vector_index(segments: Sequence[SegmentResources]) -> VectorIndex:
    indexes = [segment.vector_index() for segment in segments]
    return indexes[0] if len(indexes) == 1 else SegmentedIndex(indexes, [segment.id_rank for segment in segments])


def _open_sparse_index(name: str, manifest: Manifest, segments: Sequence[SegmentResources]) -> SparseIndex:
    opened = [segment.sparse(name) for segment in segments]
    return SparseEngine(opened, manifest.weights[name].scheme, manifest.collection_passages)


def _open_learned_index(name: str, segments: Sequence[SegmentResources], id_rank: RankArray) -> Any:
    ends = np.cumsum([segment.record.passages for segment in segments]).tolist()
    return LEARNED[name].index(
        [
            (segment.learned[name](), id_rank[end - segment.record.passages : end])
            for segment, end in zip(segments, ends, strict=True)
        ]
    )


def _make_rank_bm25(manifest: Manifest, counts: Lazy[TermCounts], id_rank: RankArray) -> SparseIndex:
    parameters = {**SCHEMES["bm25"].defaults, **manifest.weights["bm25"].parameters}
    return RankBM25Engine(counts(), **parameters, id_rank=id_rank)


def _selecting(index: Lazy[SparseIndex], id_rank: RankArray) -> SparseIndex:
    return index().selecting(id_rank)


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
