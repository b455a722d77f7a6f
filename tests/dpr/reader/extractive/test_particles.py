from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpr.reader.extractive.particles import without_particle
from dpr.types import Answer


def answer(text: str, found: str) -> Answer:
    start = text.index(found)
    return Answer(found, "p", start, start + len(found), 1.0, 2.0, 1.0)


@pytest.mark.parametrize(
    ("text", "found", "kept"),
    [
        ("그는 서울에서는 살지 않았다.", "서울에서는", "서울"),
        ("한글은 세종대왕이 만들었다. 그 뒤에 반포하였다.", "세종대왕이", "세종대왕"),
        ("그의 나이가 많았다.", "나이가", "나이"),
        ("그는 유명한 음악가 윤이상을 만났다.", "음악가", "음악가"),  # no particle, though it looks like one
        ("수도는 부산이다.", "부산이다", "부산"),
        ("수도는 부산이다.", "부산", "부산"),
        ("그 해는 1592년이었다.", "1592년이었다", "1592년"),
        ("It was LG전자는 said.", "LG전자는", "LG전자"),
        ("The king lived in Paris.", "Paris", "Paris"),
    ],
)
def test_what_follows_a_noun_is_taken_off(text: str, found: str, kept: str) -> None:
    trimmed = without_particle(answer(text, found), text)
    assert trimmed.text == kept
    assert text[trimmed.start : trimmed.end] == kept
    assert (trimmed.score, trimmed.passage_id) == (1.0, "p")


def test_the_sentence_decides() -> None:
    text = "나는 산에 갔다. 산은 높다."
    seen = []

    def particles(sentence: str) -> list[tuple[int, int]]:
        seen.append(sentence)
        return [(1, 2)]

    assert without_particle(answer(text, "산은"), text, particles).text == "산"
    assert seen == ["산은 높다."]


def test_a_decomposed_text_stays_as_it_is() -> None:
    text = unicodedata.normalize("NFD", "서울은 크다")
    found = answer(text, text.split()[0])
    assert without_particle(found, text) == found


@given(st.text("가는 이다서울.\n", min_size=1, max_size=20), st.integers(0, 19), st.integers(1, 20))
def test_any_answer_keeps_its_beginning(text: str, start: int, end: int) -> None:
    found = text[start:end].strip()
    if found:
        trimmed = without_particle(answer(text, found), text)
        assert trimmed.text
        assert found.startswith(trimmed.text)
        assert text[trimmed.start : trimmed.end] == trimmed.text
