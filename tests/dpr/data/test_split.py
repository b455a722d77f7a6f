from __future__ import annotations

from pathlib import Path

import pytest

from dpr.data.passages import read_examples
from dpr.data.split import select_articles, split_by_article
from dpr.errors import DataError
from dpr.types import Example, Passage, Question


def example(number: int, article: str, passage_id: str) -> Example:
    return Example(Question(f"q{number}", "?"), positives=(Passage(passage_id, "x", document_id=article),))


EXAMPLES = [example(number, f"article {number // 2}", f"p{number}") for number in range(12)]


def ids(part: tuple[Example, ...]) -> list[str]:
    return [each.question.id for each in part]


def test_train_comes_first_dev_next_and_test_last() -> None:
    split = split_by_article(EXAMPLES, train=2, dev=1, test=2)
    assert ids(split.train) == ["q0", "q1", "q2", "q3"]
    assert ids(split.dev) == ["q4", "q5"]
    assert ids(split.test) == ["q8", "q9", "q10", "q11"]


def test_a_part_may_be_empty() -> None:
    split = split_by_article(EXAMPLES, train=6, dev=0, test=0)
    assert (len(split.train), split.dev, split.test) == (12, (), ())


def test_a_passage_of_two_articles_stays_with_the_later_part() -> None:
    split = split_by_article([*EXAMPLES, example(99, "article 5", "p0")], train=2, dev=1, test=1)
    assert ids(split.test) == ["q10", "q11", "q99"]
    assert ids(split.train) == ["q1", "q2", "q3"]


@pytest.mark.parametrize("sizes", [(5, 1, 1), (-1, 1, 1)])
def test_more_articles_than_there_are_is_an_error(sizes: tuple[int, int, int]) -> None:
    with pytest.raises(DataError, match="articles were asked for, of a data set that has 6; ask for fewer"):
        split_by_article(EXAMPLES, *sizes)


def test_a_question_without_a_passage_is_an_error() -> None:
    with pytest.raises(DataError, match="question 'q' has no passage"):
        split_by_article([Example(Question("q", "?"), positives=())], 1, 0, 0)


def test_articles_are_selected_as_a_list_is_sliced() -> None:
    assert ids(tuple(select_articles(EXAMPLES, None, 1))) == ["q0", "q1"]
    assert ids(tuple(select_articles(EXAMPLES, -1, None))) == ["q10", "q11"]
    assert ids(tuple(select_articles(EXAMPLES, 1, 3))) == ["q2", "q3", "q4", "q5"]
    with pytest.raises(DataError, match="@6: names no article of a data set that has 6"):
        list(select_articles(EXAMPLES, 6, None))


def test_korquad_is_split_without_a_shared_passage(shared_data: Path) -> None:
    examples = read_examples(f"korquad:{shared_data}/korquad/KorQuAD_v1.0_dev.json")
    split = split_by_article(examples, train=100, dev=20, test=20)
    parts = [{each.positives[0].id for each in part} for part in (split.train, split.dev, split.test)]
    assert sum(len(part) for part in parts) == len(set.union(*parts)) == 960  # one of the 961 has no question
    assert len(split.train) + len(split.dev) + len(split.test) == 5_774
