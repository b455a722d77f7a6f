from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpr.dense.exact import ExactIndex
from dpr.dense.faiss_index import FlatIndex
from dpr.dense.index_types import INDEX_TYPES, index_type_of
from dpr.dense.segments import SegmentedIndex
from dpr.dense.windows import WindowedIndex, window_ranks
from dpr.errors import RequestError
from dpr.types import FloatArray, IntArray, TopK, WindowArray
from tests.dpr.dense.contract import random_vectors
from tests.kinds import kinds

WIDE = {"hnsw": {"ef_search": 2000}, "flat": {}, "postgres": {}, "postgres-hnsw": {}, "milvus": {}, "milvus-hnsw": {}}
EXHAUSTIVE = {"nprobe": 2000, "rerank": 2000}
"""Parameters at which a kind that approximates looks at every vector."""


def windows_of(counts: list[int]) -> WindowArray:
    """Return windows of ten characters, every seven, for passages of so many vectors each."""
    return np.array(
        [(row, 7 * position, 7 * position + 10) for row, count in enumerate(counts) for position in range(count)],
        dtype=np.int32,
    )


def best_passages(vectors: FloatArray, windows: WindowArray, id_rank: IntArray, question: FloatArray, k: int) -> TopK:
    """Return the k best passages of one question by definition: each one's best window, the first of equal ones."""
    scored = []
    for row in range(len(id_rank)):
        of_passage = np.flatnonzero(windows[:, 0] == row)
        products = [np.dot(vectors[position].astype(float), question.astype(float)) for position in of_passage]
        scores = np.array(products, dtype=np.float32)
        if id_rank[row] >= 0:
            position = of_passage[scores.argmax()]
            span = windows[position, 1:] if len(of_passage) > 1 else [-1, -1]
            scored.append((-scores.max(), int(id_rank[row]), row, span))
    scored = sorted(scored, key=lambda item: item[:2])[:k]
    rows, best, spans = np.full(k, -1), np.full(k, -np.inf, dtype=np.float32), np.full((k, 2), -1)
    for rank, (score, _, row, span) in enumerate(scored):
        rows[rank], best[rank], spans[rank] = row, -score, span
    return TopK(rows, best, spans)


def check(actual: TopK, vectors: FloatArray, windows: WindowArray, id_rank: IntArray, questions: FloatArray) -> None:
    assert actual.windows is not None
    for number, question in enumerate(questions):
        due = best_passages(vectors, windows, id_rank, question, actual.rows.shape[1])
        np.testing.assert_array_equal(actual.rows[number], due.rows)
        np.testing.assert_array_equal(actual.scores[number], due.scores)
        np.testing.assert_array_equal(actual.windows[number], due.windows)


@st.composite
def collections(draw: st.DrawFn) -> tuple[FloatArray, WindowArray, IntArray, FloatArray]:
    """Passages of some windows with small whole numbers in their vectors, so that many scores are equal."""
    counts = draw(st.lists(st.integers(1, 12), min_size=1, max_size=12))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    vectors = random.integers(-2, 3, (sum(counts), 3)).astype(np.float32)
    order = random.permutation(len(counts))
    is_deleted = random.random(len(counts)) < draw(st.sampled_from([0, 0.5]))
    id_rank: IntArray = np.where(is_deleted, -1, order).astype(np.int64)
    return vectors, windows_of(counts), id_rank, random.integers(-2, 3, (3, 3)).astype(np.float32)


@pytest.mark.parametrize("kind", [ExactIndex, FlatIndex])
@given(collection=collections(), k=st.integers(1, 15))
def test_a_passage_is_found_by_its_best_window(
    kind: type[ExactIndex] | type[FlatIndex],
    collection: tuple[FloatArray, WindowArray, IntArray, FloatArray],
    k: int,
) -> None:
    vectors, windows, id_rank, questions = collection
    index = WindowedIndex(kind(vectors, window_ranks(id_rank, windows)), windows)
    check(index.search(questions, k), vectors, windows, id_rank, questions)


@pytest.mark.parametrize("kind", kinds())
@pytest.mark.parametrize("share_deleted", [0, 0.6])
def test_every_kind_gives_k_passages_however_many_windows_one_has(
    kind: str, share_deleted: float, tmp_path: Path
) -> None:
    """One passage has more windows than all others together, and they are near every question."""
    random, counts = np.random.default_rng(5), [1, 3, 2, 1, 5] * 20 + [300]
    windows, vectors = windows_of(counts), random_vectors(sum(counts), seed=3)
    vectors[windows[:, 0] == 100] += vectors[0]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    order = random.permutation(len(counts))
    id_rank: IntArray = np.where(random.random(len(counts)) < share_deleted, -1, order).astype(np.int64)
    id_rank[100] = order[100]
    INDEX_TYPES[kind].build(vectors, tmp_path / "dense")
    wide = index_type_of(kind, WIDE.get(kind, EXHAUSTIVE))
    reopened = wide.open(vectors, tmp_path / "dense", window_ranks(id_rank, windows))
    questions = np.concatenate([vectors[:1], random_vectors(3, seed=9)])
    check(WindowedIndex(reopened, windows).search(questions, 10), vectors, windows, id_rank, questions)


def test_segments_with_windows_and_without_are_searched_as_one() -> None:
    vectors, counts = random_vectors(30), [1, 4, 1, 2, 2, *[1] * 20]
    windows, id_rank = windows_of(counts), np.arange(25, dtype=np.int64)[::-1].copy()
    first = WindowedIndex(FlatIndex(vectors[:10], window_ranks(id_rank[:5], windows[:10])), windows[:10])
    second = FlatIndex(vectors[10:], id_rank[5:])
    questions = random_vectors(4, seed=1)
    actual = SegmentedIndex([first, second], [id_rank[:5], id_rank[5:]]).search(questions, 12)
    check(actual, vectors, windows, id_rank, questions)


def test_the_ranks_of_windows_follow_their_passages() -> None:
    ranks = window_ranks(np.array([1, -1, 0]), windows_of([2, 2, 3]))
    assert ranks[[2, 3]].tolist() == [-1, -1]
    assert np.argsort(ranks[[0, 1, 4, 5, 6]]).tolist() == [2, 3, 4, 0, 1]


def test_k_below_one_is_refused() -> None:
    windows = windows_of([2, 1])
    with pytest.raises(RequestError, match="k is 0"):
        WindowedIndex(FlatIndex(random_vectors(3)), windows).search(random_vectors(1), 0)
