"""Build a vector index, and measure its recall if the index type is approximate."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path

from dpr.dense.index_type import IndexType, SegmentContent
from dpr.dense.index_types import AUTO, EXACT, INDEX_TYPES, exact_type, index_type_of, listed_index_types
from dpr.errors import ConfigError
from dpr.store.manifest import CurvePoint, DenseRecord
from dpr.types import FloatArray, Progress, no_progress
from dpr.value_types import check_fields
from index_builder.recall import Probes, least_recall, measured_curve

logger = logging.getLogger(__name__)

ALWAYS_EXACT = 20_000
"""Number of vectors below which `AUTO` is exact: such a search takes a few milliseconds."""


@dataclass(frozen=True, slots=True)
class DenseOptions:
    """How vectors are searched, and the file of precomputed ones.

    Attributes:
        kind: the index type, a name in `dpr.dense.index_types.INDEX_TYPES`, or ``auto``.
        parameters: some of the index type's parameters, by name.
        target_recall: the share of the nearest vectors to find; for an approximate index type or ``auto``.
        question_sources: sources of questions that must reach the target recall, too.
        vectors_file: a file of the passages' vectors: see `PrecomputedVectors`.

    Raises:
        ConfigError: the index type or a parameter is unknown or out of range, or the options contradict each other.
    """

    kind: str = EXACT.name
    parameters: Mapping[str, int] = field(default_factory=dict)
    _: KW_ONLY
    target_recall: float | None = None
    question_sources: tuple[str, ...] = ()
    vectors_file: str | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        if self.target_recall is not None and not 0 < self.target_recall <= 1:
            raise ConfigError(f"target_recall is {self.target_recall}; give a share above 0, such as 0.99")
        if self.question_sources and self.target_recall is None:
            raise ConfigError("questions are given without a recall to reach; give target_recall")
        if self.chooses_index_type:
            if self.target_recall is None or self.parameters:
                raise ConfigError(f"the index type {AUTO!r} needs a target_recall, such as 0.99, and no parameters")
        elif self.kind not in INDEX_TYPES:
            raise ConfigError(f"unknown index type {self.kind!r}; choose {listed_index_types()} or {AUTO}")
        elif self.index_types[0].is_exact and self.target_recall is not None:
            raise ConfigError(
                f"the index type {self.kind!r} is exact, and target_recall is for an approximate one; choose another"
            )

    @property
    def chooses_index_type(self) -> bool:
        """Whether the index type is chosen by measurement."""
        return self.kind == AUTO

    @property
    def index_types(self) -> tuple[IndexType, ...]:
        """The index type, or the candidates of ``auto``."""
        if self.chooses_index_type:
            return tuple(index_type for index_type in INDEX_TYPES.values() if index_type.is_auto_candidate)
        return (index_type_of(self.kind, self.parameters),)

    def for_vectors(self, vectors: int, exact_below: int = 0) -> DenseOptions:
        """Return the options for this many vectors: fewer than ``exact_below``, and few with ``auto``, are exact."""
        if self.chooses_index_type:
            return DenseOptions() if vectors < max(ALWAYS_EXACT, exact_below) else self
        if vectors >= exact_below:
            return self
        exact = exact_type(self.index_types[0])
        return DenseOptions(exact.name)


def build_dense(
    options: DenseOptions,
    content: SegmentContent,
    path: Path,
    progress: Progress = no_progress,
    question_vectors: FloatArray | None = None,
) -> DenseRecord:
    """Build an index over a segment's vectors (P, D) into ``path`` and return its record for the manifest.

    With a ``target_recall``, the fastest measured parameters that reach it are used, at 10 and at 100, for passages and
    for the vectors of questions (Q, D); ``auto`` also chooses the index type. If none reaches it, the search is exact.
    """
    vectors = content.vectors
    progress("dense", 0, len(vectors))
    options = options.for_vectors(len(vectors))
    if options.target_recall is None:
        (index_type,) = options.index_types
        index_type.build_segment(content, path, progress)
        recall = None if index_type.is_exact else Probes(vectors).recall_at(10, index_type.open(vectors, path))
        record = DenseRecord(index_type.name, index_type.parameters, recall)
    else:
        probes = Probes(vectors, question_vectors)
        record = _fastest(options.index_types, content, path, probes, options.target_recall)
    progress("dense", len(vectors), len(vectors))
    return record


def _fastest(
    index_types: Sequence[IndexType], content: SegmentContent, path: Path, probes: Probes, target_recall: float
) -> DenseRecord:
    """Build each index type beside ``path``; move the fastest there. A single one is preferred to exact search."""
    vectors = content.vectors
    exact_kind = exact_type(index_types[0]) if len(index_types) == 1 else EXACT
    exact_kind.build_segment(content, _candidate(path, exact_kind.name))
    exact_index = exact_kind.open(vectors, _candidate(path, exact_kind.name))
    exact = probes.point(exact_kind.name, exact_index, exact_kind.parameters)
    curve: list[CurvePoint] = [exact]
    for index_type in index_types:
        index_type.build_segment(content, _candidate(path, index_type.name))
        curve += measured_curve(index_type, vectors, _candidate(path, index_type.name), probes, target_recall)
    reaching = [point for point in curve if least_recall(point) >= target_recall]
    if len(index_types) == 1 and len(reaching) > 1:
        reaching.remove(exact)
    best = min(reaching, key=lambda point: point.milliseconds)
    if best is exact:
        logger.warning(
            "no faster search of %s reached recall %s; using exact search",
            " or ".join(index_type.name for index_type in index_types),
            target_recall,
        )
    if (built := _candidate(path, best.kind)).exists():
        built.replace(path)
    for index_type in (exact_kind, *index_types):
        _candidate(path, index_type.name).unlink(missing_ok=True)
    return DenseRecord(best.kind, best.parameters, None if best is exact else best.recall_at_10, tuple(curve))


def _candidate(path: Path, name: str) -> Path:
    return path.with_name(f"{name}-{path.name}")
