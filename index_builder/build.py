"""Build an index: from a corpus to a published generation."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict

from dpr.data.intake import UTF8_RULES, ReadRules
from dpr.data.passages import read_examples
from dpr.errors import ConfigError, IndexFormatError
from dpr.search.record import fusion_of_encoder, record_of
from dpr.store.draft import draft_generation
from dpr.store.generation import read_current
from dpr.store.manifest import (
    FORMAT_VERSION,
    EncoderRecord,
    FusionRecord,
    LearnedRecord,
    Manifest,
    Provenance,
    SourceRecord,
)
from dpr.store.windows import DEFAULT_WINDOWS, WindowRule
from dpr.types import Analyzer, Encoder, Progress, no_progress
from dpr.versions import library_versions
from index_builder.chunking import CUT_DOCUMENTS, ChunkOptions, document_tokens
from index_builder.corpus import file_stamp, source_stamp
from index_builder.dense import DenseOptions
from index_builder.encode import EncodeRunner, encode_locally
from index_builder.external import removing_tables
from index_builder.identity import run_identity
from index_builder.learned import LearnedEncoders, learned_records
from index_builder.local_sources import Source
from index_builder.publish import GenerationContext, SegmentReference, publish_generation
from index_builder.recall import PROBES, spread
from index_builder.segment import SegmentPlan, write_segment
from index_builder.sparse import Bm25Options, CountRunner, count_locally
from index_builder.steps import Steps
from index_builder.vectors import PrecomputedVectors
from index_builder.windows import check_windows

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Runners:
    """What encodes passages and what counts their terms."""

    encode: EncodeRunner = encode_locally
    count: CountRunner = count_locally


LOCAL = Runners()
"""This process does both."""


class Dated(TypedDict):
    """Time of a build, and the versions of its libraries."""

    created_utc: str
    versions: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """The options of a build.

    Attributes:
        sources: where the passages come from.
        output: the folder of the index.
        dense: how vectors are searched, and where they come from if not from the encoder.
        bm25: how terms are weighed.
        chunk: how texts are cut; by default documents are, and rows are passages; None, or precomputed vectors:
            nothing is cut.
        windows: how long passages are cut into windows; None, or precomputed vectors: each passage is one vector.
        rules: how sources are read.
        command: the command line, for the record.

    Raises:
        ConfigError: there is no source, or the options contradict each other.
    """

    sources: tuple[Source, ...]
    output: Path
    dense: DenseOptions = field(default_factory=DenseOptions)
    bm25: Bm25Options = field(default_factory=Bm25Options)
    chunk: ChunkOptions | None = CUT_DOCUMENTS
    windows: WindowRule | None = DEFAULT_WINDOWS
    rules: ReadRules = UTF8_RULES
    command: str = ""

    def __post_init__(self) -> None:
        if not self.sources:
            raise ConfigError("there is no source to index; give at least one")
        if self.dense.vectors_file is not None and self.asks_for_windows:
            raise ConfigError(
                "precomputed vectors are one for each passage, so windows cannot be used; leave the windows out"
            )
        if self.dense.vectors_file is not None and self.chunk not in (None, CUT_DOCUMENTS):
            raise ConfigError("precomputed vectors are of passages as they are; leave the cutting of documents out")

    @property
    def asks_for_windows(self) -> bool:
        """Whether the user chose the windows."""
        return self.windows is not None and self.windows is not DEFAULT_WINDOWS

    def check_encoder(self, encoder: Encoder | None) -> None:
        """Refuse options that do not suit the encoder's vectors, and options of vectors without an encoder.

        Raises:
            ConfigError: an option is refused.
            StoreError: the database of the index type cannot be reached.
        """
        if encoder is not None:
            for index_type in self.dense.index_types:
                index_type.check_dimension(encoder.dimension)
                index_type.check_reachable()
            return
        no_vectors = DenseOptions()
        changed = [name for name in asdict(no_vectors) if getattr(self.dense, name) != getattr(no_vectors, name)]
        if changed or self.asks_for_windows:
            name = f"dense {changed[0]}" if changed else "windows"
            raise ConfigError(f"an index without an encoder has no vectors, but {name} is set; leave it out")


def build(
    options: BuildOptions,
    encoder: Encoder | None,
    analyzer: Analyzer,
    progress: Progress = no_progress,
    runners: Runners = LOCAL,
    learned: LearnedEncoders | None = None,
) -> Manifest:
    """Build the next generation of an index, verify it and publish it; return its manifest.

    Without an encoder the index has no vectors; ``learned`` has the model of each learned list. If the build fails, the
    published generation stays as it is.

    Raises:
        InputError: a source or an option cannot be used.
        IndexLockedError: another process is writing the index.
        ModelError: the encoder returned something other than vectors.
        IndexFormatError: the new generation failed its verification.
    """
    options.check_encoder(encoder)
    fusion = fusion_of_encoder(encoder.name) if encoder else None
    questions = _read_questions(options.dense.question_sources, options.rules)
    records = learned_records(learned or {})
    identity = build_identity(options, encoder, analyzer, questions, records)
    precomputed = PrecomputedVectors(options.dense.vectors_file) if options.dense.vectors_file and encoder else None
    windows = options.windows if encoder and not precomputed else None
    chunk = None if precomputed else options.chunk
    if encoder and windows:
        check_windows(windows, encoder)
    fusion_record = record_of(fusion) if fusion else None
    with draft_generation(options.output, identity, removing_tables) as draft:
        if draft.published is not None:
            return draft.published
        _warn_of_fusion(options.output, fusion_record)
        step = Steps(draft)
        plan = SegmentPlan(
            options.sources,
            encoder,
            analyzer,
            dense=options.dense,
            chunk=chunk,
            run=precomputed or runners.encode,
            count=runners.count,
            questions=questions,
            windows=windows,
            rules=options.rules,
            learned=learned or {},
        )
        record, corpus = write_segment(plan, draft, step, progress)
        context = GenerationContext(
            options.bm25.weights_records(),
            EncoderRecord.from_encoder(encoder) if encoder else None,
            provenance_of(options.command, corpus.sources, chunk, encoder),
            encoder,
            analyzer,
            windows,
            fusion_record,
            records,
        )
        return publish_generation(draft, [SegmentReference(record, draft.segment)], context, {}, step, progress)


def build_identity(
    options: BuildOptions,
    encoder: Encoder | None,
    analyzer: Analyzer,
    questions: Sequence[str] = (),
    learned: Mapping[str, LearnedRecord] | None = None,
) -> str:
    """Return what tells builds apart: only one of the same options, files and models continues where another stopped.

    A file is identified by its name, size and time of change. The precision of the encoder does not count.

    Raises:
        DataError: a source cannot be found.
    """
    settings = {name: value for name, value in asdict(options).items() if name not in ("output", "command")}
    vectors_file = options.dense.vectors_file
    identity = {
        "format": FORMAT_VERSION,
        "options": settings,
        "files": [source_stamp(source, options.rules) for source in options.sources],
        "questions": questions,
        "vectors": file_stamp(PrecomputedVectors(vectors_file).path) if vectors_file else None,
        "encoder": [encoder.fingerprint, encoder.dimension] if encoder else None,
        "analyzer": [analyzer.name, analyzer.version],
        **({"learned": {name: asdict(record) for name, record in learned.items()}} if learned else {}),
    }
    return run_identity(identity)


def _warn_of_fusion(root: Path, fusion: FusionRecord | None) -> None:
    """Warn if the published generation has a recorded fusion that the next one will not have."""
    try:
        before = read_current(root).fusion
    except IndexFormatError:  # there is no usable generation
        return
    if before is not None and before != fusion:
        weights = ", ".join(f"{name} {weight:g}" for name, weight in before.weights.items())
        logger.warning(
            "the recorded fusion weights (%s) were fitted to the current generation; a new build does not keep them: "
            "fit them again with dpr tune --save",
            weights,
        )


def _read_questions(sources: Sequence[str], rules: ReadRules) -> list[str]:
    """Return the questions that recall is measured with, evenly spread over the sources."""
    texts = [example.question.text for source in sources for example in read_examples(source, rules)]
    return [texts[number] for number in spread(len(texts), PROBES)] if texts else []


def provenance_of(
    command: str, sources: tuple[SourceRecord, ...], chunk: ChunkOptions | None, encoder: Encoder | None
) -> Provenance:
    """Return the provenance of a generation that is built now."""
    return Provenance(
        command=command,
        sources=sources,
        seconds={},
        chunk_tokens=chunk.tokens if chunk else None,
        overlap_tokens=chunk.overlap if chunk else 0,
        cuts_documents=chunk is not None,
        document_tokens=document_tokens(encoder) if chunk and chunk.tokens is None else None,
        **dated(),
    )


def dated() -> Dated:
    """Return the time, and the versions of Python and of the libraries that shape an index."""
    return {
        "created_utc": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "versions": library_versions(),
    }
