from __future__ import annotations

import unicodedata
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpr.data.sentences import sentence_spans
from dpr.reader.extractive.bounds import answer_bounds, crosses_sentence, whole_characters

BLANK = "".join(
    chr(code) for code in range(0x10000) if chr(code).isspace() or code in (0xAD, 0x34F, 0x180E, 0xFEFF)
) + "".join(map(chr, (0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2060, 0x2065), *range(0x2066, 0x206A))))


@pytest.mark.parametrize(
    ("text", "start", "end", "whole"),
    [
        ("a cafe\u0301 x", 2, 6, "cafe\u0301"),  # an accent of its own
        ("x 👩\u200d🔬 y", 2, 3, "👩\u200d🔬"),  # a woman, a joiner, a microscope
        ("x 👩\u200d🔬 y", 4, 5, "👩\u200d🔬"),
        ("x ❤\ufe0f y", 2, 3, "❤\ufe0f"),
        (unicodedata.normalize("NFD", "서울"), 0, 4, unicodedata.normalize("NFD", "서울")),  # the last consonant
        (" the end ", 0, 9, "the end"),
        ("שלום\u05b8 x", 0, 4, "שלום\u05b8"),  # a Hebrew vowel point
        ("14\u00a0pounds\u200b.", 0, 10, "14\u00a0pounds"),
        ("by \u202aAda\u202c\u3000in", 2, 9, "Ada"),
        ("\u200b \u00ad", 0, 3, ""),
    ],
)
def test_a_span_cuts_no_character(text: str, start: int, end: int, whole: str) -> None:
    start, end = whole_characters(text, start, end)
    assert text[start:end] == whole


@given(st.text(max_size=12), st.integers(0, 12), st.integers(0, 12))
def test_a_whole_span_covers_what_can_be_seen(text: str, start: int, end: int) -> None:
    start, end = min(start, len(text)), min(end, len(text))
    first, last = whole_characters(text, start, end)
    assert 0 <= first <= max(last, first) <= len(text)
    assert text[start:end].strip(BLANK) in text[first:last]
    assert whole_characters(text, first, last) == (first, last) or not text[first:last]


@pytest.mark.parametrize(
    ("text", "span", "answer"),
    [
        ("the help desk (extension 4711) is", "4711)", "4711"),
        ("the FIFA (Zurich) met", "FIFA (Zurich", "FIFA (Zurich)"),
        ("한글(훈민정음)은", "(훈민정음", "(훈민정음)"),
        ("한글(훈민정음, 1446년)은", "(훈민정음", "훈민정음"),
        ("저서 『목민심서』를", "목민심서』", "목민심서"),
        ("a list [1] (see (2) below)", "(2) below)", "(2) below"),
        ("he said “no” twice", "“no”", "“no”"),
        ("it is 4711 ) now", "4711 )", "4711"),
        ("((a", "((", ""),
        ("the FIFA (Zurich) met", "FIFA (", "FIFA"),
        ("the FIFA (Zurich) met", ") met", "met"),
        ("it is 4711 ) ) now", "4711 ) )", "4711"),
        ("Help (f) (the", "f) (", "f"),
        ("calls f() here", "f(", "f()"),
        ("the ’90s hit", "’90s", "’90s"),
        ("„Berlin“ heißt", "„Berlin“", "„Berlin“"),
        ("x in [0, 1) is", "[0, 1)", "[0, 1)"),
        ("x in (0, 1] is", "in (0, 1", "in (0, 1]"),
        ("구간 [-1,000;2π)에서", "구간 [-1,000;2π)", "구간 [-1,000;2π)"),
        ("([0, ∞) or (a,b])", "([0, ∞) or (a,b]", "([0, ∞) or (a,b])"),
        ("x in [0, 1) is", "0, 1)", "0, 1"),
        ("x in [0, 1) is", "[0", "0"),
        ("a list [see below, the end) of it", "[see below, the end)", "see below, the end"),
        (")\u0301a", ")\u0301a", ")\u0301a"),  # a mark of its own on a bracket
    ],
)
def test_an_answer_has_no_half_of_a_pair(text: str, span: str, answer: str) -> None:
    start = text.index(span)
    start, end = answer_bounds(text, start, start + len(span))
    assert text[start:end] == answer


@given(st.text("a([「“) ]」”.", max_size=10) | st.text("1,[(]) ", max_size=14), st.integers(0, 10), st.integers(0, 10))
def test_bounds_of_an_answer_stay(text: str, start: int, end: int) -> None:
    first, last = answer_bounds(text, min(start, len(text)), min(end, len(text)))
    assert 0 <= first <= max(last, first) <= len(text)
    assert first >= last or answer_bounds(text, first, last) == (first, last)


@pytest.mark.parametrize(
    ("text", "span", "crosses"),
    [
        ("They came back twenty minutes later. The two men worked.", "twenty minutes later. The two men", True),
        ("They came back later. The two men worked.", "The two men worked.", False),
        ("DNA라고도 한다. DNA를 이루는 단위는", "한다. DNA를", True),
        ("in the U.S. Army since 1990", "the U.S. Army", False),
        ("it costs 3.5 million", "3.5 million", False),
        ("He asked “Why?” She left.", "“Why?” She", True),
        ("a title of\ntwo lines", "of\ntwo", False),
        ("Acme Inc. of\ntwo lines", "Acme Inc. of\ntwo", False),
        ("드라마 《응답하라. 1988》은", "《응답하라. 1988》", False),  # a title
        ("a Doctor of Pharmacy (Pharm. D.) degree", "Doctor of Pharmacy (Pharm. D.) degree", False),
        ("It ends (here. Then) it (goes on.", "here. Then) it (goes", True),
        ('그는 "나는 간다."라고 했다.', '"나는 간다."', False),
        ("by A. A. Milne", "A. A. Milne", False),
        ("in the U.S. A dog", "U.S. A dog", True),
    ],
)
def test_an_answer_is_of_one_sentence(text: str, span: str, crosses: bool) -> None:
    start = text.index(span)
    assert crosses_sentence(text, start, start + len(span)) == crosses


def test_sentences_of_a_long_passage_are_not_looked_for_from_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[str] = []

    def spans(text: str) -> Iterator[tuple[int, int]]:
        searched.append(text)
        return sentence_spans(text)

    monkeypatch.setattr("dpr.reader.extractive.bounds.sentence_spans", spans)
    text = "One sentence of many. " * 6000
    assert crosses_sentence(text, 131_000, 131_040)
    assert not crosses_sentence(text, 131_010, 131_029)
    assert crosses_sentence("1.5 " * 30_000 + "is it. And", 119_990, 120_010)
    assert max(map(len, searched)) < 3000
