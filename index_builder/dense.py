"""Vectors to a searchable index of one kind, with its recall measured where the kind approximates."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path

from dpr.dense.index_type import IndexType
from dpr.dense.index_types import AUTO, EXACT, INDEX_TYPES, index_type_of, listed_index_types
from dpr.errors import ConfigError
from dpr.store.manifest import CurvePoint, DenseRecord
from dpr.types import FloatArray, Progress, no_progress
from index_builder.recall import Probes, least_recall, measured_curve

logger = logging.getLogger(__name__)

ALWAYS_EXACT = 20_000
"""Vectors below which `AUTO` is exact: such a search takes a few milliseconds."""


@dataclass(frozen=True, slots=True)
class DenseOptions:
    """How vectors are searched, and where they come from if not from the encoder.

    Attributes:
        kind: the kind of vector index, a name in `dpr.dense.index_types.INDEX_TYPES`, or ``auto``.
        parameters: some of the kind's parameters, by name.
        target_recall: the share of the nearest that the fastest search is to find; for an approximate kind or ``auto``.
        question_sources: sources of questions that the recall is to hold for, too.
        vectors_file: a file of the passages' vectors: see `GivenVectors`.

    Raises:
        ConfigError: the kind or a parameter is unknown or out of range, or the options contradict each other.
    """

    kind: str = EXACT.name
    parameters: Mapping[str, int] = field(default_factory=dict)
    _: KW_ONLY
    target_recall: float | None = None
    question_sources: tuple[str, ...] = ()
    vectors_file: str | None = None

    def __post_init__(self) -> None:
        if self.target_recall is not None and not 0 < self.target_recall <= 1:
            raise ConfigError(f"target_recall is {self.target_recall}; give a share above 0, such as 0.99")
        if self.question_sources and self.target_recall is None:
            raise ConfigError(
                "questions are given, but no recall that a search is to reach by them; give target_recall"
            )
        if self.chooses_kind:
            if self.target_recall is None or self.parameters:
                raise ConfigError(
                    f"the dense kind {AUTO!r} takes a target_recall, and no parameters; give such as 0.99"
                )
        elif self.kind not in INDEX_TYPES:
            raise ConfigError(f"unknown index type {self.kind!r}; choose {listed_index_types()} or {AUTO}")
        elif self.kinds[0].is_exact and self.target_recall is not None:
            raise ConfigError(
                f"the dense kind {self.kind!r} finds all, and a target_recall chooses how to search another; name one"
            )

    @property
    def chooses_kind(self) -> bool:
        """Whether the kind is chosen by what is measured."""
        return self.kind == AUTO

    @property
    def kinds(self) -> tuple[IndexType, ...]:
        """The kind, or all those that one is chosen from."""
        if self.chooses_kind:
            return tuple(kind for kind in INDEX_TYPES.values() if kind.is_auto_candidate)
        return (index_type_of(self.kind, self.parameters),)

    def for_vectors(self, vectors: int) -> DenseOptions:
        """Return the options for so many vectors: few are searched exactly where the kind is chosen."""
        return DenseOptions() if self.chooses_kind and vectors < ALWAYS_EXACT else self


def build_dense(
    options: DenseOptions,
    vectors: FloatArray,
    path: Path,
    progress: Progress = no_progress,
    question_vectors: FloatArray | None = None,
) -> DenseRecord:
    """Build an index over vectors (P, D) into ``path`` and return its record for the manifest.

    With a ``target_recall``, the parameters of the search are the fastest measured ones that reach it, at 10 and at
    100, for passages and for the vectors of questions (Q, D); ``auto`` chooses the kind so, too. Where none reaches it
    the search is exact.
    """
    progress("dense", 0, len(vectors))
    options = options.for_vectors(len(vectors))
    if options.target_recall is None:
        (kind,) = options.kinds
        kind.build(vectors, path)
        recall = None if kind.is_exact else Probes(vectors).recall_at(10, kind.open(vectors, path))
        record = DenseRecord(kind.name, kind.parameters, recall)
    else:
        probes = Probes(vectors, question_vectors)
        record = _fastest(options.kinds, vectors, path, probes, options.target_recall)
    progress("dense", len(vectors), len(vectors))
    return record


def _fastest(
    kinds: Sequence[IndexType], vectors: FloatArray, path: Path, probes: Probes, target_recall: float
) -> DenseRecord:
    """Build each kind beside ``path``; leave the file of the fastest there. One kind alone is taken if it can be."""
    exact = probes.point(EXACT.name, EXACT.open(vectors, path), EXACT.parameters)
    curve: list[CurvePoint] = [exact]
    for kind in kinds:
        kind.build(vectors, _candidate(path, kind.name))
        curve += measured_curve(kind, vectors, _candidate(path, kind.name), probes, target_recall)
    reaching = [point for point in curve if least_recall(point) >= target_recall]
    if len(kinds) == 1 and len(reaching) > 1:
        reaching.remove(exact)
    best = min(reaching, key=lambda point: point.milliseconds)
    if best is exact:
        logger.warning(
            "no faster search of %s reached recall %s; using exact search",
            " or ".join(kind.name for kind in kinds),
            target_recall,
        )
    elif (built := _candidate(path, best.kind)).exists():
        built.replace(path)
    for kind in kinds:
        _candidate(path, kind.name).unlink(missing_ok=True)
    return DenseRecord(best.kind, best.parameters, None if best is exact else best.recall_at_10, tuple(curve))


def _candidate(path: Path, kind: str) -> Path:
    return path.with_name(f"{kind}-{path.name}")
