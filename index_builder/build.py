"""A corpus to a published index generation: the order of the steps."""

from __future__ import annotations

import hashlib
import json
import logging
import platform
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TypedDict

from dpr.data.intake import UTF8_RULES, ReadRules
from dpr.data.passages import read_examples
from dpr.errors import ConfigError, IndexFormatError
from dpr.search.record import fusion_of_encoder, record_of
from dpr.store.generation import draft_generation, read_current
from dpr.store.manifest import FORMAT_VERSION, EncoderRecord, FusionRecord, Manifest, Provenance, SourceRecord
from dpr.store.windows import DEFAULT_WINDOWS, WindowRule
from dpr.types import Analyzer, Encoder, Progress, no_progress
from index_builder.corpus import file_stamp, source_stamp
from index_builder.dense import EXACT_KIND, check_dense
from index_builder.encode import EncodeRunner, encode_locally
from index_builder.publish import Making, Member, publish_generation
from index_builder.recall import PROBES, spread
from index_builder.segment import SegmentPlan, write_segment
from index_builder.sparse import check_bm25, weights_records
from index_builder.steps import Steps
from index_builder.vectors import GivenVectors
from index_builder.windows import check_windows

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

logger = logging.getLogger(__name__)


class Dated(TypedDict):
    """When and by which versions something was made."""

    created_utc: str
    versions: dict[str, str]


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """What to index, and how; without ``chunk_tokens``, passages are indexed as the sources give them.

    ``vectors`` are those of the passages, where they were made elsewhere: see `GivenVectors`. The ``target_recall`` is
    measured by passages and by the questions of the sources ``questions``. Long passages are encoded in ``windows``;
    None: each passage is one vector, as it is where ``vectors`` are given. Sources are read by the ``rules``.
    """

    sources: tuple[str, ...]
    output: Path
    dense_kind: str = EXACT_KIND
    dense_parameters: Mapping[str, int] = field(default_factory=dict)
    target_recall: float | None = None
    questions: tuple[str, ...] = ()
    vectors: str | None = None
    bm25_variant: str = "lucene"
    k1: float = 1.2
    b: float = 0.75
    chunk_tokens: int | None = None
    overlap_tokens: int = 0
    windows: WindowRule | None = DEFAULT_WINDOWS
    command: str = ""
    rules: ReadRules = UTF8_RULES

    def __post_init__(self) -> None:
        if not self.sources:
            raise ConfigError("there is no source to index; name at least one")
        check_dense(self.dense_kind, self.dense_parameters, self.target_recall)
        if self.questions and self.target_recall is None:
            raise ConfigError(
                "questions are given, but no recall that a search is to reach by them; give target_recall"
            )
        check_bm25(self.bm25_variant, self.k1, self.b)
        if self.chunk_tokens is None and self.overlap_tokens:
            raise ConfigError(f"overlap_tokens is {self.overlap_tokens}, but nothing is cut; give chunk_tokens too")
        if self.vectors is not None and self.asks_for_windows:
            raise ConfigError("vectors are given, one for each passage, and windows; leave the windows out")
        if self.chunk_tokens is not None and self.vectors is not None:
            raise ConfigError("vectors are given, and documents to be cut; give the passages as they were encoded")
        if self.chunk_tokens is not None and not 0 <= self.overlap_tokens < self.chunk_tokens:
            raise ConfigError(
                f"overlap_tokens is {self.overlap_tokens}; choose 0 or more, and fewer than the {self.chunk_tokens} "
                "tokens of a passage"
            )

    @property
    def asks_for_windows(self) -> bool:
        """Whether windows were chosen, and are not merely the default."""
        return self.windows is not None and self.windows is not DEFAULT_WINDOWS

    def check_without_encoder(self) -> None:
        """Refuse what says something of vectors, for an index that has none.

        Raises:
            ConfigError: an option does.
        """
        is_dense = {
            "vectors": self.vectors is not None,
            "windows": self.asks_for_windows,
            "dense_kind": self.dense_kind != EXACT_KIND,
            "dense_parameters": bool(self.dense_parameters),
            "target_recall": self.target_recall is not None,
        }
        if chosen := [name for name, is_chosen in is_dense.items() if is_chosen]:
            raise ConfigError(f"an index without an encoder has no vectors, but {chosen[0]} is given; leave it out")


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
    if encoder is None:
        options.check_without_encoder()
    fusion = fusion_of_encoder(encoder.name) if encoder else None
    questions = _read_questions(options.questions, options.rules)
    identity = build_identity(options, encoder, analyzer, questions)
    given = GivenVectors(options.vectors) if options.vectors and encoder else None
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
            options.dense_kind,
            options.dense_parameters,
            options.chunk_tokens,
            options.overlap_tokens,
            given or run,
            target_recall=options.target_recall,
            questions=questions,
            windows=windows,
            rules=options.rules,
        )
        record, corpus = write_segment(plan, draft, step, progress)
        making = Making(
            weights_records(options.bm25_variant, options.k1, options.b),
            EncoderRecord.of(encoder) if encoder else None,
            provenance_of(options.command, corpus.sources, options.chunk_tokens, options.overlap_tokens),
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
    parts = {
        "format": FORMAT_VERSION,
        "options": chosen,
        "files": [source_stamp(source) for source in options.sources],
        "questions": questions,
        "vectors": file_stamp(GivenVectors(options.vectors).path) if options.vectors else None,
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


def provenance_of(
    command: str, sources: tuple[SourceRecord, ...], chunk_tokens: int | None = None, overlap_tokens: int = 0
) -> Provenance:
    """Return how a generation is being made, here and now."""
    return Provenance(
        command=command,
        sources=sources,
        seconds={},
        chunk_tokens=chunk_tokens,
        overlap_tokens=overlap_tokens,
        **dated(),
    )


def dated() -> Dated:
    """Return the time, and the versions of Python and of the libraries that shape an index."""
    return {
        "created_utc": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "versions": {"python": platform.python_version(), **_library_versions()},
    }


def _library_versions() -> dict[str, str]:
    installed = {}
    for name in RECORDED_LIBRARIES:
        with suppress(metadata.PackageNotFoundError):
            installed[name] = metadata.version(name)
    return installed
