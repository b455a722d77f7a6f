"""A corpus to a published index generation: the order of the steps."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
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
from dpr.store.manifest import FORMAT_VERSION, EncoderRecord, FusionRecord, Manifest, Provenance, SourceRecord
from dpr.store.windows import DEFAULT_WINDOWS, WindowRule
from dpr.types import Analyzer, Encoder, Progress, no_progress
from dpr.versions import library_versions
from index_builder.corpus import ChunkOptions, file_stamp, source_stamp
from index_builder.dense import DenseOptions
from index_builder.encode import EncodeRunner, encode_locally
from index_builder.publish import Making, Member, publish_generation
from index_builder.recall import PROBES, spread
from index_builder.segment import SegmentPlan, write_segment
from index_builder.sparse import Bm25Options
from index_builder.steps import Steps
from index_builder.vectors import GivenVectors
from index_builder.windows import check_windows

logger = logging.getLogger(__name__)


class Dated(TypedDict):
    """When and by which versions something was made."""

    created_utc: str
    versions: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """What to index, and how.

    Attributes:
        sources: where the passages come from.
        output: the folder of the index.
        dense: how vectors are searched, and where they come from if not from the encoder.
        bm25: how terms are weighed.
        chunk: how documents are cut; None: passages are indexed as the sources give them.
        windows: how long passages are encoded; None: each passage is one vector, as it is where vectors are given.
        rules: how sources are read.
        command: what the user called, for the record.

    Raises:
        ConfigError: there is no source, or the options contradict each other.
    """

    sources: tuple[str, ...]
    output: Path
    dense: DenseOptions = field(default_factory=DenseOptions)
    bm25: Bm25Options = field(default_factory=Bm25Options)
    chunk: ChunkOptions | None = None
    windows: WindowRule | None = DEFAULT_WINDOWS
    rules: ReadRules = UTF8_RULES
    command: str = ""

    def __post_init__(self) -> None:
        if not self.sources:
            raise ConfigError("there is no source to index; name at least one")
        if self.dense.vectors_file is not None and self.asks_for_windows:
            raise ConfigError("vectors are given, one for each passage, and windows; leave the windows out")
        if self.dense.vectors_file is not None and self.chunk is not None:
            raise ConfigError("vectors are given, and documents to be cut; give the passages as they were encoded")

    @property
    def asks_for_windows(self) -> bool:
        """Whether windows were chosen, and are not merely the default."""
        return self.windows is not None and self.windows is not DEFAULT_WINDOWS

    def check_encoder(self, encoder: Encoder | None) -> None:
        """Refuse what does not suit an encoder's vectors, or says something of vectors where there will be none.

        Raises:
            ConfigError: an option does.
        """
        if encoder is not None:
            for kind in self.dense.kinds:
                kind.check_dimension(encoder.dimension)
            return
        no_vectors = DenseOptions()
        chosen = [name for name in asdict(no_vectors) if getattr(self.dense, name) != getattr(no_vectors, name)]
        if chosen or self.asks_for_windows:
            name = f"dense {chosen[0]}" if chosen else "windows"
            raise ConfigError(f"an index without an encoder has no vectors, but {name} is given; leave it out")


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
    options.check_encoder(encoder)
    fusion = fusion_of_encoder(encoder.name) if encoder else None
    questions = _read_questions(options.dense.question_sources, options.rules)
    identity = build_identity(options, encoder, analyzer, questions)
    vectors_file = options.dense.vectors_file
    given = GivenVectors(vectors_file) if vectors_file and encoder else None
    windows = options.windows if encoder and not given else None
    if encoder and windows:
        check_windows(windows, encoder)
    record_of_fusion = record_of(fusion) if fusion else None
    with draft_generation(options.output, identity) as draft:
        if draft.published is not None:
            return draft.published
        _warn_of_fusion(options.output, record_of_fusion)
        step = Steps(draft)
        plan = SegmentPlan(
            options.sources,
            encoder,
            analyzer,
            dense=options.dense,
            chunk=options.chunk,
            run=given or run,
            questions=questions,
            windows=windows,
            rules=options.rules,
        )
        record, corpus = write_segment(plan, draft, step, progress)
        making = Making(
            options.bm25.weights_records(),
            EncoderRecord.from_encoder(encoder) if encoder else None,
            provenance_of(options.command, corpus.sources, options.chunk),
            encoder,
            analyzer,
            windows,
            record_of_fusion,
        )
        return publish_generation(draft, [Member(record, draft.segment)], making, {}, step, progress)


def build_identity(
    options: BuildOptions, encoder: Encoder | None, analyzer: Analyzer, questions: Sequence[str] = ()
) -> str:
    """Return what tells builds apart: only one of the same options, files and models goes on where another stopped.

    A file is told by its name, size and time of change. The arithmetic of the encoder is no difference.

    Raises:
        DataError: a source cannot be found.
    """
    chosen = {name: value for name, value in asdict(options).items() if name not in ("output", "command")}
    vectors_file = options.dense.vectors_file
    parts = {
        "format": FORMAT_VERSION,
        "options": chosen,
        "files": [source_stamp(source) for source in options.sources],
        "questions": questions,
        "vectors": file_stamp(GivenVectors(vectors_file).path) if vectors_file else None,
        "encoder": [encoder.fingerprint, encoder.dimension] if encoder else None,
        "analyzer": [analyzer.name, analyzer.version],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _warn_of_fusion(root: Path, fusion: FusionRecord | None) -> None:
    """Warn where the published generation fuses by weights on record that the next one will not have."""
    try:
        before = read_current(root).fusion
    except IndexFormatError:  # there is none, or none that can be used
        return
    if before is not None and before != fusion:
        weights = ", ".join(f"{name} {weight:g}" for name, weight in before.weights.items())
        logger.warning(
            "the index fuses by weights on record (%s), which were fitted to what it is now; a new build does not take "
            "them over: fit them again with dpr tune --save",
            weights,
        )


def _read_questions(sources: Sequence[str], rules: ReadRules) -> list[str]:
    """Return as many questions of the sources as recall is measured by, evenly spread over them."""
    texts = [example.question.text for source in sources for example in read_examples(source, rules)]
    return [texts[place] for place in spread(len(texts), PROBES)] if texts else []


def provenance_of(command: str, sources: tuple[SourceRecord, ...], chunk: ChunkOptions | None) -> Provenance:
    """Return how a generation is being made, here and now."""
    return Provenance(
        command=command,
        sources=sources,
        seconds={},
        chunk_tokens=chunk.tokens if chunk else None,
        overlap_tokens=chunk.overlap if chunk else 0,
        **dated(),
    )


def dated() -> Dated:
    """Return the time, and the versions of Python and of the libraries that shape an index."""
    return {
        "created_utc": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "versions": library_versions(),
    }
