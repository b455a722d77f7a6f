"""An index directory to ready retrievers, by name, each made when it is first asked for."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from dpr.config import AUTO_COMPUTE, ComputeOptions
from dpr.errors import IndexFormatError, RequestError
from dpr.search.fusion import Fusion
from dpr.search.lazy import Lazy
from dpr.search.record import DEFAULT_FUSION, HYBRID_LISTS, fusion_of
from dpr.search.resources import IndexParts, load_recorded
from dpr.search.retrievers import DenseRetriever, HybridRetriever, SparseRetriever
from dpr.store.generation import read_current
from dpr.store.layout import IndexLayout
from dpr.store.manifest import Manifest, check_sizes
from dpr.store.passages import PassageStore
from dpr.types import Analyzer, Encoder, Retriever


def open_index(
    path: Path | str,
    encoder: Encoder | None = None,
    encoder_name: str | None = None,
    analyzer: Analyzer | None = None,
    compute: ComputeOptions = AUTO_COMPUTE,
) -> OpenIndex:
    """Open the published generation of an index in milliseconds: files are mapped, models wait until they are needed.

    Args:
        path: the index.
        encoder: encodes the questions; without one, it is loaded when dense retrieval is first asked for.
        encoder_name: directory or hub name to load it from, where that is not the name that the index recorded.
        analyzer: makes the questions' terms; without one, it is the one whose name the index recorded.
        compute: how an encoder that is loaded computes.

    Raises:
        IndexFormatError: there is no index, a file is absent, damaged or of another format version, or the encoder
            or the analyzer is not the one that the index was made with.
    """
    layout = IndexLayout(Path(path))
    manifest = read_current(layout.root)
    check_sizes(layout.root, manifest.files)
    segments = [layout.segment(record.id) for record in manifest.segments]
    files = layout.generation(manifest.generation)
    load = partial(load_recorded, name=encoder_name, compute=compute)
    return OpenIndex(IndexParts(manifest, segments, files, encoder, load, analyzer))


class OpenIndex:
    """One generation of an index, opened; any number of threads may ask it for retrievers.

    Attributes:
        names: the retrievers that it has.
        fusion: how ``hybrid`` fuses where it is not told: as the index has on record, else by `DEFAULT_FUSION`.
    """

    def __init__(self, parts: IndexParts) -> None:
        """Serve the retrievers that the parts are enough for.

        Raises:
            IndexFormatError: the fusion on record is none that this program knows.
        """
        self.parts = parts
        has_vectors = parts.manifest.encoder is not None
        self._sources: dict[str, Lazy[DenseRetriever | SparseRetriever]] = {
            **({"dense": Lazy(self._dense)} if has_vectors else {}),
            **{name: Lazy(partial(self._sparse, name)) for name in parts.sparse_indexes},
        }
        self.fusion = _recorded_fusion(parts.manifest)
        self._hybrid = Lazy(partial(self._fused, self.fusion))
        self.names = (*self._sources, "hybrid") if has_vectors else tuple(self._sources)

    @property
    def manifest(self) -> Manifest:
        """What the generation holds, and how it was made."""
        return self.parts.manifest

    @property
    def generation(self) -> str:
        """The generation's name: ``000001``."""
        return self.manifest.name

    @property
    def passages(self) -> PassageStore:
        """The passages, by row."""
        return self.parts.passages

    def retriever(self, name: str, fusion: Fusion | None = None) -> Retriever:
        """Return a retriever by its name, one of ``names``; ``fusion`` replaces the default one of ``hybrid``.

        Raises:
            RequestError: the index has no such retriever, or a fusion is given for another one than ``hybrid``.
            IndexFormatError: the encoder or the analyzer at hand is not the one that the index was made with.
            ModelError: the encoder cannot be loaded.
        """
        if name not in self.names:
            raise RequestError(self._absence(name), "retriever")
        if name == "hybrid":
            return self._hybrid() if fusion is None else self._fused(fusion)
        if fusion is not None:
            raise RequestError(f"the retriever {name!r} fuses nothing; leave the fusion out, or ask hybrid", "fusion")
        return self._sources[name]()

    def _dense(self) -> DenseRetriever:
        return DenseRetriever(self.parts.encoder(), self.parts.vector_index(), self.passages.id)

    def _sparse(self, name: str) -> SparseRetriever:
        return SparseRetriever(name, self.parts.analyzer(), self.parts.sparse_indexes[name](), self.passages.id)

    def _fused(self, fusion: Fusion) -> HybridRetriever:
        return HybridRetriever({name: self._sources[name]() for name in HYBRID_LISTS}, fusion)

    def _absence(self, name: str) -> str:
        known = ", ".join(self.names)
        if name == "rank-bm25":
            return "the retriever 'rank-bm25' knows one segment without deletions; run dpr-index compact, or ask bm25"
        if name in ("dense", "hybrid"):
            return f"this index has no vectors for the retriever {name!r}; choose from {known}, or build it with them"
        return f"unknown retriever {name!r}; choose from {known}"


def _recorded_fusion(manifest: Manifest) -> Fusion:
    if manifest.fusion is None:
        return DEFAULT_FUSION
    try:
        return fusion_of(manifest.fusion)
    except RequestError as error:
        raise IndexFormatError(
            f"the index has a fusion on record that this program cannot use ({error}); rebuild with dpr-index build, "
            "or use the program that wrote it"
        ) from None
