from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpr.text.normalize import fold, normalize


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        (unicodedata.normalize("NFD", "서울 café"), "서울 café"),
        ("ＫＢＳ　２０１８", "KBS 2018"),
        ("㎞ Ⅳ ﬁ ①", "km IV fi 1"),
        ("ㅋㅋ ㅏ", "ㅋㅋ ㅏ"),
        ("co\u00adoperate \ufeffzero\u200bwidth", "cooperate zerowidth"),
        ("half \ud800 pair", "half ? pair"),
    ],
)
def test_text_that_reads_the_same_becomes_the_same(text: str, normal: str) -> None:
    assert normalize(text) == normal


@pytest.mark.parametrize(
    ("word", "folded"), [("KBS", "kbs"), ("Beyoncé", "beyonce"), ("STRASSE", "strasse"), ("Straße", "strasse")]
)
def test_case_and_accents_are_folded(word: str, folded: str) -> None:
    assert fold(word) == folded


@given(st.text())
def test_once_is_enough(text: str) -> None:
    normal = normalize(text)
    assert normalize(normal) == normal
    assert fold(fold(normal)) == fold(normal)
    normal.encode("utf-8")
