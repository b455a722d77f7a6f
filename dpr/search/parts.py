"""What the retrievers of a generation are made of: its files, mapped, and the models that belong to them."""

from __future__ import annotations

from functools import partial

import numpy as np

from dpr.dense.kinds import KINDS
from dpr.errors import IndexFormatError, RequestError
from dpr.search.lazy import Lazy
from dpr.sparse.counts import TermCounts
from dpr.sparse.engine import SparseEngine, SparseSegment
from dpr.sparse.rank_bm25 import RankBM25Engine
from dpr.sparse.scheme import SCHEMES
from dpr.store.arrays import open_array, open_vectors
from dpr.store.layout import GenerationFiles, SegmentFiles
from dpr.store.manifest import AnalyzerRecord, DenseRecord, EncoderRecord, Manifest
from dpr.store.passages import PassageStore
from dpr.text.registry import analyzer as analyzer_by_name
from dpr.types import Analyzer, Encoder, FloatArray, SparseIndex, VectorIndex


class IndexParts:
    """The parts of one generation; those that take time are made when they are first called for.

    Attributes:
        passages: the passages, by row.
        id_rank: the place of each row's id among the sorted ids, (P,) int32; it orders equal scores.
        encoder: the encoder of the questions.
        analyzer: the analyzer of the questions.
        counts: vocabulary and term counts.
        vectors: the passage vectors, (P, D).
        vector_index: the search over the vectors.
        weights: the posting weights, (postings,), by retriever name.
        sparse_indexes: the searches over weighted terms, by retriever name.
    """

    def __init__(
        self,
        manifest: Manifest,
        segment: SegmentFiles,
        files: GenerationFiles,
        encoder: Encoder | None = None,
        encoder_name: str | None = None,
        analyzer: Analyzer | None = None,
    ) -> None:
        """Open files that were written as ``manifest`` says; for the other arguments see ``open_index``.

        Raises:
            IndexFormatError: a file is damaged, or the encoder or analyzer given is not the index's.
        """
        self.manifest = manifest
        self._segment = segment
        self._files = files
        self.id_rank = open_array(files.id_rank, np.int32, (manifest.passages,))
        self.passages = PassageStore.open(segment.passages, self.id_rank)
        self.encoder = Lazy(partial(self._find_encoder, encoder, encoder_name))
        self.analyzer = Lazy(partial(self._find_analyzer, analyzer))
        self.counts = Lazy(partial(TermCounts.open, segment.counts))
        self.vectors = Lazy(self._open_vectors)
        self.vector_index = Lazy(self._open_vector_index)
        self.weights = {name: Lazy(partial(self._open_weights, name)) for name in manifest.weights}
        self.sparse_indexes: dict[str, Lazy[SparseIndex]] = {
            **{name: Lazy(partial(self._open_sparse_index, name)) for name in manifest.weights},
            "rank-bm25": Lazy(self._make_rank_bm25),
        }
        if encoder is not None and manifest.encoder is not None:
            self.encoder()
        if analyzer is not None:
            self.analyzer()

    def _find_encoder(self, given: Encoder | None, name: str | None) -> Encoder:
        recorded = self._dense_records()[0]
        encoder = given or _load_encoder(name or recorded.name)
        if encoder.fingerprint != recorded.fingerprint:
            raise IndexFormatError(
                f"the index was made with the encoder {recorded.name} ({recorded.fingerprint}), but this is "
                f"{encoder.name} ({encoder.fingerprint}); use the former, or rebuild with dpr-index build"
            )
        return encoder

    def _find_analyzer(self, given: Analyzer | None) -> Analyzer:
        recorded = self.manifest.analyzer
        analyzer = given or analyzer_by_name(recorded.name)
        if AnalyzerRecord(analyzer.name, analyzer.version) != recorded:
            raise IndexFormatError(
                f"the index was made with the analyzer {recorded.name} of version {recorded.version}, but this is "
                f"{analyzer.name} of version {analyzer.version}; install the former, or rebuild with dpr-index build"
            )
        return analyzer

    def _open_vectors(self) -> FloatArray:
        encoder, _ = self._dense_records()
        return open_vectors(self._segment.vectors, self.manifest.passages, encoder.dimension)

    def _open_vector_index(self) -> VectorIndex:
        dense = self._dense_records()[1]
        if dense.kind not in KINDS:
            raise IndexFormatError(
                f"the index has vectors of the kind {dense.kind!r}, but this program knows {', '.join(KINDS)}; "
                "rebuild with dpr-index build"
            )
        return KINDS[dense.kind].open(self.vectors(), self._segment.dense, dense.parameters, self.id_rank)

    def _open_weights(self, name: str) -> FloatArray:
        return open_array(self._files.weights(name), np.float32, (self.manifest.postings,))

    def _open_sparse_index(self, name: str) -> SparseIndex:
        counts = self.counts()
        segment = SparseSegment(counts, self.weights[name](), counts.document_frequencies, self.id_rank)
        return SparseEngine([segment], self.manifest.weights[name].scheme)

    def _make_rank_bm25(self) -> SparseIndex:
        parameters = {**SCHEMES["bm25"].defaults, **self.manifest.weights["bm25"].parameters}
        return RankBM25Engine(self.counts(), **parameters, id_rank=self.id_rank)

    def _dense_records(self) -> tuple[EncoderRecord, DenseRecord]:
        encoder, dense = self.manifest.encoder, self.manifest.dense
        if encoder is None or dense is None:
            raise RequestError("the index has no vectors; rebuild it without --no-dense", "retriever")
        return encoder, dense


def _load_encoder(name: str) -> Encoder:
    from dpr.models.encoders import load_encoder

    return load_encoder(name)
