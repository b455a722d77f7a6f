"""Bytes in, text out: however the bytes are cut, and whatever they are."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpr.reader.generative.sse import MAX_LINE_BYTES, MAX_REPLY_CHARACTERS, BrokenStreamError, Delta, read_events
from tests.fake_generator import DONE, event

REPLY = event("세종대왕은 ") + event("1443년에 ‘한글’을 😀\u2028 만들었다 [1]") + event(finish="stop") + DONE
DELTAS = [Delta("세종대왕은 "), Delta("1443년에 ‘한글’을 😀\u2028 만들었다 [1]"), Delta("", "stop")]


@given(st.lists(st.integers(0, len(REPLY)), max_size=12))
def test_characters_stay_whole_wherever_the_bytes_are_cut(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(REPLY)]
    chunks = [REPLY[start:end] for start, end in pairwise(places)]
    assert list(read_events(chunks)) == DELTAS


@given(st.binary(max_size=200))
def test_no_bytes_are_an_accident(data: bytes) -> None:
    with suppress(BrokenStreamError):
        list(read_events([data, b"\ndata: ", data, b"\n"]))


def test_what_is_no_text_of_the_reply_is_passed_over() -> None:
    events = [
        b": comment\r\n", b"event: message\r\n", b"id: 7\r\n", b"\r\n",
        b'data: {"choices": []}\n', b'data: {"type": "ping"}\n',
        b'data: {"choices": [{"delta": {"role": "assistant", "content": null}}]}\n',
        b'data: {"choices": [{"delta": {"reasoning_content": "hm"}}]}\n',
        b'data:{"choices": [{"delta": {"content": "yes"}}]}\r\n', DONE,
    ]  # fmt: skip
    assert list(read_events(events)) == [Delta("yes")]


def test_what_follows_the_end_is_not_read() -> None:
    assert list(read_events([event("a"), DONE, event("b")])) == [Delta("a")]


def test_what_no_terminal_can_show_is_left_out() -> None:
    hostile = b'data: {"choices": [{"delta": {"content": "a\\u001b[2Jb\\ud83d\\tc\\nd\\u0000"}}]}\n'
    assert list(read_events([hostile, DONE])) == [Delta("a[2Jb\tc\nd")]


@pytest.mark.parametrize(
    ("chunks", "cause"),
    [
        ([], "broke off"),
        ([event("half")], "broke off"),
        ([event("x"), b"data: [1, 2]\n"], "no chat completion"),
        ([b"data: nonsense\n"], "not JSON"),
        ([b"data: " + b"[" * 100_000 + b"\n"], "not JSON"),
        ([b'data: {"error": {"code": 500}}\n'], "reported an error"),
        ([b"data: " + b"x" * (MAX_LINE_BYTES + 1)], "a line of more than"),
        ([event("x" * 1000)] * (MAX_REPLY_CHARACTERS // 1000 + 1), "more than 20,000 characters"),
    ],
)
def test_a_stream_that_is_no_reply_says_why(chunks: list[bytes], cause: str) -> None:
    with pytest.raises(BrokenStreamError, match=cause):
        list(read_events(chunks))
