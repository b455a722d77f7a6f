from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dpr.errors import DataError
from dpr.models.checkpoint import load_tokenizer
from dpr.reader.extractive.model import ReaderConfig
from dpr.train.reader.features import make_features
from dpr.types import Example, Passage, Question

CONFIG = ReaderConfig(max_tokens=40, stride=8, question_tokens=8, max_answer_tokens=8)


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
