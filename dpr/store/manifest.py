"""The manifest of a generation: what it holds, what it must be searched with, and how it was made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dpr.errors import IndexFormatError
from dpr.measured import MeasuresPassages
from dpr.store.layout import generation_name
from dpr.store.records import RecordError, decode
from dpr.store.windows import WindowRule
from dpr.types import Encoder, EncoderOptions

FORMAT_VERSION = 6
"""Raised whenever an older program would read a newer index wrongly, or when encoders get texts in another form."""

_HASH = "sha256"


@dataclass(frozen=True, slots=True)
class FileRecord:
    """Size and SHA-256 of a file, as published."""

    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class EncoderRecord:
    """The encoder that made the vectors, with its prompts; the same one must encode the questions.

    ``passage_tokens`` is how many tokens of a passage it reads; None where it does not say.
    """

    name: str
    fingerprint: str
    dimension: int
    question_prompt: str = ""
    passage_prompt: str = ""
    passage_tokens: int | None = None

    @classmethod
    def of(cls, encoder: Encoder) -> EncoderRecord:
        """Return what is recorded of an encoder."""
        tokens = encoder.passage_tokens if isinstance(encoder, MeasuresPassages) else None
        prompts = encoder.question_prompt, encoder.passage_prompt
        return cls(encoder.name, encoder.fingerprint, encoder.dimension, *prompts, tokens)

    @property
    def options(self) -> EncoderOptions:
        """The options to load the encoder with, so that it gives the same vectors again."""
        return EncoderOptions(self.question_prompt, self.passage_prompt, self.dimension)


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """What was measured of a vector index at some parameters.

    The mean shares of the exact 10 and 100 nearest that it finds, for passages and, where the build was given some, for
    questions; and the time of one alone.
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
    """The kind of vector index and its parameters.

    ``recall`` is measured at the build for a kind that approximates: the mean share of the exact ten nearest
    others of a passage that it finds, None for an exact kind. ``curve`` is what kind and parameters were chosen from,
    where the build was given a recall to reach.
    """

    kind: str
    parameters: Mapping[str, int]
    recall: float | None = None
    curve: tuple[CurvePoint, ...] = ()

    @property
    def question_recall(self) -> float | None:
        """Return the same of questions, where the build was given some."""
        chosen = (point for point in self.curve if point.kind == self.kind)
        return next(
            (one.question_recall_at_10 for one in chosen if one.parameters.items() <= self.parameters.items()), None
        )


@dataclass(frozen=True, slots=True)
class SegmentRecord:
    """A segment; a row of the generation counts through its segments in order, deleted passages included.

    ``passages``, ``terms`` and ``postings`` are what its files hold, ``deleted`` how many of the passages this
    generation does not have; ``dense`` is None without vectors. ``cut`` tells how many passages, deleted ones included,
    are longer than the encoder reads; None where they were not counted. ``vectors`` is how many its passages have: more
    than one each where long ones are in windows, none without an encoder.
    """

    id: str
    passages: int
    terms: int
    postings: int
    deleted: int = 0
    dense: DenseRecord | None = None
    cut: int | None = None
    vectors: int = 0

    @property
    def has_windows(self) -> bool:
        """Tell whether a passage of the segment has several vectors."""
        return self.vectors > self.passages


@dataclass(frozen=True, slots=True)
class AnalyzerRecord:
    """The analyzer that made the terms, and that must make the questions' terms."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class WeightsRecord:
    """The scheme and parameters behind a file of posting weights."""

    scheme: str
    parameters: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class FusionRecord:
    """How ``hybrid`` fuses where it is not told: the method, each list's weight, and how it follows coverage."""

    method: str
    weights: Mapping[str, float]
    coverage_power: float
    rrf_constant: float


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """What one source gave: passages indexed, and passages and rows skipped.

    Attributes:
        source: as it was named.
        passages: indexed ones.
        duplicates: passages that were there already.
        empty: passages of a data set that have no text.
        bad_rows: rows that could not be read.
    """

    source: str
    passages: int
    duplicates: int
    empty: int = 0
    bad_rows: int = 0


