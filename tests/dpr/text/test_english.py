from __future__ import annotations

import pytest

from dpr.text.english import STOP_WORDS, EnglishAnalyzer


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("We were running the libraries?", ["run", "librari", "we"]),
        ("In fact it doesn't matter; don't we'll", ["fact", "doesn", "matter", "doesnt", "dont", "well", "in"]),
        ("before 1990, not after", ["befor", "1990", "not", "after"]),
        ("Armies: BEYONCÉ'S", ["armi", "beyonc"]),
        ("KBS는 大韓", ["kbs", "는", "大韓"]),
    ],
)
def test_terms_are_stems_without_stop_words(text: str, terms: list[str]) -> None:
    assert EnglishAnalyzer().terms(text) == terms


@pytest.mark.parametrize(
    ("text", "stop_words"),
    [
        ("Fans love The Who.", ["THE", "WHO"]),
        ("The fans of IT", ["the", "IT"]),
        ("It is a novel. It sold.", ["it", "it"]),
        ('He said: "It sold."', ["he", "it"]),
        ("Carrots have vitamin A", ["A"]),
        ("They like us in the US", ["they", "US"]),
        ("Offices of the U.S. Army", ["US"]),
        ("said non-US, said IT-sold, said A4, A+", ["US", "IT", "non", "nonus", "itsold", "a4", "a+", "4"]),
        ("Fans like 'The Who'", ["THE", "WHO"]),
        ("the of and", ["the", "of", "and"]),
        ("THE OF AND", ["the", "of", "and"]),
    ],
)
def test_a_passage_has_the_stop_words_that_may_be_names(text: str, stop_words: list[str]) -> None:
    rest = {"fan", "love", "novel", "sold", "said", "carrot", "have", "vitamin", "like", "us", "offic", "u", "armi"}
    assert sorted(term for term in EnglishAnalyzer().terms(text) if term not in rest) == sorted(stop_words)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("Who sang for The Who?", ["sang", "THE", "WHO", "the", "who"]),
        ("What is IT?", ["IT", "it", "IT"]),
        ("AT&T", ["att"]),
        ("3D printer", ["3", "printer", "3d"]),
        ("'Who' songs", ["song", "WHO", "who"]),
        ("Who was it?", ["who", "was", "it", "WHO", "WAS", "IT", "WHO", "WAS", "IT"]),
        ("take that", ["take", "that", "THAT", "THAT"]),
        ("What is the largest of them?", ["largest"]),
    ],
)
def test_a_question_drops_stop_words_but_names_unless_they_are_all_that_it_has(text: str, terms: list[str]) -> None:
    [question] = EnglishAnalyzer().questions([text])
    assert question.terms == terms


def test_stop_words_are_folded_words() -> None:
    assert all(word.isascii() and word.islower() for word in STOP_WORDS)
    assert STOP_WORDS.isdisjoint({"before", "after", "not", "no", "only", "most", "all", "can", "must", "us"})
