from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpr.errors import DataError
from dpr.train.batches import Batching, Source, check_sources, epoch_batches, local_batch, passage_number
from dpr.types import Example, Passage, Question

BATCHING = Batching(
    batch_size=8, questions_per_passage=2, document_passages=3, hard_negatives=1, separate_sources=True, seed=5
)


def source(name: str, passages: int, questions_each: int, weight: float = 1.0, negatives: int = 0) -> Source:
    """Make a set whose documents have five passages each."""
    pool = [
        Passage(f"{name}-{number}", f"text {number} of {name}", document_id=f"{name}-article-{number // 5}")
        for number in range(passages)
    ]
    examples = [
        Example(
            Question(f"{passage.id}-q{number}", f"question {number} about {passage.text}"),
            (passage,),
            tuple(pool[(row + shift) % passages] for shift in range(1, 1 + negatives)),
        )
        for row, passage in enumerate(pool)
        for number in range(questions_each)
    ]
    return Source(name, examples, weight)


def test_every_question_comes_once_and_every_passage_once_in_its_batch() -> None:
    batches = epoch_batches([source("a", 20, 5)], BATCHING, epoch=0)
    asked = Counter(example.question.id for batch in batches for example in batch.questions)
    assert len(asked) == 100
    assert set(asked.values()) == {1}
    for batch in batches:
        assert len(batch.questions) <= 8
        assert len({passage.id for passage in batch.passages}) == len(batch.passages)
        for example, place in zip(batch.questions, batch.positives, strict=True):
            assert batch.passages[place] == example.positives[0]


def test_questions_of_a_passage_come_together() -> None:
    batches = epoch_batches([source("a", 40, 4)], BATCHING, epoch=0)
    assert sum(len(batch.passages) for batch in batches) < 100  # 160 questions, two to a passage


def test_passages_of_a_document_come_together() -> None:
    alone = epoch_batches([source("a", 200, 1)], BATCHING, epoch=0)
    documents = [len({passage.document_id for passage in batch.passages}) for batch in alone]
    assert max(documents) <= 5  # 8 passages: two or three blocks of three, and what a batch before left


def test_an_epoch_is_a_function_of_seed_and_number() -> None:
    sources = [source("a", 20, 3), source("b", 7, 2, weight=1.5)]
    assert epoch_batches(sources, BATCHING, 1) == epoch_batches(sources, BATCHING, 1)
    assert epoch_batches(sources, BATCHING, 1) != epoch_batches(sources, BATCHING, 2)


def test_sources_are_weighted_and_kept_apart_or_mixed() -> None:
    sources = [source("a", 20, 2), source("b", 20, 2, weight=0.5), source("c", 20, 2, weight=2.25)]
    batches = epoch_batches(sources, BATCHING, epoch=0)
    kinds = [{example.question.id.split("-")[0] for example in batch.questions} for batch in batches]
    assert all(len(kind) == 1 for kind in kinds)
    asked = Counter(example.question.id.split("-")[0] for batch in batches for example in batch.questions)
    assert asked == {"a": 40, "b": 20, "c": 90}
    mixed = Batching(8, 2, 1, 0, separate_sources=False, seed=5)
    kinds = [
        {example.question.id.split("-")[0] for example in batch.questions} for batch in epoch_batches(sources, mixed, 0)
    ]
    assert any(len(kind) == 3 for kind in kinds)


def test_hard_negatives_join_the_passages() -> None:
    batches = epoch_batches([source("a", 20, 1, negatives=4)], BATCHING, epoch=0)
    for batch in batches:
        golds = {example.positives[0].id for example in batch.questions}
        further = [passage for passage in batch.passages if passage.id not in golds]
        allowed = {negative.id for example in batch.questions for negative in example.negatives}
        assert further
        assert {passage.id for passage in further} <= allowed


def test_right_and_excluded_passages_are_exempt_in_every_part() -> None:
    pool = [Passage(name, f"text {name}") for name in "abcdef"]
    examples = [
        Example(Question(f"q{number}", "?"), (passage, pool[0]), excluded_ids=(pool[number - 1].id, "elsewhere"))
        for number, passage in enumerate(pool)
    ]
    [batch] = epoch_batches([Source("s", examples)], BATCHING, epoch=0)
    for part in (batch, local_batch(batch, 0, 2), local_batch(batch, 1, 2)):
        for example, exempt in zip(part.questions, part.exempt_ids, strict=True):
            names = {*(passage.id for passage in example.positives), *example.excluded_ids}
            assert set(exempt) == set(map(passage_number, names))


def test_a_batch_of_one_passage_has_no_negatives_and_is_left_out() -> None:
    assert epoch_batches([source("a", 1, 2)], BATCHING, epoch=0) == []


@given(st.integers(1, 4), st.integers(2, 12), st.integers(1, 4), st.integers(0, 2))
def test_the_parts_of_a_batch_are_the_batch(count: int, passages: int, questions_each: int, negatives: int) -> None:
    for batch in epoch_batches([source("a", passages, questions_each, negatives=negatives)], BATCHING, epoch=0):
        parts = [local_batch(batch, rank, count) for rank in range(count)]
        assert tuple(example for part in parts for example in part.questions) == batch.questions
        assert {passage.id for part in parts for passage in part.passages} == {passage.id for passage in batch.passages}
        for part in parts:
            for example, place, exempt in zip(part.questions, part.positives, part.exempt_ids, strict=True):
                assert part.passages[place] == example.positives[0]
                assert part.passage_ids[place] in exempt


def test_a_passage_number_is_the_same_everywhere() -> None:
    assert passage_number("a-1") == 7276326368275286709
    assert 0 <= passage_number("") < 2**63


@pytest.mark.parametrize(
    ("sources", "cause"),
    [
        ([], "no training data"),
        ([Source("a", [])], "a: there is no question with a passage"),
        ([Source("a", [Example(Question("7", "Why?"), ())])], "question '7' has no passage"),
        ([source("a", 3, 1, weight=0.0)], "its weight is 0.0"),
        ([source("a", 3, 1, weight=float("nan"))], "its weight is nan"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(sources: list[Source], cause: str) -> None:
    with pytest.raises(DataError, match=cause):
        check_sources(sources)
