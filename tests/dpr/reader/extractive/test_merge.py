from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpr.reader.extractive.merge import PassageSpans, Weights, merge_windows, rank_answers
from dpr.types import Candidates, Passage

SPAN = st.tuples(st.integers(0, 6), st.integers(1, 4), st.integers(-5, 5))


def spans(*found: tuple[int, int, float], null: float = 0.0, relevance: float = 0.0) -> PassageSpans:
    starts, ends, scores = zip(*found, strict=True) if found else ((), (), ())
    return PassageSpans(
        np.array(starts, dtype=np.int64), np.array(ends, dtype=np.int64), np.array(scores, dtype=np.float32),
        null, relevance,
    )  # fmt: skip


def question(*texts: str, scores: tuple[float, ...] = ()) -> Candidates:
    passages = tuple(Passage(f"p{number}", text) for number, text in enumerate(texts))
    return Candidates("q?", passages, scores or (0.0,) * len(texts))


@given(st.lists(st.lists(SPAN, min_size=3, max_size=3), min_size=1, max_size=4))
def test_each_span_of_a_passage_counts_once_with_its_best_score(windows: list[list[tuple[int, int, int]]]) -> None:
    best: dict[tuple[int, int], int] = {}
    for start, length, score in itertools.chain(*windows):
        best[start, start + length] = max(score, best.get((start, start + length), score))
    table = np.array(windows)
    starts, ends = table[:, :, 0], table[:, :, 0] + table[:, :, 1]
    merged = merge_windows(starts, ends, table[:, :, 2].astype(np.float32))
    found = list(zip(*(part.tolist() for part in merged), strict=True))
    assert {(start, end): score for start, end, score in found} == best
    assert len(found) == len(best)
    assert found == sorted(found, key=lambda span: (-span[2], span[0], span[1]))


def test_places_that_no_span_fills_are_left_out() -> None:
    scores = np.array([[1.0, -np.inf]], dtype=np.float32)
    merged = merge_windows(np.array([[0, 5]]), np.array([[2, 9]]), scores)
    assert [part.tolist() for part in merged] == [[0], [2], [1.0]]


def test_the_best_answer_is_that_furthest_above_its_passages_null_score() -> None:
    found = [spans((0, 3, 5.0), null=6.0), spans((0, 3, 2.0), null=1.0)]
    answers = rank_answers(question("one", "two"), found, Weights(), 5)
    assert [(answer.text, answer.score) for answer in answers] == [("two", 1.0), ("one", -1.0)]


def test_retrieval_and_relevance_lift_a_passage() -> None:
    found = [spans((0, 3, 1.0), relevance=2.0), spans((0, 3, 2.0), relevance=0.5)]
    item = question("one", "two", scores=(8.0, 4.0))  # standardized: 1 and -1
    assert rank_answers(item, found, Weights(), 1)[0].text == "two"
    assert rank_answers(item, found, Weights(retrieval=0.6), 1)[0].text == "one"
    best = rank_answers(item, found, Weights(relevance=1.0), 1)[0]
    assert best.text == "one"
    assert best.score == pytest.approx(3.0)


def test_answers_of_one_passage_do_not_overlap_but_those_of_two_may() -> None:
    found = [spans((0, 5, 9.0), (2, 4, 8.0), (6, 9, 7.0)), spans((1, 4, 5.0))]
    answers = rank_answers(question("0123456789", "0123456789"), found, Weights(), 5)
    assert [(answer.passage_id, answer.text) for answer in answers] == [("p0", "01234"), ("p0", "678"), ("p1", "123")]


DOCUMENT = "abcdefghijklmnop"
CHUNK = st.tuples(st.integers(0, 8), st.integers(4, 8), st.lists(SPAN, max_size=4))


@given(st.lists(CHUNK, min_size=1, max_size=4), st.integers(1, 6))
def test_the_n_best_answers_never_share_characters_of_a_document(
    chunks: list[tuple[int, int, list[tuple[int, int, int]]]], n_best: int
) -> None:
    passages = tuple(
        Passage(f"d#{number}", DOCUMENT[start : start + length], document_id="d", start=start)
        for number, (start, length, _) in enumerate(chunks)
    )
    found = [
        spans(*((start, min(start + length, len(passage.text)), score) for start, length, score in of_chunk
                if start < len(passage.text)))
        for passage, (_, _, of_chunk) in zip(passages, chunks, strict=True)
    ]  # fmt: skip
    answers = rank_answers(Candidates("q?", passages, (0.0,) * len(passages)), found, Weights(), n_best)
    expected: list[tuple[float, set[int]]] = []
    every = sorted(
        (-float(score), passage.id, start, end, passage.start)
        for passage, of_passage in zip(passages, found, strict=True)
        for start, end, score in zip(of_passage.starts, of_passage.ends, of_passage.scores, strict=True)
    )
    for negative, _, start, end, offset in every:
        characters = set(range(offset + start, offset + end))
        if all(characters.isdisjoint(others) for _, others in expected):
            expected.append((-negative, characters))
    starts = {passage.id: passage.start for passage in passages}
    assert [
        (answer.score, {starts[answer.passage_id] + place for place in range(answer.start, answer.end)})
        for answer in answers
    ] == expected[:n_best]


def test_the_same_text_elsewhere_is_another_answer() -> None:
    text = "built by Agnes in 1848"
    elsewhere = [
        (Passage("a", text), Passage("b", text)),  # no documents
        (Passage("a", text, document_id="x"), Passage("b", text, document_id="y")),
        (Passage("a", text, document_id="x"), Passage("b", text, document_id="x", start=100)),
        (Passage("x", text), Passage("b", text, document_id="x")),
        # a source that says the document and not the offsets
        (Passage("a", "in May, 1848", document_id="x"), Passage("b", "in June, 1848", document_id="x")),
    ]
    for passages in elsewhere:
        item = Candidates("q?", passages, (0.0, 0.0))
        assert len(rank_answers(item, [spans((0, 5, 2.0)), spans((0, 5, 1.0))], Weights(), 5)) == 2, passages
    copies = (Passage("a", text, document_id="x"), Passage("b", text, document_id="x"))
    answers = rank_answers(Candidates("q?", copies, (0.0, 0.0)), [spans((0, 5, 1.0)), spans((0, 8, 2.0))], Weights(), 5)
    assert [(answer.passage_id, answer.text) for answer in answers] == [("b", "built by")]


def test_equal_answers_are_ordered_by_passage_and_place() -> None:
    found = [spans((4, 6, 1.0), (0, 2, 1.0)), spans((0, 2, 1.0))]
    answers = rank_answers(question("aabbcc", "aa"), found, Weights(), 5)
    assert [(answer.passage_id, answer.start) for answer in answers] == [("p0", 0), ("p0", 4), ("p1", 0)]


def test_a_span_over_the_end_of_a_sentence_is_no_answer() -> None:
    text = "It took an hour. Then they left (at 4711)."
    found = spans((8, 21, 5.0), (8, 15, 4.0), (33, 41, 3.0))
    assert [answer.text for answer in rank_answers(question(text), [found], Weights(), 5)] == ["an hour", "at 4711"]
