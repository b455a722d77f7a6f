"""A corpus to a published index generation: the order of the steps."""

from __future__ import annotations

import hashlib
import json
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from dpr.errors import ConfigError, IndexFormatError
from dpr.search.parts import IndexParts
from dpr.store.arrays import open_vectors, save_array
from dpr.store.generation import GenerationDraft, draft_generation
from dpr.store.manifest import (
    FORMAT_VERSION,
    AnalyzerRecord,
    DenseRecord,
    EncoderRecord,
    Manifest,
    Provenance,
    SegmentRecord,
    SourceRecord,
    WeightsRecord,
)
from dpr.store.passages import PassageStore
from dpr.store.records import decode
from dpr.types import Analyzer, Encoder, Progress, no_progress
from index_builder.corpus import Chunking, source_stamp, token_counter, write_corpus
from index_builder.dense import EXACT_KIND, build_dense, check_dense
from index_builder.encode import EncodeRunner, encode_locally, write_vectors
from index_builder.sparse import check_bm25, count_terms, write_weights
from index_builder.verify import verify_parts

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Result = TypeVar("Result", bound="DataclassInstance")

RECORDED_LIBRARIES = (
    "dense-passage-retrieval",
    "faiss-cpu",
    "kiwipiepy",
    "numpy",
    "pyarrow",
    "PyStemmer",
    "torch",
    "transformers",
)


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """What to index, and how; without ``chunk_tokens``, passages are indexed as the sources give them."""

    sources: tuple[str, ...]
    output: Path
    dense_kind: str = EXACT_KIND
    dense_parameters: Mapping[str, int] = field(default_factory=dict)
    bm25_variant: str = "okapi"
    k1: float = 1.2
    b: float = 0.75
    chunk_tokens: int | None = None
    overlap_tokens: int = 0
    command: str = ""

    def __post_init__(self) -> None:
        if not self.sources:
            raise ConfigError("there is no source to index; name at least one")
        check_dense(self.dense_kind, self.dense_parameters)
        check_bm25(self.bm25_variant, self.k1, self.b)
        if self.chunk_tokens is None and self.overlap_tokens:
            raise ConfigError(f"overlap_tokens is {self.overlap_tokens}, but nothing is cut; give chunk_tokens too")
        if self.chunk_tokens is not None and not 0 <= self.overlap_tokens < self.chunk_tokens:
            raise ConfigError(
                f"overlap_tokens is {self.overlap_tokens}; choose 0 or more, and fewer than the {self.chunk_tokens} "
                "tokens of a passage"
            )


def build(
    options: BuildOptions,
    encoder: Encoder | None,
    analyzer: Analyzer,
    progress: Progress = no_progress,
    run: EncodeRunner = encode_locally,
) -> Manifest:
    """Build the next generation of an index, verify it and publish it; return its manifest.

    Without an encoder the index is sparse only. Whatever goes wrong, the generation published before stays as it is.

    Raises:
        InputError: a source or an option cannot be used.
        IndexLockedError: another process is writing the index.
        ModelError: the encoder gave something that is no vector.
        IndexFormatError: what was built failed its verification.
    """
    identity = build_identity(options, encoder, analyzer)
    with draft_generation(options.output, identity) as draft:
        if draft.published is not None:
            return draft.published
        step = _Steps(draft)
        sources = step("corpus", _Sources, lambda: _write_corpus(options, encoder, draft, progress)).sources
        passages = PassageStore.open(draft.segment.passages)
        with step.timed("terms"):
            counts = count_terms(passages, analyzer, draft, progress)
        weights = step(
            "weights",
            _Weights,
            lambda: _Weights(write_weights(counts, options.bm25_variant, options.k1, options.b, draft.files, progress)),
        ).weights
        dense = _build_vectors(options, draft, passages, encoder, run, step, progress)
        with step.timed("seal"):
            files = draft.seal(progress)
        manifest = Manifest(
            format_version=FORMAT_VERSION,
            generation=draft.number,
            passages=len(passages),
            terms=len(counts.vocabulary),
            postings=len(counts.rows),
            segments=(SegmentRecord(draft.segment_id, len(passages)),),
            encoder=EncoderRecord(encoder.name, encoder.fingerprint, encoder.dimension) if encoder else None,
            dense=dense,
            analyzer=AnalyzerRecord(analyzer.name, analyzer.version),
            weights=weights,
            files=files,
            provenance=_provenance(options, sources),
        )
        with step.timed("verify"):
            _verify(IndexParts(manifest, draft.segment, draft.files, encoder, analyzer=analyzer), draft, progress)
        manifest = replace(manifest, provenance=replace(manifest.provenance, seconds=step.seconds))
        draft.publish(manifest)
    return manifest


