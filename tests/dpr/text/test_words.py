from __future__ import annotations

from dpr.text.words import WordAnalyzer


def test_words_are_whole_and_folded() -> None:
    assert WordAnalyzer().terms("KBS는 The_Café, 3.14") == ["kbs는", "the", "cafe", "3", "14"]
