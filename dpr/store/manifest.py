"""The manifest of a generation: its content, the encoder and analyzer that questions need, and its provenance."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dpr.errors import IndexFormatError
from dpr.measured import MeasuresPassages
from dpr.store.field_types import merged_types
from dpr.store.layout import generation_name
from dpr.store.records import RecordError, decode
from dpr.store.shard import ShardRecord as ShardRecord
from dpr.store.source_record import SourceRecord as SourceRecord
from dpr.store.windows import WindowRule
from dpr.types import Encoder, EncoderOptions

FORMAT_VERSION = 7
"""Raised whenever an older program would read a newer index wrongly, or when encoders get texts in another form.

Version 7 has the fields of passages.
"""

READABLE_VERSIONS = (6, FORMAT_VERSION)
"""The versions that this program reads: one of version 6 is an index without fields."""

_HASH = "sha256"


@dataclass(frozen=True, slots=True)
class FileRecord:
    """Size and SHA-256 of a file, as published."""

    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class EncoderRecord:
    """The encoder that made the vectors, with its prompts; the same encoder must encode the questions.

    ``passage_tokens`` is the number of tokens of a passage that it reads; None if the encoder does not say.
    """

    name: str
    fingerprint: str
    dimension: int
    question_prompt: str = ""
    passage_prompt: str = ""
    passage_tokens: int | None = None

    @classmethod
    def from_encoder(cls, encoder: Encoder) -> EncoderRecord:
        """Return the record of an encoder."""
        tokens = encoder.passage_tokens if isinstance(encoder, MeasuresPassages) else None
        prompts = encoder.question_prompt, encoder.passage_prompt
        return cls(encoder.name, encoder.fingerprint, encoder.dimension, *prompts, tokens)

    @property
    def options(self) -> EncoderOptions:
        """The options to load the encoder with, so that it gives the same vectors again."""
        return EncoderOptions(self.question_prompt, self.passage_prompt, self.dimension)


@dataclass(frozen=True, slots=True)
class LearnedRecord:
    """The model of a learned list; the same model must encode the questions.

    ``dimension`` is the size of its vocabulary (SPLADE), or the length of a token's vector (ColBERT).
    """

    name: str
    fingerprint: str
    dimension: int


@dataclass(frozen=True, slots=True)
class LearnedCounts:
    """What a segment holds of a learned list: its entries, and how many passages were longer than the model reads.

    Passages that were deleted since count among the latter.
    """

    entries: int
    cut: int


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """Recall and speed of a vector index at some parameters.

    Recall is the mean share of the exact 10 and 100 nearest vectors that the index finds: for passages and, if the
    build had questions, for questions. ``milliseconds`` is the time of a single search.
    """

    kind: str
    parameters: Mapping[str, int]
    recall_at_10: float
    recall_at_100: float
    milliseconds: float
    question_recall_at_10: float | None = None
    question_recall_at_100: float | None = None


@dataclass(frozen=True, slots=True)
class DenseRecord:
    """The index type (the stored key is ``kind``) and its parameters.

    ``recall`` is None for an exact index type. For an approximate one it is measured at the build: the mean share of
    the exact ten nearest other passages that it finds. ``curve`` holds the measurements that a build with a target
    recall chose from.
    """

    kind: str
    parameters: Mapping[str, int]
    recall: float | None = None
    curve: tuple[CurvePoint, ...] = ()

    @property
    def question_recall(self) -> float | None:
        """Return the recall for questions; None if the build had no questions."""
        for point in self.curve:
            if point.kind == self.kind and point.parameters.items() <= self.parameters.items():
                return point.question_recall_at_10
        return None


@dataclass(frozen=True, slots=True)
class SegmentRecord:
    """A segment; a row of the generation counts through its segments in order, deleted passages included.

    ``passages``, ``terms`` and ``postings`` count the content of its files; ``deleted`` of the passages are deleted in
    this generation. ``dense`` is None without vectors. ``cut`` passages, deleted ones included, are longer than the
    encoder reads; None if they were not counted. ``vectors`` is the number of vectors: 0 without an encoder, and above
    ``passages`` if long passages have windows. ``fields`` are the types of the passages' further fields by name, and
    ``learned`` counts what it holds of each learned list by name.
    """

    id: str
    passages: int
    terms: int
    postings: int
    deleted: int = 0
    dense: DenseRecord | None = None
    cut: int | None = None
    vectors: int = 0
    fields: Mapping[str, str] = field(default_factory=dict)
    learned: Mapping[str, LearnedCounts] = field(default_factory=dict)

    @property
    def has_windows(self) -> bool:
        """Tell whether a passage of the segment has several vectors."""
        return self.vectors > self.passages


@dataclass(frozen=True, slots=True)
class AnalyzerRecord:
    """The analyzer of the passages; the same analyzer must analyze the questions."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class WeightsRecord:
    """The scheme and parameters behind a file of posting weights."""

    scheme: str
    parameters: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class FusionRecord:
    """The default fusion of ``hybrid``: method, weight of each list, coverage power, candidates of each list."""

    method: str
    weights: Mapping[str, float]
    coverage_power: float
    rrf_constant: float
    depth: int = 100


