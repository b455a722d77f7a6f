from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpr.text.normalize import FoldedText, fold, fold_forms, normalize


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        (unicodedata.normalize("NFD", "서울 café"), "서울 café"),
        ("ＫＢＳ　２０１８", "KBS 2018"),
        ("㎞ Ⅳ ﬁ ①", "km IV fi 1"),
        ("ㅋㅋ ㅏ", "ㅋㅋ ㅏ"),
        ("co\u00adoperate \ufeffzero\u200bwidth", "cooperate zerowidth"),
        ("half \ud800 pair", "half ? pair"),
        ("don’t – 1−2 wi‑fi", "don't - 1-2 wi-fi"),
        ("ﾡￂ ㄱㅏ ㎡ ½ …", "가 가 m2 1/2 ..."),
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


ORDINARY = (
    "“Quotes”, … – it’s ½ of 5 m² in a café, 10 €: naïve 👩‍👩‍👧 ❤️ №… ㅋㅋ ㅠㅠ 서울은 ไทยทำ हिन्दी 漢字。".replace(
        "№", ""
    )
)

FORMS = [
    ("２００４ ＡＢＣ ｶﾀｶﾅ ｶﾞ", "2004 ABC カタカナ ガ"),
    ("㎞ ㎡ ① ㈜ ㏇ Ⅳ ﬁ ℃ № ⑴ ㉮ 𝐀", "km m² 1 (주) Co. IV fi °C No (1) 가 A"),
    ("ﾡￂ ㄱㅏ ㅎㅏㄴㄱㅡㄹ ㉠ \u1112\u1161\u11ab", "가 가 한글 ㄱ 한"),
    (unicodedata.normalize("NFD", "서울 café"), "서울 café"),
    ("co\u00adop zero\u200bwidth join\u200der e\u200b\u0301", "coop zerowidth joiner é"),
    ("5\u00a0km wi\u2011fi", "5 km wi-fi"),
]


def test_a_model_reads_ordinary_text_as_it_is() -> None:
    assert fold_forms(ORDINARY) == FoldedText.from_text(ORDINARY).text == ORDINARY


@pytest.mark.parametrize(("text", "plain"), FORMS)
def test_a_model_reads_forms_as_what_they_are_forms_of(text: str, plain: str) -> None:
    assert fold_forms(text) == FoldedText.from_text(text).text == plain
    assert fold_forms(plain) == plain


@pytest.mark.parametrize(
    ("text", "plain", "original"),
    [
        ("제①항", "1", "①"),
        ("거리 5㎞이다", "k", "㎞"),
        ("거리 ５㎞이다", "5km", "５㎞"),
        (unicodedata.normalize("NFD", "나는 서울에"), "서울", unicodedata.normalize("NFD", "서울")),
        ("a co\u00adop b", "coop", "co\u00adop"),
        ("in ２００４ it", "2004", "２００４"),
        ("ㅎㅏㄴㄱㅡㄹ날", "글", "ㄱㅡㄹ"),
        ("㈜한글", "주)한", "㈜한"),
        ("no forms", "forms", "forms"),
    ],
)
def test_a_span_of_the_folded_text_leads_back_to_the_stored_characters(text: str, plain: str, original: str) -> None:
    folded = FoldedText.from_text(text)
    start = folded.text.index(plain)
    [[first, last]] = folded.original_spans(np.array([[start, start + len(plain)]])).tolist()
    assert text[first:last] == original


@given(st.text(st.sampled_from(list("a1①㎞Ａｶﾞㄱㅏㄴ가\u1100\u1161\u11a8\u0301\u200b👩\u200d ㈜")), max_size=12))
def test_every_character_of_the_folded_text_comes_from_a_stretch_of_the_original(text: str) -> None:
    folded = FoldedText.from_text(text)
    assert folded.text == fold_forms(text)
    ones = np.arange(len(folded.text))
    spans = folded.original_spans(np.stack([ones, ones + 1], axis=1))
    assert (spans[:, 0] < spans[:, 1]).all() or not len(spans)
    assert (np.diff(spans, axis=0) >= 0).all()
    assert spans.max(initial=0) <= len(text)
    whole = folded.original_spans(np.array([[0, len(folded.text)]]))
    assert fold_forms(text[whole[0, 0] : whole[0, 1]]) == folded.text
