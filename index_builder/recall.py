"""Measure recall and speed of a vector index, with passages and questions."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from dpr.dense.faiss_index import FlatIndex
from dpr.dense.index_type import IndexType
from dpr.store.manifest import CurvePoint
from dpr.types import BoolArray, FloatArray, IntArray, VectorIndex

PROBES = 200
"""Passages whose vectors are searched for; also the most questions."""

DEPTHS = (10, 100)
"""Numbers of nearest other passages to search for."""

TIMED = 50
"""Probes that are searched one by one, to measure the time of a question."""


class Probes:
    """Evenly spread passages with their exact nearest other passages, and questions (Q, D) with their nearest passages.

    Questions are further from passages than passages are from each other, so their nearest passages are harder to find:
    recall for passages says little about recall for questions.
    """

    def __init__(self, vectors: FloatArray, questions: FloatArray | None = None) -> None:
        rows = np.array(spread(len(vectors), PROBES))
        self._passages = len(rows)
        self._vectors: FloatArray = vectors[rows]
        self._rows: IntArray = rows
        if questions is not None:
            self._vectors = np.concatenate([self._vectors, questions])
            self._rows = np.concatenate([rows, np.full(len(questions), -1)])
        self._nearest_rows = self._nearest(FlatIndex(vectors), DEPTHS[-1])

    def recall_at(self, depth: int, index: VectorIndex) -> float:
        """Return the mean share of the passages' nearest others that an index finds, of this many as ``depth``."""
        return self._shares(index, depth)[0]

    def point(self, kind: str, index: VectorIndex, parameters: Mapping[str, int]) -> CurvePoint:
        """Return recall and time of an index at parameters of the search."""
        (at_10, question_at_10), (at_100, question_at_100) = (self._shares(index, depth) for depth in DEPTHS)
        timed = self._vectors[-TIMED:]
        began = time.perf_counter()
        for row in range(len(timed)):
            index.search(timed[row : row + 1], DEPTHS[-1])
        milliseconds = round((time.perf_counter() - began) / len(timed) * 1000, 3)
        return CurvePoint(kind, parameters, at_10, at_100, milliseconds, question_at_10, question_at_100)

    def _nearest(self, index: VectorIndex, depth: int) -> IntArray:
        """Return the rows that an index finds nearest to each probe, without the probe itself, (probes, depth)."""
        rows = index.search(self._vectors, depth + 1).rows
        is_own = rows == self._rows[:, np.newaxis]
        order = np.argsort(is_own, axis=1, kind="stable")  # the probe itself, if found, comes last
        return np.take_along_axis(np.where(is_own, -1, rows), order, axis=1)[:, :-1]

    def _shares(self, index: VectorIndex, depth: int) -> tuple[float, float | None]:
        """Return the recall at ``depth`` for passages and, if there are some, for questions.

        Each depth is a separate search: a search for more rows goes further, and so finds more of the first ten.
        """
        expected, actual = self._nearest_rows[:, :depth], self._nearest(index, depth)
        is_found = (expected[:, :, np.newaxis] == actual[:, np.newaxis, :]).any(axis=2)
        passages, questions = slice(self._passages), slice(self._passages, None)
        of_questions = _mean(is_found[questions], expected[questions]) if len(expected) > self._passages else None
        return _mean(is_found[passages], expected[passages]), of_questions


def _mean(is_found: BoolArray, expected: IntArray) -> float:
    return float(is_found[expected >= 0].mean()) if (expected >= 0).any() else 1.0


def measured_curve(
    index_type: IndexType, vectors: FloatArray, path: Path, probes: Probes, target: float
) -> list[CurvePoint]:
    """Return recall and time of ever wider searches, up to the first that reaches the target."""
    points = []
    for series in index_type.searches(len(vectors)):
        for search in series:
            points.append(probes.point(search.name, search.open(vectors, path), search.parameters))
            if least_recall(points[-1]) >= target:
                break
    return points


def least_recall(point: CurvePoint) -> float:
    """Return the lowest of a point's recalls."""
    recalls = (point.recall_at_10, point.recall_at_100, point.question_recall_at_10, point.question_recall_at_100)
    return min(recall for recall in recalls if recall is not None)


def spread(total: int, count: int) -> list[int]:
    """Return at most ``count`` of the rows 0 … ``total`` - 1, evenly spread, the first and the last among them."""
    return sorted({round(row) for row in np.linspace(0, total - 1, min(count, total))})
