from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dpr.errors import DataError
from dpr.models.checkpoint import load_tokenizer
from dpr.reader.features import add_negatives, make_features
from dpr.reader.model import ReaderConfig
from dpr.types import Example, Passage, Question

CONFIG = ReaderConfig(max_tokens=40, stride=8, question_tokens=8, max_answer_tokens=10)


@pytest.fixture(scope="module")
def tokenizer(tiny_checkpoint: Path) -> Any:
    return load_tokenizer(tiny_checkpoint)


def example(number: int, text: str, answer: str, title: str = "t") -> Example:
    return Example(
        Question(f"q{number}", "who ?", (answer,)),
        (Passage(f"p{number}", text, title),),
        answer_starts=(text.index(answer),),
    )


def test_the_label_covers_the_answers_characters(tokenizer: Any) -> None:
    [feature] = make_features(tokenizer, [example(1, "it was kim yu-sin then", "kim yu")], CONFIG)
    spans = feature.window.spans
    assert (spans[feature.start, 0], spans[feature.end, 1]) == (7, 13)


def test_windows_without_the_whole_answer_point_at_cls(tokenizer: Any) -> None:
    features = list(make_features(tokenizer, [example(1, "x" * 60 + " kim " + "y" * 60, "kim")], CONFIG))
    labels = [(feature.start, feature.end) for feature in features]
    assert labels.count((0, 0)) == len(labels) - sum(start > 0 for start, _ in labels)
    assert any(start > 0 for start, _ in labels)
    assert (0, 0) in labels


def test_an_unanswerable_question_points_at_cls(tokenizer: Any) -> None:
    unanswerable = Example(Question("q", "who ?"), (Passage("p", "text"),), is_impossible=True)
    [feature] = make_features(tokenizer, [unanswerable], CONFIG)
    assert (feature.start, feature.end) == (0, 0)


def test_an_answer_without_an_offset_is_refused(tokenizer: Any) -> None:
    unplaced = Example(Question("q9", "who ?", ("kim",)), (Passage("p", "kim"),))
    with pytest.raises(DataError, match="'q9' has an answer without its offset"):
        list(make_features(tokenizer, [unplaced], CONFIG))


def test_negatives_come_from_the_same_article_and_do_not_hold_the_answer() -> None:
    examples = [
        example(1, "kim lives here", "kim"),
        example(2, "kim and lee live there", "lee"),
        example(3, "nobody but choi", "choi"),
        example(4, "park is alone", "park", title="other"),
    ]
    added = add_negatives(examples, 1.0, seed=1)[4:]
    passages = {negative.question.id: negative.positives[0].id for negative in added}
    assert passages["q1"] == "p3"
    assert set(passages) == {"q1", "q2", "q3"}
    assert all(negative.is_impossible and not negative.question.answers for negative in added)
    assert add_negatives(examples, 0.0, seed=1) == examples