def build_identity(options: BuildOptions, encoder: Encoder | None, analyzer: Analyzer) -> str:
    """Return what tells builds apart: only one of the same options, files and models goes on where another stopped.

    A file is told by its name, size and time of change. The arithmetic of the encoder is no difference.

    Raises:
        DataError: a source cannot be found.
    """
    chosen = {name: value for name, value in asdict(options).items() if name not in ("output", "command")}
    parts = {
        "format": FORMAT_VERSION,
        "options": chosen,
        "files": [source_stamp(source) for source in options.sources],
        "encoder": [encoder.fingerprint, encoder.dimension] if encoder else None,
        "analyzer": [analyzer.name, analyzer.version],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Sources:
    """What reading the corpus gave."""

    sources: tuple[SourceRecord, ...]


@dataclass(frozen=True, slots=True)
class _Weights:
    """What weighing the postings gave."""

    weights: Mapping[str, WeightsRecord]


def _write_corpus(
    options: BuildOptions, encoder: Encoder | None, draft: GenerationDraft, progress: Progress
) -> _Sources:
    sources = write_corpus(options.sources, draft.segment.passages, _chunking(options, encoder), progress)
    save_array(draft.files.id_rank, PassageStore.open(draft.segment.passages).rank_ids())
    return _Sources(sources)


def _verify(parts: IndexParts, draft: GenerationDraft, progress: Progress) -> None:
    try:
        verify_parts(parts, progress)
    except IndexFormatError:
        draft.discard()  # which piece is wrong is not known: none of them is gone on with
        raise


def _chunking(options: BuildOptions, encoder: Encoder | None) -> Chunking | None:
    if options.chunk_tokens is None:
        return None
    return Chunking(options.chunk_tokens, options.overlap_tokens, token_counter(encoder))


def _build_vectors(
    options: BuildOptions,
    draft: GenerationDraft,
    passages: PassageStore,
    encoder: Encoder | None,
    run: EncodeRunner,
    step: _Steps,
    progress: Progress,
) -> DenseRecord | None:
    if encoder is None:
        return None
    with step.timed("encode"):
        write_vectors(passages, encoder, draft, run, progress)
    vectors = open_vectors(draft.segment.vectors, len(passages), encoder.dimension)
    return step(
        "dense",
        DenseRecord,
        lambda: build_dense(options.dense_kind, options.dense_parameters, vectors, draft.segment.dense, progress),
    )


class _Steps:
    """Does each step of a build unless it was finished before, and measures its wall time in seconds."""

    def __init__(self, draft: GenerationDraft) -> None:
        self.seconds: dict[str, float] = {}
        self._draft = draft

    def __call__(self, name: str, kind: type[Result], work: Callable[[], Result]) -> Result:
        """Return what a step gave, a dataclass of the given kind; its files are on the disk then."""
        draft = self._draft
        if name not in draft.journal:
            with self.timed(name):
                gave = asdict(work())
            draft.finish(name, {"gave": gave, "seconds": self.seconds[name]}, draft.segment.folder, draft.files.folder)
        self.seconds[name] = draft.journal[name]["seconds"]
        return decode(kind, draft.journal[name]["gave"])

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Measure a step that keeps its own account of what is finished."""
        started = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - started, 3)


def _provenance(options: BuildOptions, sources: tuple[SourceRecord, ...]) -> Provenance:
    return Provenance(
        command=options.command,
        created_utc=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        versions={"python": platform.python_version(), **_library_versions()},
        sources=sources,
        seconds={},
        chunk_tokens=options.chunk_tokens,
        overlap_tokens=options.overlap_tokens,
    )


def _library_versions() -> dict[str, str]:
    installed = {}
    for name in RECORDED_LIBRARIES:
        with suppress(metadata.PackageNotFoundError):
            installed[name] = metadata.version(name)
    return installed
