from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dpr.models.checkpoint import load_tokenizer
from dpr.reader.extractive.windows import make_windows, pad_windows


@pytest.fixture(scope="module")
def tokenizer(tiny_checkpoint: Path) -> Any:
    return load_tokenizer(tiny_checkpoint)


def test_a_short_passage_is_one_window_with_its_characters(tokenizer: Any) -> None:
    [[window]] = make_windows(tokenizer, [("ab", "cd ef")], 32, 4, 8)
    spans = [tuple(span) for span in window.spans.tolist() if span[0] >= 0]
    assert spans == [(0, 1), (1, 2), (3, 4), (4, 5)]
    assert window.type_ids.tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 1]
    assert (window.spans[:4] == -1).all()


def test_folded_forms_are_read_as_plain_text_and_keep_the_spans_of_the_stored_one(tokenizer: Any) -> None:
    [[forms]], [[plain]] = (
        make_windows(tokenizer, [(question, text)], 32, 4, 8)
        for question, text in (("ａｂ", "ｃ ㎞\u00adｄ ﬁ"), ("ab", "c kmd fi"))
    )
    assert forms.ids.tolist() == plain.ids.tolist()
    spans = [tuple(span) for span in forms.spans.tolist() if span[0] >= 0]
    assert spans == [(0, 1), (2, 4), (2, 4), (4, 5), (6, 7), (6, 7)]


def test_windows_overlap_by_the_stride_and_cover_the_passage(tokenizer: Any) -> None:
    text = "x" * 90
    [windows] = make_windows(tokenizer, [("ab", text)], 32, 8, 8)
    covered = [set(window.spans[window.spans[:, 0] >= 0, 0].tolist()) for window in windows]
    assert set.union(*covered) == set(range(90))
    assert all(len(window) <= 32 for window in windows)
    assert {len(first & second) for first, second in itertools.pairwise(covered)} == {8}


def test_a_long_question_is_cut_so_that_the_passage_fits(tokenizer: Any) -> None:
    [windows] = make_windows(tokenizer, [("q" * 500, "x" * 50)], 32, 4, 8)
    assert all((window.spans[:, 0] >= 0).sum() > 4 for window in windows)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=80), st.text(max_size=20))
def test_any_text_gives_windows_whose_characters_lie_inside_it(tokenizer: Any, text: str, question: str) -> None:
    text, question = (value.encode("utf-8", "ignore").decode() for value in (text, question))
    [windows] = make_windows(tokenizer, [(question, text)], 32, 4, 8)
    assert windows
    for window in windows:
        inside = window.spans[window.spans[:, 0] >= 0]
        assert (inside[:, 1] <= len(text)).all()
        assert (np.diff(inside[:, 0]) >= 0).all()


def test_padding_reaches_the_longest_window(tokenizer: Any) -> None:
    grouped = make_windows(tokenizer, [("a", "b"), ("a", "bcdef")], 32, 4, 8)
    batch = pad_windows([windows[0] for windows in grouped], 0, ["input_ids", "attention_mask", "token_type_ids"])
    assert batch["attention_mask"].sum(1).tolist() == [5, 9]
    assert batch["input_ids"].shape == batch["token_type_ids"].shape == (2, 9)
    assert list(pad_windows(grouped[0], 0, ["input_ids"])) == ["input_ids"]
