"""Open an index; its retrievers are created by name at their first use."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from dpr.config import AUTO_COMPUTE, ComputeOptions
from dpr.errors import IndexFormatError, RequestError
from dpr.filters import Filter
from dpr.search.contract import Reranker, Retriever
from dpr.search.filtered import Filtered
from dpr.search.fusion import Fusion
from dpr.search.lazy import Lazy, weakly
from dpr.search.record import DEFAULT_FUSION, fusion_of
from dpr.search.registry import RERANKED, RETRIEVERS, Opening, choices, fused_lists, fuses, plain_name
from dpr.search.reranking import Reranked, RerankOptions
from dpr.search.resources import IndexResources, load_recorded
from dpr.search.retrievers import HybridRetriever
from dpr.store.generation import read_current
from dpr.store.integrity import VerifyLevel, check_files
from dpr.store.layout import IndexLayout
from dpr.store.manifest import Manifest
from dpr.store.passages import PassageStore
from dpr.types import Analyzer, Encoder


def open_index(
    path: Path | str,
    encoder: Encoder | str | Path | None = None,
    analyzer: Analyzer | None = None,
    compute: ComputeOptions = AUTO_COMPUTE,
    rerank: RerankOptions | None = None,
    verify: VerifyLevel = "quick",
) -> OpenIndex:
    """Open the published generation of an index: files are checked and mapped, models are loaded at first use.

    Args:
        path: the index.
        encoder: encodes the questions; or its directory or hub name, loaded at the first use of dense retrieval; None:
            the recorded name.
        analyzer: analyzes the questions; None: the recorded analyzer.
        compute: precision and backend of the loaded models, also of a reranker whose options are ``auto``.
        rerank: the reranker for retrievers whose name ends in ``+rerank``.
        verify: how thoroughly the files are checked.

    Raises:
        IndexFormatError: there is no index, a file is absent, damaged or of another format version, or the encoder
            or the analyzer is not the index's.
    """
    layout = IndexLayout(Path(path))
    manifest = read_current(layout.root)
    check_files(layout.root, manifest.files, verify)
    segments = [layout.segment(record.id) for record in manifest.segments]
    files = layout.generation(manifest.generation)
    name, loaded = (str(encoder), None) if isinstance(encoder, str | Path) else (None, encoder)
    load = partial(load_recorded, name=name, compute=compute)
    resources = IndexResources(manifest, segments, files, loaded, load, analyzer)
    resources.compute_as(compute)
    return OpenIndex(resources, rerank.computed_as(compute) if rerank else None)


class OpenIndex:
    """An open generation of an index, safe for use by many threads.

    Attributes:
        names: the names of its retrievers.
        fusion: the default fusion of ``hybrid``: the recorded one, else `DEFAULT_FUSION`.
        filtered: the passages that filters keep.
        rerank: the reranker for retrievers whose name ends in ``+rerank``; None: no reranking.
        reranker: the model, loaded at its first use; generations with the same options may share it.
    """

    def __init__(self, resources: IndexResources, rerank: RerankOptions | None = None) -> None:
        """Serve the retrievers that these resources suffice for.

        Raises:
            IndexFormatError: this program does not know the recorded fusion.
        """
        self.resources = resources
        self.rerank = rerank
        self.fusion = _recorded_fusion(resources.manifest)
        self.filtered = Filtered(resources)
        self.names = tuple(name for name, entry in RETRIEVERS.items() if not entry.absence(resources))
        self._retrievers = {name: Lazy(weakly(self._open, name, self.fusion)) for name in self.names}
        self.reranker: Lazy[Reranker] | None = Lazy(rerank.load) if rerank else None

    @property
    def manifest(self) -> Manifest:
        """The manifest of the generation."""
        return self.resources.manifest

    @property
    def generation(self) -> str:
        """The generation's name: ``000001``."""
        return self.manifest.name

    @property
    def passages(self) -> PassageStore:
        """The passages, by row."""
        return self.resources.passages

    def analyzer(self) -> Analyzer:
        """Return the analyzer of questions, loaded.

        Raises:
            IndexFormatError: the analyzer is not the index's.
        """
        return self.resources.analyzer()

    def encoder_name(self) -> str:
        """Return the directory or hub name that the encoder is loaded from; it is loaded for that.

        Raises:
            IndexFormatError: the encoder is not the index's.
            ModelError: the encoder cannot be loaded.
            RequestError: the index has no vectors.
        """
        return self.resources.encoder().name

    def open_files(self) -> None:
        """Open every file that retrievers read; from there on they may be renamed or removed.

        Raises:
            IndexFormatError: a file is absent or damaged.
        """
        self.resources.open_files()

    def retriever(self, name: str, fusion: Fusion | None = None, filter: Filter | None = None) -> Retriever:
        """Return a retriever by its name, one of ``names``, ``NAME+NAME`` for a fusion of lists, or ``NAME+rerank``.

        ``fusion`` replaces the default one of a retriever that fuses: for ``hybrid`` that of the index, for other lists
        z-scores of equal weight. With a ``filter``, it searches the passages that the filter keeps.

        Raises:
            RequestError: the index has no such retriever or no reranker, or the retriever does not fuse lists; or the
                filter does not suit the fields of the index.
            IndexFormatError: the encoder or the analyzer is not the index's.
            ModelError: the encoder or the reranker cannot be loaded.
        """
        if name.endswith(RERANKED):
            return self._reranked(plain_name(name), fusion, filter)
        if name not in RETRIEVERS and len(fused_lists(name)) > 1:
            return self._fused(name, fusion, filter)
        if name not in self.names:
            raise RequestError(self._absence(name), "retriever")
        if fusion is None and filter is None:
            return self._retrievers[name]()
        if fusion is not None and not fuses(name):
            fusing = choices([*(retriever for retriever in self.names if fuses(retriever)), "lists such as bm25+tfidf"])
            raise RequestError(
                f"the retriever {name!r} fuses no lists; leave the fusion out, or use {fusing}", "fusion"
            )
        return self._open(name, fusion or self.fusion, filter)

    def _reranked(self, name: str, fusion: Fusion | None, filter: Filter | None) -> Retriever:
        if self.rerank is None or self.reranker is None:
            raise RequestError(
                f"there is no reranker for the hits of {name!r}; set one with --rerank or DPR_RERANK, or use {name}",
                "rerank",
            )
        return Reranked(self.retriever(name, fusion, filter), self.reranker(), self.passages.get, self.rerank.depth)

    def _fused(self, name: str, fusion: Fusion | None, filter: Filter | None) -> Retriever:
        lists = fused_lists(name)
        wrong = next((source for source in lists if fuses(source)), "")
        if len(set(lists)) < len(lists) or wrong:
            cause = "names a list twice" if len(set(lists)) < len(lists) else f"fuses {wrong}, which is a fusion itself"
            raise RequestError(f"the retriever {name!r} {cause}; name different lists, such as bm25+dense", "retriever")
        sources = {source: self.retriever(source, filter=filter) for source in lists}
        return HybridRetriever(sources, self.passages.id, fusion or Fusion(), name=name)

    def _open(self, name: str, fusion: Fusion, filter: Filter | None = None) -> Retriever:
        resources = self.resources if filter is None else self.filtered.resources(filter)
        return RETRIEVERS[name].open(Opening(resources, partial(self.retriever, filter=filter), fusion))

    def _absence(self, name: str) -> str:
        choices = ", ".join(self.names)
        if name not in RETRIEVERS:
            return f"unknown retriever {name!r}; choose from {choices}"
        return f"{RETRIEVERS[name].absence(self.resources)}, or choose from {choices}"


def _recorded_fusion(manifest: Manifest) -> Fusion:
    if manifest.fusion is None:
        return DEFAULT_FUSION
    try:
        return fusion_of(manifest.fusion)
    except RequestError as error:
        raise IndexFormatError(
            f"this program cannot use the recorded fusion of the index ({error}); rebuild with dpr-index build, "
            "or use the program that wrote it"
        ) from None
