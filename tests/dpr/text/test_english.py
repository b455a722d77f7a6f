from __future__ import annotations

import pytest

from dpr.text.english import STOP_WORDS, EnglishAnalyzer


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("Who was running the libraries?", ["run", "librari"]),
        ("It doesn't matter; don't we'll", ["doesn", "matter"]),
        ("before 1990, not after", ["befor", "1990", "not", "after"]),
        ("The U.S. Army's BEYONCÉ", ["u", "armi", "beyonc"]),
        ("KBS는 大韓", ["kbs", "는", "大韓"]),
        ("the of and", []),
    ],
)
def test_terms_are_stems_without_stop_words(text: str, terms: list[str]) -> None:
    assert EnglishAnalyzer().terms(text) == terms


def test_stop_words_are_folded_words() -> None:
    assert all(word.isascii() and word.islower() for word in STOP_WORDS)
    assert STOP_WORDS.isdisjoint({"before", "after", "not", "no", "only", "most", "all", "can", "must", "us"})
