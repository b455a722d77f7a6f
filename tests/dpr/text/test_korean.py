from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest

from dpr.text.korean import KoreanRules, MorphemeAnalyzer, Morphemes, shared_morphemes


@pytest.fixture(scope="module")
def morphemes() -> Morphemes:
    return shared_morphemes()


@pytest.mark.parametrize(
    ("text", "forms"),
    [
        ("서울에서는 아름다운 학생들을 만났다.", ["서울", "아름답", "학생", "만나"]),
        ("KBS는 2018년 AI를 도입했다.", ["도입"]),
        ("그것은 무엇인가?", []),
        ("Only English, 漢字 and 1990", []),
    ],
)
def test_only_korean_content_morphemes_are_left(morphemes: Morphemes, text: str, forms: list[str]) -> None:
    assert morphemes(text) == forms


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("서울에서는 사건의 이름을", "서울|에서는 |사건|의 |이름|을"),
        ("KBS는 2018년", "|KBS|는 |2018|년"),
        ("대통령선거", "대통령|선거"),
        ("no Hangul here", "no Hangul here"),
    ],
)
def test_bounds_part_what_has_a_meaning_from_its_endings(morphemes: Morphemes, text: str, parts: str) -> None:
    places = [0, *morphemes.bounds(text), len(text)]
    pieces = [text[first:last] for first, last in pairwise(dict.fromkeys(places))]
    assert pieces == [part for part in parts.split("|") if part]


def test_bounds_of_a_long_text_are_those_of_its_parts(morphemes: Morphemes) -> None:
    sentence = "서울에서는 학생을 만났다. "
    expected = morphemes.bounds(sentence)
    found = morphemes.bounds(sentence * 1_000)
    assert found == [number * len(sentence) + place for number in range(1_000) for place in expected]


def test_kiwi_is_not_loaded_before_the_first_hangul() -> None:
    morphemes = Morphemes()
    analyzer = MorphemeAnalyzer("korean", "1", KoreanRules(), morphemes)
    assert analyzer.terms("no Korean") == ["no", "korean"]
    assert list(analyzer.batch(["not", "here"])) == [["not"], ["here"]]
    assert morphemes._kiwi is None


def test_long_texts_take_time_in_proportion_to_their_length(morphemes: Morphemes) -> None:
    sentence = "한국어 문서를 읽는다. "
    started = time.process_time()
    forms = morphemes(sentence * 5_000)
    assert forms == morphemes(sentence) * 5_000
    assert time.process_time() - started < 10  # taken as one text it is half a minute


def test_a_long_text_without_blanks_is_cut_all_the_same(morphemes: Morphemes) -> None:
    assert len(morphemes("한국어문서입니다." * 2_000)) > 3_900


def test_batches_hold_long_texts_and_texts_without_hangul(morphemes: Morphemes) -> None:
    texts = ["가방", "english", "", "한국어 문서를 읽는다. " * 1_000, " \n", "서울"]
    assert list(morphemes.batch(texts)) == [morphemes(text) for text in texts]


def test_a_batch_looks_ahead_only_so_far(morphemes: Morphemes) -> None:
    taken = 0

    def texts() -> Iterator[str]:
        nonlocal taken
        for number in range(5_000):
            taken += 1
            yield f"{number}번째 문서"

    analyzer = MorphemeAnalyzer("korean", "1", KoreanRules(), morphemes)
    batch = analyzer.batch(texts())
    assert [next(batch) for _ in range(3)][2] == ["번", "문서", "2"]
    assert taken < 500


def test_an_error_in_the_texts_reaches_the_caller(morphemes: Morphemes) -> None:
    def texts() -> Iterator[str]:
        yield "서울"
        raise ValueError("line 2")

    with pytest.raises(ValueError, match="line 2"):
        list(morphemes.batch(texts()))


def test_one_instance_serves_many_threads(morphemes: Morphemes) -> None:
    texts = [f"{number}번 학생이 서울에서 책 {number}권을 읽었다." for number in range(60)]
    expected = [morphemes(text) for text in texts]
    found: list[list[list[str]]] = []

    def single() -> None:
        found.append([morphemes(text) for text in texts])

    def batch() -> None:
        found.append(list(morphemes.batch(texts)))

    threads = [threading.Thread(target=work) for work in (single, batch, single, batch)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4
