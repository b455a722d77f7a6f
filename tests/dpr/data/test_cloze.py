"""Questions made of passages: what they are made of, what they point at, and that they are the same each time."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpr.data.cloze import Cloze, cloze_examples, joined_lines
from dpr.data.identity import content_id
from dpr.errors import ConfigError, DataError
from dpr.types import Example, Passage

ENGLISH = Passage(
    "harbour",
    "The old harbour was dredged in the spring of 1871. Three wooden cranes, built by a local joiner, stood on its "
    "northern quay. Every evening a boy rowed out to light the lamps (there were nine of them). Too short.",
    "Harbour",
)
KOREAN = Passage(
    "우물",
    "마을의 우물은 느티나무 아래에 있었다. 할머니는 새벽마다 두레박으로 물을 길어 장독대에 부었다. "
    "가뭄이 들던 해에는 이웃 마을에서도 물을 얻으러 왔다. 그 우물을 판 사람은 떠돌이 석공이다.",
    "우물",
)
PASSAGES = (ENGLISH, KOREAN)
PLAIN = {"bare": 0.0, "shuffled": 0.0, "titled": 0.0}
EDGES = ".,()"


def examples(*passages: Passage, **settings: Any) -> list[Example]:
    return list(cloze_examples(passages or PASSAGES, Cloze(**{"window": 80, **settings})))


def test_the_same_seed_makes_the_same_questions() -> None:
    assert examples(seed=7, questions=5) == examples(seed=7, questions=5)
    assert examples(seed=7, questions=5) != examples(seed=8, questions=5)


@pytest.mark.parametrize("passage", PASSAGES, ids=["english", "korean"])
def test_windows_are_exact_pieces_in_order_that_do_not_overlap(passage: Passage) -> None:
    windows = list(dict.fromkeys(example.positives[0] for example in examples(passage)))
    assert len(windows) > 1
    for window in windows:
        assert len(window.text) <= 80
        assert passage.text[window.start : window.end] == window.text
        assert (window.id, window.document_id, window.title) == (content_id(window.text), passage.id, passage.title)
    assert all(first.end <= second.start for first, second in pairwise(windows))


def test_a_window_of_a_piece_knows_its_place_in_the_whole_document() -> None:
    document = "A preface of no interest whatever. " + ENGLISH.text
    piece = Passage("book#1", ENGLISH.text, "Harbour", "book", document.index(ENGLISH.text))
    for example in examples(piece):
        [window] = example.positives
        assert (window.document_id, document[window.start : window.end]) == ("book", window.text)


@pytest.mark.parametrize("window", [0, 300])
def test_a_passage_that_fits_stays_as_it_is(window: int) -> None:
    assert {example.positives for example in examples(window=window)} == {(ENGLISH,), (KOREAN,)}


def test_questions_have_ids_of_their_own_made_of_their_windows() -> None:
    found = examples(questions=3, seed=2)
    assert len({example.question.id for example in found}) == len(found)
    for example in found:
        assert re.fullmatch(rf"{example.positives[0].id}-[012]", example.question.id)
        assert (example.question.answers, example.negatives, example.is_impossible) == ((), (), False)


def sentences(passage: Passage) -> list[str]:
    return [sentence.strip() for sentence in re.split(r"(?<=[.])\s", passage.text)]


@given(st.integers(0, 10_000))
def test_the_words_of_a_question_are_one_sentences_in_its_order(seed: int) -> None:
    for example in examples(seed=seed, window=0, **PLAIN):
        asked = example.question.text.split()
        assert len(asked) >= 3
        assert any(is_subsequence(asked, words_of(sentence)) for sentence in sentences(example.positives[0]))


def words_of(sentence: str) -> list[str]:
    return [word.strip(EDGES) for word in sentence.split()]


def is_subsequence(asked: list[str], words: list[str]) -> bool:
    remaining = iter(words)
    return all(word in remaining for word in asked)


@given(st.integers(0, 10_000))
def test_a_changed_word_is_still_the_beginning_of_one_of_the_sentence(seed: int) -> None:
    for example in examples(KOREAN, seed=seed, window=0, bare=1.0, shuffled=1.0, titled=0.0):
        found = [
            all(any(word.startswith(asked) for word in words_of(sentence)) for asked in example.question.text.split())
            for sentence in sentences(KOREAN)
        ]
        assert any(found)


def one_question(text: str, **settings: float) -> str:
    [example] = examples(Passage("p", text, "제목"), questions=1, least_kept=1.0, most_kept=1.0, **settings)
    return example.question.text


def test_particles_go_also_before_a_full_stop() -> None:
    assert one_question("우물을 판 사람은 떠돌던 석공이다.", **{**PLAIN, "bare": 1.0}) == "우물 판 사람 떠돌던 석공"
    assert one_question("우물을 판 사람은 떠돌던 석공이다.", **PLAIN) == "우물을 판 사람은 떠돌던 석공이다"


def test_a_word_of_two_syllables_keeps_what_looks_like_a_particle() -> None:
    assert one_question("아이 둘이 나를 보았다.", **{**PLAIN, "bare": 1.0}) == "아이 둘이 나를 보았다"


def test_signs_are_no_words() -> None:
    assert one_question("Nine lamps – (all of “brass”) – burned!", **PLAIN) == "Nine lamps all of brass burned"


def test_order_and_title() -> None:
    text = "One two three four five six seven."
    assert one_question(text, **{**PLAIN, "titled": 1.0}) == "제목 One two three four five six seven"
    shuffled = one_question(text, **{**PLAIN, "shuffled": 1.0}, seed=3)
    assert shuffled != "One two three four five six seven"
    assert sorted(shuffled.split()) == sorted(["One", "two", "three", "four", "five", "six", "seven"])


def test_as_many_words_are_kept_as_the_shares_say() -> None:
    text = " ".join(f"word{number}" for number in range(12)) + "."
    found = examples(Passage("p", text), questions=200, least_kept=0.5, most_kept=0.5, window=0, **PLAIN)
    mean = sum(len(example.question.text.split()) for example in found) / len(found)
    assert mean == pytest.approx(6.0, abs=0.4)
    assert min(len(example.question.text.split()) for example in found) >= 3
    fewest = examples(Passage("p", text), questions=50, least_kept=0.0, most_kept=0.0, **PLAIN)
    assert {len(example.question.text.split()) for example in fewest} == {3}
    assert len({example.question.text for example in fewest}) > 20  # not always the first three


def test_a_short_sentence_beside_a_long_one_is_never_asked() -> None:
    long = "The ferry left before the fog came down"
    passage = Passage("p", f"Yes. No. {long}. Why?")
    for seed in range(10):
        [example] = examples(passage, seed=seed, questions=1, **PLAIN)
        assert "Yes" not in example.question.text
        assert is_subsequence(
            example.question.text.split(), ["The", "ferry", "left", "before", "the", "fog", "came", "down"]
        )


def test_questions_that_come_out_alike_are_one() -> None:
    [example] = examples(Passage("p", "Three plain words."), questions=9, **PLAIN)
    assert example.question.text == "Three plain words"
    assert examples(Passage("p", "Two words. Or one.")) == []


def test_a_window_that_comes_again_is_left_out() -> None:
    again = Passage("another", KOREAN.text, "다른 제목")
    ids = [example.question.id for example in examples(KOREAN, again, KOREAN)]
    assert len(ids) == len(set(ids))
    assert {example.positives[0].document_id for example in examples(KOREAN, again)} == {"우물"}


def test_one_id_for_two_texts_is_refused() -> None:
    with pytest.raises(DataError, match="passage id 'harbour' occurred before with another title, text or field"):
        examples(ENGLISH, Passage("harbour", KOREAN.text), window=0)


def test_lines_are_joined_up_to_a_size() -> None:
    lines = ["a" * 40, "b" * 40, "c" * 40, "d" * 200, "e"]
    assert [passage.text for passage in joined_lines(lines, 81)] == [
        f"{'a' * 40}\n{'b' * 40}",
        "c" * 40,
        "d" * 200,
        "e",
    ]
    assert [passage.text for passage in joined_lines(lines, 0)] == lines
    assert all(passage.id == content_id(passage.text) for passage in joined_lines(lines, 81))


def test_the_end_of_a_line_is_the_end_of_a_sentence() -> None:
    [joined] = joined_lines(["비가 오는 날", "국수 한 그릇"], 100)
    for seed in range(5):
        for example in examples(joined, seed=seed, **PLAIN):
            assert example.question.text in ("비가 오는 날", "국수 한 그릇")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"questions": 0}, "questions is 0; it must be at least 1"),
        ({"window": -1}, "window is -1; give a number of characters"),
        ({"bare": 1.5}, "bare is 1.5; choose a share"),
        ({"titled": float("nan")}, "titled is nan; choose a share"),
        ({"least_kept": 0.9, "most_kept": 0.2}, "least_kept is 0.9; it must be at most most_kept, 0.2"),
    ],
)
def test_settings_out_of_range_are_one_sentence(settings: dict[str, float], sentence: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(sentence)) as raised:
        examples(**settings)
    assert "\n" not in str(raised.value)
