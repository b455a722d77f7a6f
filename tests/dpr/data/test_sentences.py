from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpr.data.sentences import sentence_spans


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text)]


@pytest.mark.parametrize(
    "parts",
    [
        ["Tesla left in 1900.", "He went to New York."],
        ["Dr. J. R. Smith met Mr. Lee at 5 p.m. on Jan. 5.", "They talked."],
        ["He lived in the U.S. Army base.", "It closed."],
        ["She moved to the U.S.", "The war had ended."],
        ["It is a book by A. A. Milne and J. I. Packer.", "A dog left the U.S.", "A war ended."],
        ["It cost $3.5 million.", "Prices rose 2.7 percent."],
        ["It ended in 1990.", "Peace came."],
        ['"Why?" he asked.', '"Because," she said.'],
        ["He said “No.”", "Then he left.[12]", "Nothing followed."],
        ["Really?!", "Yes!", "Say what?", "no way"],
        ["Cats, dogs, etc. are animals.", "Trees (e.g. oaks) are not."],
        ["1. Introduction to the field.", "2. Methods."],
        ["See Fig. 3 and No. 7 vs. the others.", "It works."],
        ["a. The first result of the survey.", "II. Results.", "1.2. Methods."],
        [
            "제3조. 목적은 이것이다.",
            "제3조의2. 정의는 다음과 같다.",
            "2항. 비밀은 지킨다.",
            "가. 병가는 60일이다.",
            "나. 휴직",
        ],
        ["그 근거는 민법 제3조.", "예외는 없다."],
        ["Panic! at the Disco is a band.", "Who Wants to Be a Millionaire? was a show.", "Stop! he cried."],
        ["Yahoo! Inc. was sold.", "He worked for Yahoo!", "Income fell."],
        ["What is it?", "iPhone sales fell.", "이것은 무엇인가?", "e스포츠는 경기이다."],
        ["Does anybody else have this problem?", "is there any solution?"],
        ["Wait... there is more.", "Good."],
        ["서울은 수도이다.", "부산은 항구이다."],
        ["원주율은 3.14이다.", "약 3.5배이다."],
        ["그는 “나는 간다.”라고 말했다.", "그리고 떠났다."],
        ['그는 "나는 간다."라고 말했다.', "'왜?'고 물었다.", "그리고 떠났다."],
        ["2018. 5. 3. 문을 열었다.", "지금도 있다."],
        ["정말 그런가?", "그렇다!", "끝."],
        ["그는 떠났다.[3]", "“다시 오겠다.”", "그 말뿐이었다."],
        ["これは文です。", "次の文です。"],
    ],
)
def test_sentences_are_told_apart(parts: list[str]) -> None:
    assert sentences(" ".join(parts)) == parts


def test_korean_sentences_may_follow_without_a_blank() -> None:
    assert sentences("그는 떠났다.그리고 돌아왔다.“왜?”라고 물었다.") == [
        "그는 떠났다.",
        "그리고 돌아왔다.",
        "“왜?”라고 물었다.",
    ]
    assert sentences('그는 떠났다."왜?"라고 물었다.') == ["그는 떠났다.", '"왜?"라고 물었다.']


def test_a_line_break_ends_a_sentence() -> None:
    assert sentences("A heading\n\nthe text goes on\r\nhere") == ["A heading", "the text goes on", "here"]


@pytest.mark.parametrize("text", ["Mr. ", "A! a ", "...... ", "1990. ", " \t", "a\n", ".", "다.", '다."라', "'다.\"라"])
def test_time_grows_with_the_length_alone(text: str) -> None:
    long = text * (400_000 // len(text))
    started = time.process_time()
    assert sum(end - start for start, end in sentence_spans(long)) <= len(long)
    assert time.process_time() - started < 5  # what looks back or ahead without a bound takes minutes


@given(st.text(st.sampled_from(list('AaB.?! \n\t"”1다가。[]\u2028')), max_size=80))
def test_spans_are_ordered_trimmed_and_hold_everything(text: str) -> None:
    end_before = 0
    for start, end in sentence_spans(text):
        assert end_before <= start < end
        assert not text[end_before:start].strip()
        assert text[start:end] == text[start:end].strip()
        end_before = end
    assert not text[end_before:].strip()
