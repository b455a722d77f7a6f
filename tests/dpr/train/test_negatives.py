from __future__ import annotations

from dataclasses import replace

from dpr.train.negatives import add_negatives, with_negatives
from dpr.types import Example, Passage, Question


def example(number: int, question: str, text: str, answer: str, *mined: Passage) -> Example:
    passage = Passage(f"p{number}", text)
    return Example(Question(f"q{number}", question, (answer,)), (passage,), mined, (text.index(answer),))


EXAMPLES = [
    example(1, "Who wrote the river song?", "The river song was written by Kim.", "Kim"),
    example(2, "Who sang the river song?", "Lee sang the river song, and Kim heard it.", "Lee"),
    example(3, "Who forgot the river song?", "The river song was forgotten by everybody.", "everybody"),
    example(4, "Who built the stone bridge?", "Park built the stone bridge.", "Park"),
]


def negatives_of(examples: list[Example], depth: int = 2) -> dict[str, Example]:
    return {item.question.id: item for item in add_negatives(examples, 1.0, depth, seed=1)[len(examples) :]}


def test_a_negative_is_near_and_does_not_hold_the_answer() -> None:
    added = negatives_of(EXAMPLES, depth=3)
    assert added["q1"].positives[0].id == "p3"  # p2 holds Kim, p4 shares no term
    assert added["q2"].positives[0].id in {"p1", "p3"}
    assert all(item.is_impossible and not item.question.answers for item in added.values())


def test_a_question_without_a_near_passage_gets_no_negative() -> None:
    assert "q4" not in negatives_of(EXAMPLES, depth=1)


def test_mined_negatives_are_taken_first() -> None:
    mined = example(5, "Who wrote the river song?", "The river song was written by Kim.", "Kim", Passage("m", "mined"))
    assert negatives_of([mined, *EXAMPLES[1:]])["q5"].positives[0].id == "m"


def test_what_answers_the_same_question_elsewhere_is_no_negative() -> None:
    again = example(6, "Who wrote the river song?", "Choi, they say, made the river song.", "Choi")
    added = negatives_of([EXAMPLES[0], again], depth=5)
    assert added == {}


def test_an_excluded_passage_is_no_negative() -> None:
    asked = replace(EXAMPLES[0], excluded_ids=("p3",))
    assert "q1" not in negatives_of([asked, *EXAMPLES[1:]], depth=3)
    [mended, *_] = with_negatives([asked, *EXAMPLES[1:]], depth=3)
    assert [passage.id for passage in with_negatives(EXAMPLES, depth=3)[0].negatives] == ["p3"]
    assert mended.negatives == ()


def test_a_share_of_none_adds_none() -> None:
    assert add_negatives(EXAMPLES, 0.0, 10, seed=1) == EXAMPLES


def test_the_same_seed_draws_the_same() -> None:
    assert add_negatives(EXAMPLES, 0.5, 3, seed=3) == add_negatives(EXAMPLES, 0.5, 3, seed=3)
