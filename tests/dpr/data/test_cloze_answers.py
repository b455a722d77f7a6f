"""Questions that ask for a phrase: the phrase stands where it is said to, and the question lacks it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpr.data.cloze import Cloze, cloze_examples
from dpr.data.cloze_answers import ask_for_phrase, words_of
from dpr.types import Example, Passage

ENGLISH = Passage(
    "harbour",
    "The old harbour of Wendle was dredged in 1871 by Ada Moor. Three wooden cranes, built by a local joiner, stood on "
    "its northern quay. Every evening a boy rowed out to light the nine lamps.",
)
KOREAN = Passage(
    "우물",
    "마을의 우물은 느티나무 아래에 1742년에 만들어졌다. 할머니는 새벽마다 두레박으로 물을 길어 장독대에 부었다. "
    "가뭄이 들던 해에는 이웃 마을에서도 물을 얻으러 열두 번 왔다.",
)


def examples(passage: Passage, **settings: object) -> list[Example]:
    return list(cloze_examples([passage], Cloze(questions=400, window=0, answers=True, **settings)))  # type: ignore[arg-type]


@pytest.mark.parametrize("passage", [ENGLISH, KOREAN], ids=["english", "korean"])
def test_the_answer_stands_where_it_is_said_to(passage: Passage) -> None:
    made = examples(passage)
    assert len(made) > 10
    for example in made:
        [answer], [start] = example.question.answers, example.answer_starts
        assert passage.text[start : start + len(answer)] == answer
        assert example.question.text.endswith("?")
        assert example.positives == (passage,)


def test_a_korean_answer_is_a_noun_without_its_particle() -> None:
    answers = {example.question.answers[0] for example in examples(KOREAN)}
    assert {"할머니", "느티나무 아래", "1742년", "장독대"} <= answers
    assert not any(answer.endswith(("은", "는", "물을", "에서도", "다")) for answer in answers)


def test_the_question_word_suits_the_answer() -> None:
    english = [item.question.text for item in examples(ENGLISH) if item.question.answers == ("1871",)]
    korean = [item.question.text for item in examples(KOREAN) if item.question.answers == ("1742년",)]
    assert english
    assert all(any(word in text for word in ("when", "what year", "on what date")) for text in english)
    assert korean
    assert all(any(word in text for word in ("언제", "몇 년", "며칠")) for text in korean)


def test_the_same_seed_asks_the_same() -> None:
    assert examples(ENGLISH, seed=3) == examples(ENGLISH, seed=3)
    assert examples(ENGLISH, seed=3) != examples(ENGLISH, seed=4)


def test_a_sentence_too_short_is_not_asked_about() -> None:
    text = "Only three words."
    assert ask_for_phrase(text, words_of(text, 0, len(text)), (1.0, 1.0), 0.0, random.Random(1)) is None
    assert examples(Passage("short", text)) == []


@given(st.text(st.sampled_from("abc 12.,(가나다은)\n"), max_size=80), st.integers(0, 99))
def test_any_text_gives_phrases_that_are_in_it(text: str, seed: int) -> None:
    words = words_of(text, 0, len(text))
    assert all(text[word.start : word.end] == word.text for word in words)
    asked = ask_for_phrase(text, words, (0.5, 1.0), 0.5, random.Random(seed))
    if asked is not None:
        assert text[asked.start : asked.start + len(asked.answer)] == asked.answer != ""
