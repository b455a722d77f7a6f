from __future__ import annotations

import pytest

from dpr.data.split import select_articles
from dpr.errors import DataError
from dpr.types import Example, Passage, Question


def example(number: int, article: str, passage_id: str) -> Example:
    return Example(Question(f"q{number}", "?"), positives=(Passage(passage_id, "x", document_id=article),))


EXAMPLES = [example(number, f"article {number // 2}", f"p{number}") for number in range(12)]


def ids(part: tuple[Example, ...]) -> list[str]:
    return [each.question.id for each in part]


def test_a_question_without_a_passage_is_an_error() -> None:
    with pytest.raises(DataError, match="question 'q' has no passage"):
        list(select_articles([Example(Question("q", "?"), positives=())], 0, 1))


def test_articles_are_selected_as_a_list_is_sliced() -> None:
    assert ids(tuple(select_articles(EXAMPLES, None, 1))) == ["q0", "q1"]
    assert ids(tuple(select_articles(EXAMPLES, -1, None))) == ["q10", "q11"]
    assert ids(tuple(select_articles(EXAMPLES, 1, 3))) == ["q2", "q3", "q4", "q5"]
    with pytest.raises(DataError, match="@6: selects none of the 6"):
        list(select_articles(EXAMPLES, 6, None))