@dataclass(frozen=True, slots=True)
class Provenance:
    """How a generation was built; ``seconds`` are wall times by step.

    ``chunk_tokens`` is the size that all texts were cut to, None if rows were not cut; ``cuts_documents`` tells whether
    documents were cut all the same, to ``document_tokens``.
    """

    command: str
    created_utc: str
    versions: Mapping[str, str]
    sources: tuple[SourceRecord, ...]
    seconds: Mapping[str, float]
    chunk_tokens: int | None = None
    overlap_tokens: int = 0
    cuts_documents: bool = True
    document_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """One generation of an index. ``files`` are named relative to the index, with ``/``; weights by retriever.

    ``passages`` counts the passages that are not deleted, ``terms`` their different terms. ``windows`` is the rule for
    long passages, also for those added later; None: each passage is one vector. ``fusion`` is None if neither the
    encoder brought a fusion nor one was fitted to the index. ``learned`` has the model of each learned list, by its
    name. ``shard`` is None for an index that is no part of a larger collection.
    """

    format_version: int
    generation: int
    passages: int
    terms: int
    segments: tuple[SegmentRecord, ...]
    encoder: EncoderRecord | None
    analyzer: AnalyzerRecord
    weights: Mapping[str, WeightsRecord]
    files: Mapping[str, FileRecord]
    provenance: Provenance
    windows: WindowRule | None = None
    fusion: FusionRecord | None = None
    learned: Mapping[str, LearnedRecord] = field(default_factory=dict)
    shard: ShardRecord | None = None

    @property
    def name(self) -> str:
        """The generation's name: ``000001``."""
        return generation_name(self.generation)

    @property
    def collection_passages(self) -> int:
        """The number of passages behind the statistics of terms: of a shard, those of all shards."""
        return self.shard.passages if self.shard else self.passages

    @property
    def rows(self) -> int:
        """The number of passages in all segments, deleted ones included."""
        return sum(segment.passages for segment in self.segments)

    @property
    def vectors(self) -> int:
        """The number of vectors in all segments, those of deleted passages included."""
        return sum(segment.vectors for segment in self.segments)

    @property
    def fields(self) -> dict[str, str]:
        """The types of the passages' further fields by name."""
        return merged_types(segment.fields for segment in self.segments)

    @property
    def dense(self) -> DenseRecord | None:
        """The vector index of the largest segment; None without vectors."""
        return max(self.segments, key=lambda segment: segment.passages).dense if self.segments else None

    @property
    def size_bytes(self) -> int:
        """Size of all files of the generation, the manifest not counted."""
        return sum(record.size_bytes for record in self.files.values())

    def to_json(self) -> str:
        """Return the manifest as an indented JSON document that includes its own hash."""
        return json.dumps(signed(asdict(self)), ensure_ascii=False, indent=2) + "\n"

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Read a manifest.

        Raises:
            IndexFormatError: the file is absent or damaged, or of a format version that this program does not know.
        """
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise IndexFormatError(f"{path} cannot be read ({error}); rebuild with dpr-index build") from error
        version = document.get("format_version") if isinstance(document, dict) else None
        if version not in READABLE_VERSIONS:
            raise IndexFormatError(
                f"{path} has the format version {version}, but this program reads versions "
                f"{' and '.join(map(str, READABLE_VERSIONS))}; "
                "rebuild with dpr-index build, or use the program that wrote it"
            )
        if signed(document) != document:
            raise IndexFormatError(
                f"{path} is damaged: its hash does not match; restore it, or rebuild with dpr-index build"
            )
        del document[_HASH]
        try:
            return decode(cls, document)
        except RecordError as error:
            raise IndexFormatError(f"{path} is damaged: {error}; rebuild with dpr-index build") from error


def signed(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a manifest's document with its hash, which replaces any hash that it has."""
    content = {name: value for name, value in document.items() if name != _HASH}
    digest = hashlib.sha256(json.dumps(content, ensure_ascii=False, sort_keys=True).encode("utf-8", "surrogatepass"))
    return {**content, _HASH: digest.hexdigest()}


def record_file(path: Path) -> FileRecord:
    """Measure a file and hash its content."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return FileRecord(path.stat().st_size, digest)
