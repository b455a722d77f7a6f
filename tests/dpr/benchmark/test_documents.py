"""The documents of questions: which are drawn as a whole."""

from __future__ import annotations

import pytest

from dpr.benchmark.documents import document_groups, document_names
from dpr.types import Example, Passage, Question

GOLDS = {
    "by document": [Passage("1", "a", "t", "d1"), Passage("2", "b", "t", "d2"), Passage("3", "c", "u", "d1")],
    "by title": [Passage("1", "a", "d1"), Passage("2", "b", "d2"), Passage("3", "c", "d1")],
    "by passage": [Passage("d1", "a"), Passage("d2", "b"), Passage("d1", "a")],
}


def asked(passages: list[Passage]) -> list[Example]:
    return [Example(Question(f"q{number}", "?"), (passage,)) for number, passage in enumerate(passages)]


@pytest.mark.parametrize("golds", GOLDS.values(), ids=GOLDS)
def test_questions_of_one_document_are_one_group(golds: list[Passage]) -> None:
    groups = document_groups(asked(golds))
    assert groups is not None
    assert groups.tolist() == [0, 1, 0]


def test_a_question_without_a_gold_passage_is_a_document_of_its_own() -> None:
    examples = [*asked(GOLDS["by title"]), Example(Question("alone", "?"), ())]
    assert document_names(examples) == ["d1", "d2", "d1", "alone"]


def test_documents_that_tell_nothing_are_no_groups() -> None:
    golds = GOLDS["by document"]
    assert document_groups(asked(golds[:2])) is None  # each has its own
    assert document_groups(asked([golds[0], golds[2]])) is None  # all share one
    assert document_groups([]) is None
