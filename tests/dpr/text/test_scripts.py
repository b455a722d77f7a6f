from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpr.text.normalize import fold, normalize
from dpr.text.scripts import Runs, bigrams, has_hangul, ideograph_terms, neighbours_of, runs_of


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("KBS는", Runs(["는"], [], ["kbs"], [])),
        ("2018년 AI를", Runs(["년", "를"], [], ["2018", "ai"], [])),
        ("대한민국(大韓民國)", Runs(["대한민국"], ["大韓民國"], [], [])),
        ("1,234,567.5원 3.14 10,20", Runs(["원"], [], ["1234567.5", "3.14", "10", "20"], [])),
        (
            "1,2345 COVID-19 snake_case",
            Runs([], [], ["1", "2345", "covid", "19", "snake", "case"], ["covid19", "snakecase"]),
        ),
        ("東京タワー Windows10에서 ㅋㅋ", Runs(["에서"], ["東京タワー"], ["windows", "10", "ㅋㅋ"], ["windows10"])),
        ('"Plain", (words): Été.', Runs([], [], ["plain", "words", "ete"], [])),
        ("", Runs([], [], [], [])),
    ],
)
def test_a_text_is_divided_by_script(text: str, runs: Runs) -> None:
    assert runs_of(text) == runs


@pytest.mark.parametrize(
    ("text", "expected"),
    [("KBS는", True), (unicodedata.normalize("NFD", "서울"), True), ("COVID-19 東京 ㅋㅋ", False), ("", False)],
)
def test_hangul_is_seen_in_any_form(text: str, expected: bool) -> None:
    assert has_hangul(text) is expected


def test_bigrams_overlap_and_a_single_character_is_itself() -> None:
    assert bigrams("대한민국") == ["대한", "한민", "민국"]
    assert bigrams("년") == ["년"]
    assert ideograph_terms(Runs([], ["大韓民國", "中"], [], [])) == ["大韓", "韓民", "民國", "中"]


@given(st.text())
def test_no_letter_or_digit_is_lost(text: str) -> None:
    text = normalize(text)
    runs = runs_of(text)
    kept = "".join((*runs.hangul, *runs.ideographs, *runs.words, *runs.compounds))
    assert all(fold(character) in fold(kept) for character in text if character.isalnum())


def test_neighbours_are_words_with_a_blank_or_a_hyphen_between_them() -> None:
    assert neighbours_of("Data base, wi-fi GPT 4 한글 漢字") == [
        ("data", "base"),
        ("wi", "fi"),
        ("fi", "gpt"),
        ("gpt", "4"),
    ]
