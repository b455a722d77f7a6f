"""The contract that every analyzer keeps."""

from __future__ import annotations

import subprocess
import sys
import unicodedata
from itertools import islice, repeat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpr.errors import ConfigError
from dpr.text.registry import ANALYZERS, DEFAULT_ANALYZER, analyzer
from dpr.types import Analyzer

TEXTS = [
    "English first, before any Hangul.",
    "",
    "KBS는 2018년 서울에서 AI를 도입했다.",
    "大韓民國 😀 \x00 \t\n",
    "서울에서 만난 학생들은 책을 읽었다. The books were read.",
    "no Hangul again",
]

TEXT = st.text(st.sampled_from(list("가나다서울을 는ㅋaAbBé12.,'-_\n漢😀\u200b\ud800")), max_size=60)


@pytest.fixture(params=list(ANALYZERS))
def any_analyzer(request: pytest.FixtureRequest) -> Analyzer:
    return analyzer(request.param)


def test_a_batch_gives_each_texts_terms_in_order(any_analyzer: Analyzer) -> None:
    assert list(any_analyzer.batch(TEXTS)) == [any_analyzer.terms(text) for text in TEXTS]
    assert list(any_analyzer.batch(iter(TEXTS * 30))) == [any_analyzer.terms(text) for text in TEXTS] * 30
    assert list(any_analyzer.batch([])) == []


def test_a_batch_may_have_no_end(any_analyzer: Analyzer) -> None:
    [first] = islice(any_analyzer.batch(repeat("서울 Library")), 1)
    assert first == any_analyzer.terms("서울 Library")


def test_a_question_is_analysed_alone_and_in_a_batch_alike(any_analyzer: Analyzer) -> None:
    alone = [question for text in TEXTS for question in any_analyzer.questions([text])]
    assert list(any_analyzer.questions(iter(TEXTS))) == alone


def test_a_long_question_without_stop_words_has_the_terms_of_a_passage(any_analyzer: Analyzer) -> None:
    text = "서울 KBS 학교 library GPT4 years"
    [question] = any_analyzer.questions([text])
    assert question.terms == any_analyzer.terms(text)


def test_the_other_spellings_of_a_question_are_terms_of_passages(any_analyzer: Analyzer) -> None:
    [question] = any_analyzer.questions(["old databases and data bases"])
    if any_analyzer.name == "words":
        assert (question.pairs, question.words, any_analyzer.halves("databases")) == ((), {}, [])
        return
    [whole] = [term for term, word in question.words.items() if word == "databases"]
    assert any_analyzer.terms("databases") == [whole]
    assert whole in [joined for _, _, joined in question.pairs]
    assert tuple(any_analyzer.terms("data bases")) in any_analyzer.halves("databases")


def test_width_enclosure_signs_and_invisible_characters_do_not_matter(any_analyzer: Analyzer) -> None:
    for forms, plain in (
        ("２００４ ＡＢＣ", "2004 ABC"),
        ("㎞ ㎡ ① ㈜한글", "km m2 1 (주)한글"),
        ("ﾡￂ방 ㄱㅏ방 한\u200b글", "가방 가방 한글"),
        ("don’t wi\u2011fi 1−2", "don't wi-fi 1-2"),
        ("so\u00adft 5\u00a0km ﬁn Ⅳ", "soft 5 km fin IV"),
    ):
        assert any_analyzer.terms(forms) == any_analyzer.terms(plain)


def test_unicode_form_case_and_width_do_not_matter(any_analyzer: Analyzer) -> None:
    expected = any_analyzer.terms("서울 KBS 학교")
    assert any_analyzer.terms(unicodedata.normalize("NFD", "서울 KBS 학교")) == expected
    assert any_analyzer.terms("서울 ｋｂｓ 학교") == expected


def test_name_and_version_are_told(any_analyzer: Analyzer) -> None:
    assert any_analyzer.name in ANALYZERS
    assert analyzer(any_analyzer.name) is any_analyzer
    assert any_analyzer.version[0].isdigit()


@settings(max_examples=40, deadline=None)
@given(TEXT)
def test_terms_are_words_that_can_be_stored(text: str) -> None:
    for name in ANALYZERS:
        for term in analyzer(name).terms(text):
            assert term
            assert term == term.strip()
            assert term.encode("utf-8")


def test_versions_name_the_libraries_that_shape_the_terms() -> None:
    assert DEFAULT_ANALYZER == "ko-en"
    for part in ("PyStemmer-", "kiwipiepy-", "kiwipiepy_model-"):
        assert part in analyzer(DEFAULT_ANALYZER).version


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="unknown analyzer 'kiwi'; use one of ko-en, korean, english, words, ngram"):
        analyzer("kiwi")


def test_english_needs_no_kiwi() -> None:
    code = "import sys; from dpr.text.registry import analyzer; analyzer('english').terms('서울 x'); "
    code += "raise SystemExit('kiwipiepy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
