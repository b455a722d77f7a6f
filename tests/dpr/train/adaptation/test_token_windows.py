from __future__ import annotations

from pathlib import Path

import pytest

from dpr.errors import DataError
from dpr.models.checkpoint import load_tokenizer
from dpr.train.adaptation.token_windows import read_windows


def test_texts_become_windows_of_like_length(tiny_checkpoint: Path) -> None:
    tokenizer = load_tokenizer(tiny_checkpoint)
    windows = read_windows(tokenizer, ["abc", "q", "x" * 21, ""], 10)
    assert windows.lengths.tolist() == [3, 7, 7, 7]
    assert windows.texts.tolist() == [0, 2, 2, 2]
    assert tokenizer.convert_ids_to_tokens(windows[0].tolist()) == ["a", "##b", "##c"]
    joined = [piece for window in (1, 2, 3) for piece in windows[window].tolist()]
    assert joined == tokenizer("x" * 21, add_special_tokens=False)["input_ids"]
    assert len(windows) == 4


def test_what_the_tokenizer_does_not_know_is_left_out(tiny_checkpoint: Path) -> None:
    tokenizer = load_tokenizer(tiny_checkpoint)
    assert read_windows(tokenizer, ["漢字 漢字", "漢 a", "漢 ab"], 10).texts.tolist() == [2]
    with pytest.raises(DataError, match="none of the 1 texts has two tokens"):
        read_windows(tokenizer, ["漢字"], 10)


def test_progress_tells_the_texts(tiny_checkpoint: Path) -> None:
    told: list[tuple[object, ...]] = []
    read_windows(load_tokenizer(tiny_checkpoint), ["ab"] * 2500, 8, lambda *report: told.append(report))
    assert told == [("tokenize", done, None) for done in (1000, 2000, 2500)]
