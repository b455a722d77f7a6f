"""What Korean writes onto a noun, and what it begins."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpr.evaluation.particles import end_of_word


def belongs(noun: str, tail: str, *, is_syllable: bool = False) -> bool:
    """Tell whether the tail is read as written onto the noun, up to the word's end."""
    text = f"그 {noun}{tail} 간다"
    return end_of_word(text, 2 + len(noun), is_syllable=is_syllable) == 2 + len(noun) + len(tail)


@pytest.mark.parametrize(
    ("noun", "tails"),
    [
        ("부산", "은 이 을 과 으로 이다 이라는 이었다 이나 의 에서는 으로부터 까지만 만을 에게까지 뿐이다 인 일"),
        ("제주", "는 가 를 와 로 다 라는 였다 였으며 나 의 에서만 로서의 와의 부터는 이자 에서였다 라고도"),
        ("서울", "은 이 을 과 로 로는 이랑"),
        ("학생", "들 들이 들은 들에게 들이다"),
        ("홍길동", "씨 씨가 님은 측의 등 등이"),
        ("사망", "했다 하였으며 한 된 되었다 시켰다 당했다"),
        ("십년", "간 동안 쯤 째 경에 가량 정도 이상 만에 이후의"),
    ],
)
def test_what_is_written_onto_a_noun(noun: str, tails: str) -> None:
    refused = [tail for tail in ["", *tails.split()] if not belongs(noun, tail)]
    assert not refused


@pytest.mark.parametrize(
    ("noun", "tails"),
    [
        ("부산", "는 가 를 와 로 역 대학교 시청에 항에서 였다"),
        ("제주", "은 이 을 과 으로 도청 공항 산"),
        ("서울", "으로 는 대 역의 특별시는"),
        ("역사", "적 적인 성 화"),
    ],
)
def test_what_makes_another_word(noun: str, tails: str) -> None:
    accepted = [tail for tail in tails.split() if belongs(noun, tail)]
    assert not accepted


@pytest.mark.parametrize(
    ("noun", "tail", "alone", "in_a_name"),
    [
        ("신", "을", True, True),
        ("신", "에게는", True, True),
        ("신", "이라고", True, True),
        ("신", "까지도", True, True),
        ("정", "도", False, True),  # 정도 is a word of its own, and so are 북한 and 하나
        ("북", "한", False, True),
        ("하", "나", False, True),
        ("사", "람", False, False),
        ("나", "이", False, False),
    ],
)
def test_one_syllable_alone_takes_less(noun: str, tail: str, alone: bool, in_a_name: bool) -> None:
    assert belongs(noun, tail, is_syllable=True) is alone
    assert belongs(noun, tail) is in_a_name


@given(noun=st.text("가각나달산", min_size=1, max_size=2), tail=st.text("은는이가들까지했다에서", max_size=5))
def test_what_one_syllable_may_have_others_may_have_too(noun: str, tail: str) -> None:
    assert belongs(noun, tail) or not belongs(noun, tail, is_syllable=True)


def test_a_very_long_word_is_no_burden() -> None:
    text = "산" + "에서만" * 100_000
    began = time.process_time()
    assert end_of_word(text, 1) is None
    assert time.process_time() - began < 0.5
