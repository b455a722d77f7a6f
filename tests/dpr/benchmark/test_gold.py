"""Gold passages found again in a pool, and the questions that cannot be judged."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

import pytest

from dpr.benchmark.gold import judge_questions
from dpr.errors import DataError
from dpr.types import Example, Passage, Question


class Pool:
    """Passages in memory; counts how often all of them are read."""

    def __init__(self, *passages: Passage) -> None:
        self.passages = passages
        self.readings = 0

    def __len__(self) -> int:
        return len(self.passages)

    def __iter__(self) -> Iterator[Passage]:
        self.readings += 1
        return iter(self.passages)

    def __getitem__(self, row: int) -> Passage:
        return self.passages[row]

    def row_of(self, passage_id: str) -> int | None:
        rows = {passage.id: row for row, passage in enumerate(self.passages)}
        return rows.get(passage_id)


POOL = Pool(Passage("a", "first"), Passage("b", "서울"), Passage("c", "twin", "One"), Passage("d", "twin", "Two"))


def example(question_id: str, *positives: Passage, grades: tuple[int, ...] = (), impossible: bool = False) -> Example:
    return Example(Question(question_id, "?"), positives, grades=grades, is_impossible=impossible)


def test_a_gold_passage_is_found_by_id_whatever_its_text() -> None:
    judged = judge_questions(POOL, [example("q", Passage("a", "other words"))])
    assert judged.qrels == {"q": {"a": 1}}


def test_the_pool_is_not_read_when_every_id_is_known() -> None:
    pool = Pool(Passage("a", "first"))
    judge_questions(pool, [example("q", Passage("a", "first"))])
    assert pool.readings == 0


def test_else_it_is_found_by_its_text_in_any_unicode_form() -> None:
    judged = judge_questions(POOL, [example("q", Passage("x", unicodedata.normalize("NFD", "서울")))])
    assert judged.qrels == {"q": {"b": 1}}
    assert judged.gold_missing == 0


def test_every_passage_of_the_same_text_is_gold() -> None:
    assert judge_questions(POOL, [example("q", Passage("x", "twin"))]).qrels == {"q": {"c": 1, "d": 1}}


def test_an_absent_gold_passage_counts_as_a_miss_and_is_reported() -> None:
    actual, absent = Passage("a", "first"), Passage("x", "nowhere")
    judged = judge_questions(POOL, [example("q1", actual), example("q2", absent), example("q3", actual, absent)])
    assert judged.qrels == {"q1": {"a": 1}, "q2": {"x": 1}, "q3": {"a": 1, "x": 1}}
    assert judged.gold_missing == 1


def test_grades_are_kept_and_the_best_of_two_labels_counts() -> None:
    positives = Passage("a", "first"), Passage("x", "twin"), Passage("c", "twin", "One")
    judged = judge_questions(POOL, [example("q", *positives, grades=(2, 3, 1))])
    assert judged.qrels == {"q": {"a": 2, "c": 3, "d": 3}}


def test_questions_without_a_passage_to_find_are_left_out() -> None:
    gold = Passage("a", "first")
    judged = judge_questions(POOL, [example("q1", gold), example("q2"), example("q3", gold, impossible=True)])
    assert [question.id for question in judged.questions] == ["q1"]
    assert judged.left_out == 2


@pytest.mark.parametrize(
    ("examples", "sentence"),
    [
        ([example("q1", Passage("x", "nowhere"))], "none of the gold passages of 1 questions is among the 4 passages"),
        ([example("q1")], "none of the 1 questions is answerable and has a gold passage"),
        ([], "none of the 0 questions"),
        ([example("q1", Passage("a", "first")), example("q1", Passage("b", "서울"))], "question id 'q1' occurs twice"),
    ],
)
def test_what_cannot_be_judged_is_refused(examples: list[Example], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        judge_questions(POOL, examples)