@dataclass(frozen=True, slots=True)
class Provenance:
    """How a generation was made; ``seconds`` are wall times by step."""

    command: str
    created_utc: str
    versions: Mapping[str, str]
    sources: tuple[SourceRecord, ...]
    seconds: Mapping[str, float]
    chunk_tokens: int | None = None
    overlap_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Manifest:
    """One generation of an index. ``files`` are named relative to the index, with ``/``; weights by retriever.

    ``passages`` are those that are not deleted, ``terms`` the different ones that these have. ``windows`` is how long
    passages are encoded, also those that are added; None: each passage is one vector. ``fusion`` is None where neither
    the encoder brought one nor any was fitted to the index.
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

    @property
    def name(self) -> str:
        """The generation's name: ``000001``."""
        return generation_name(self.generation)

    @property
    def rows(self) -> int:
        """The number of passages in all segments, deleted ones included."""
        return sum(segment.passages for segment in self.segments)

    @property
    def vectors(self) -> int:
        """The number of vectors in all segments, those of deleted passages included."""
        return sum(segment.vectors for segment in self.segments)

    @property
    def dense(self) -> DenseRecord | None:
        """The vector index of the largest segment; None without vectors."""
        return max(self.segments, key=lambda segment: segment.passages).dense if self.segments else None

    @property
    def size_bytes(self) -> int:
        """Size of all files of the generation, the manifest not counted."""
        return sum(record.size_bytes for record in self.files.values())

    def to_json(self) -> str:
        """Return the manifest as an indented JSON document, with a hash of all that it says."""
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
        if version != FORMAT_VERSION:
            raise IndexFormatError(
                f"{path} has the format version {version}, but this program reads version {FORMAT_VERSION}; "
                "rebuild with dpr-index build, or use the program that wrote it"
            )
        if signed(document) != document:
            raise IndexFormatError(
                f"{path} is damaged: its hash is another; restore it, or rebuild with dpr-index build"
            )
        del document[_HASH]
        try:
            return decode(cls, document)
        except RecordError as error:
            raise IndexFormatError(f"{path} is damaged: {error}; rebuild with dpr-index build") from error


def signed(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a manifest's document with the hash of what it says, in place of any hash that it has."""
    said = {name: value for name, value in document.items() if name != _HASH}
    digest = hashlib.sha256(json.dumps(said, ensure_ascii=False, sort_keys=True).encode("utf-8", "surrogatepass"))
    return {**said, _HASH: digest.hexdigest()}


def record_file(path: Path) -> FileRecord:
    """Measure a file and hash its content."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return FileRecord(path.stat().st_size, digest)


def check_sizes(root: Path, files: Mapping[str, FileRecord]) -> None:
    """Check that every file is there with its recorded size, without reading it.

    Raises:
        IndexFormatError: a file is absent or has another size.
    """
    for name, record in files.items():
        path = root / name
        size = path.stat().st_size if path.is_file() else None
        if size is None:
            raise IndexFormatError(f"{path} is missing; restore it, or rebuild with dpr-index build")
        if size != record.size_bytes:
            raise IndexFormatError(
                f"{path} has {size:,} bytes, but its manifest says {record.size_bytes:,}; "
                "restore it, or rebuild with dpr-index build"
            )


def check_contents(root: Path, files: Mapping[str, FileRecord], names: Iterable[str]) -> None:
    """Check the content of the named files against their recorded SHA-256, reading them whole.

    Raises:
        IndexFormatError: a file's content is not what was published.
    """
    for name in names:
        if record_file(root / name) != files[name]:
            raise IndexFormatError(
                f"{root / name} is not what was published: its SHA-256 differs from its manifest's; "
                "restore it, or rebuild with dpr-index build"
            )
