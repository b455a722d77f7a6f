"""An index directory to ready retrievers, by name, each made when it is first asked for."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from dpr.config import AUTO_COMPUTE, ComputeOptions
from dpr.errors import IndexFormatError, RequestError
from dpr.search.contract import Reranker, Retriever
from dpr.search.fusion import Fusion
from dpr.search.lazy import Lazy
from dpr.search.record import DEFAULT_FUSION, fusion_of
from dpr.search.registry import RERANKED, RETRIEVERS, Opening, choices, fuses, plain_name
from dpr.search.reranking import Reranked, RerankOptions
from dpr.search.resources import IndexParts, load_recorded
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
    """Open the published generation of an index: files are checked and mapped, models wait until they are needed.

    Args:
        path: the index.
        encoder: encodes the questions; or the directory or hub name to load it from, when dense retrieval is first
            asked for; None: the name that the index recorded.
        analyzer: makes the questions' terms; without one, it is the one whose name the index recorded.
        compute: how models that are loaded compute, the reranker where its options do not say.
        rerank: what reranks the hits of retrievers whose name ends in ``+rerank``.
        verify: how far the files are checked.

    Raises:
        IndexFormatError: there is no index, a file is absent, damaged or of another format version, or the encoder
            or the analyzer is not the one that the index was made with.
    """
    layout = IndexLayout(Path(path))
    manifest = read_current(layout.root)
    check_files(layout.root, manifest.files, verify)
    segments = [layout.segment(record.id) for record in manifest.segments]
    files = layout.generation(manifest.generation)
    name, loaded = (str(encoder), None) if isinstance(encoder, str | Path) else (None, encoder)
    load = partial(load_recorded, name=name, compute=compute)
    parts = IndexParts(manifest, segments, files, loaded, load, analyzer)
    return OpenIndex(parts, rerank.computed_as(compute) if rerank else None)


class OpenIndex:
    """One generation of an index, opened; any number of threads may ask it for retrievers.

    Attributes:
        names: the retrievers that it has.
        fusion: how ``hybrid`` fuses where it is not told: as the index has on record, else by `DEFAULT_FUSION`.
        rerank: what reranks the hits of retrievers whose name ends in ``+rerank``; None: nothing.
        reranker: that model, loaded when it is first needed; generations of the same options may share it.
    """

    def __init__(self, parts: IndexParts, rerank: RerankOptions | None = None) -> None:
        """Serve the retrievers that the parts are enough for.

        Raises:
            IndexFormatError: the fusion on record is none that this program knows.
        """
        self.parts = parts
        self.rerank = rerank
        self.fusion = _recorded_fusion(parts.manifest)
        self.names = tuple(name for name, entry in RETRIEVERS.items() if not entry.absence(parts))
        self._retrievers = {name: Lazy(partial(self._open, name, self.fusion)) for name in self.names}
        self.reranker: Lazy[Reranker] | None = Lazy(rerank.load) if rerank else None

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

    def open_files(self) -> None:
        """Open every file that retrievers read; from there on they may be renamed or removed.

        Raises:
            IndexFormatError: a file is absent or damaged.
        """
        self.parts.open_files()

    def retriever(self, name: str, fusion: Fusion | None = None) -> Retriever:
        """Return a retriever by its name, one of ``names``, with ``+rerank`` where its hits are to be reranked.

        ``fusion`` replaces the default one of a retriever that fuses.

        Raises:
            RequestError: the index has no such retriever or no reranker, or a fusion is given for a retriever of one
                list.
            IndexFormatError: the encoder or the analyzer at hand is not the one that the index was made with.
            ModelError: the encoder or the reranker cannot be loaded.
        """
        if name.endswith(RERANKED):
            return self._reranked(plain_name(name), fusion)
        if name not in self.names:
            raise RequestError(self._absence(name), "retriever")
        if fusion is None:
            return self._retrievers[name]()
        if not fuses(name):
            fusing = choices(filter(fuses, RETRIEVERS))
            raise RequestError(f"the retriever {name!r} fuses nothing; leave the fusion out, or ask {fusing}", "fusion")
        return self._open(name, fusion)

    def _reranked(self, name: str, fusion: Fusion | None) -> Retriever:
        if self.rerank is None or self.reranker is None:
            raise RequestError(
                f"there is no reranker for the hits of {name!r}; name one with --rerank or DPR_RERANK, or ask {name}",
                "rerank",
            )
        return Reranked(self.retriever(name, fusion), self.reranker(), self.passages.get, self.rerank.depth)

    def _open(self, name: str, fusion: Fusion) -> Retriever:
        return RETRIEVERS[name].open(Opening(self.parts, self.retriever, fusion))

    def _absence(self, name: str) -> str:
        choices = ", ".join(self.names)
        if name not in RETRIEVERS:
            return f"unknown retriever {name!r}; choose from {choices}"
        return f"{RETRIEVERS[name].absence(self.parts)}, or choose from {choices}"


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
