from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from dpr.models.checkpoint import load_tokenizer
from dpr.models.tokens import (
    clip,
    count_tokens,
    length_sorted_batches,
    pad,
    text_tokens,
    tokenize_and_measure,
    tokenize_passages,
    tokenize_questions,
)
from dpr.types import Passage

CLS, SEP = 2, 3


@pytest.fixture(scope="module")
def tokenizer(tiny_checkpoint: Path) -> Any:
    return load_tokenizer(tiny_checkpoint)


def test_a_question_stands_between_cls_and_sep_and_is_cut(tokenizer: Any) -> None:
    whole, cut = tokenize_questions(tokenizer, ["abc", "abcdefghijklmnop"], 8)
    assert (whole[0], whole[-1], len(whole)) == (CLS, SEP, 5)
    assert (cut[0], cut[-1], len(cut)) == (CLS, SEP, 8)


def test_a_passage_is_title_and_text_in_the_order_given(tokenizer: Any) -> None:
    passages = [Passage("1", "xy", "ab"), Passage("2", "xy"), Passage("3", "zz", "ab")]
    first, second, third = tokenize_passages(tokenizer, passages, 16)
    assert [first.count(SEP), second.count(SEP), third.count(SEP)] == [2, 1, 2]
    assert second == tokenize_questions(tokenizer, ["xy"], 16)[0]
    assert first[:4] == third[:4]


def test_a_passage_that_was_cut_is_told_from_one_that_was_not(tokenizer: Any) -> None:
    passages = [
        Passage("fits", "x" * 6), Passage("long", "x" * 7), Passage("titled", "x" * 3, "ab"),
        Passage("too long with its title", "x" * 4, "ab"), Passage("long title", "x", "abcde"), Passage("empty", ""),
    ]  # fmt: skip
    measured = tokenize_and_measure(tokenizer, passages, 8)
    assert [is_cut for _, is_cut in measured] == [False, True, False, True, True, False]
    assert [tokens for tokens, _ in measured] == tokenize_passages(tokenizer, passages, 8)


def test_a_long_title_leaves_room_for_the_text(tokenizer: Any) -> None:
    [tokens] = tokenize_passages(tokenizer, [Passage("1", "x" * 100, "a" * 100)], 32)
    assert len(tokens) == 32
    assert tokens.index(SEP) < 20


def test_a_prompt_stands_before_the_title_or_else_the_text(tokenizer: Any) -> None:
    passages = [Passage("1", "xy", "ab"), Passage("2", "xy")]
    prompted = [Passage("1", "xy", "p: ab"), Passage("2", "p: xy")]
    assert tokenize_passages(tokenizer, passages, 16, "p: ") == tokenize_passages(tokenizer, prompted, 16)
    assert tokenize_questions(tokenizer, ["xy"], 16, "p: ") == tokenize_questions(tokenizer, ["p: xy"], 16)


@pytest.mark.parametrize("max_tokens", [8, 12, 32])
def test_a_prompt_and_a_long_title_leave_a_token_of_the_text(tokenizer: Any, max_tokens: int) -> None:
    [tokens] = tokenize_passages(tokenizer, [Passage("1", "x" * 100, "a" * 100)], max_tokens, "a prompt: ")
    assert len(tokens) == max_tokens
    assert tokens[tokens.index(SEP) + 1] != SEP


def test_a_tokenizer_without_a_separator_gets_title_and_text_as_one_text() -> None:
    words = Tokenizer(models.WordLevel({"?": 0, "ab": 1, "xy": 2, "p:": 3}, "?"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words)
    assert tokenize_passages(tokenizer, [Passage("1", "xy", "ab")], 16, "p: ") == [[3, 1, 2]]


def test_clip_keeps_the_first_tokens_and_whole_short_texts(tokenizer: Any) -> None:
    assert clip(tokenizer, "abcdef ghi", 4) == "abcd"
    assert clip(tokenizer, "abc", 4) == "abc"
    assert clip(tokenizer, "", 4) == ""


def test_count_tokens_leaves_special_tokens_out(tokenizer: Any) -> None:
    assert count_tokens(tokenizer, "abc de") == 5


def test_pad_masks_what_it_adds() -> None:
    batch = pad([[2, 5, 3], [2, 5, 6, 7, 3]], pad_id=0)
    assert batch["input_ids"].tolist() == [[2, 5, 3, 0, 0], [2, 5, 6, 7, 3]]
    torch.testing.assert_close(batch["attention_mask"].sum(1), torch.tensor([3, 5]))


@given(st.lists(st.integers(1, 50), max_size=60), st.integers(1, 120))
def test_batches_hold_every_text_once_within_the_budget(lengths: Sequence[int], budget: int) -> None:
    batches = list(length_sorted_batches(lengths, budget))
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        longest = max(lengths[index] for index in batch)
        assert len(batch) == 1 or longest * len(batch) <= budget
    firsts = [lengths[batch[0]] for batch in batches]
    assert firsts == sorted(firsts, reverse=True)


@pytest.mark.parametrize(
    ("lengths", "batches"),
    [
        ([30] * 12, [12]),  # alike
        ([48] + [30] * 12, [1, 12]),  # one long text pads twelve
        ([48, 30, 30], [3]),  # padding two costs less than another batch
        ([30] * 12 + [12] * 12, [12, 12]),
        ([31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17], [15]),  # of one padded width
    ],
)
def test_a_batch_ends_where_padding_costs_more_than_another_batch(lengths: list[int], batches: list[int]) -> None:
    assert [len(batch) for batch in length_sorted_batches(lengths, 2048)] == batches


def test_texts_of_all_lengths_are_one_batch_where_padding_costs_nothing() -> None:
    lengths = [500, 8, 8, 8]
    assert len(list(length_sorted_batches(lengths, 4096))) > 1
    assert [len(batch) for batch in length_sorted_batches(lengths, 4096, is_padded=False)] == [4]


def test_full_width_and_enclosed_forms_are_read_as_the_plain_ones(tokenizer: Any) -> None:
    forms, plain = "ａｂｃ ① ﬁ", "abc 1 fi"
    assert tokenize_questions(tokenizer, [forms], 32) == tokenize_questions(tokenizer, [plain], 32)
    titled = [Passage("1", text, text) for text in (forms, plain)]
    first, second = tokenize_passages(tokenizer, titled, 32)
    assert first == second
    assert count_tokens(tokenizer, forms) == count_tokens(tokenizer, plain)
    assert clip(tokenizer, "ａｂｃｄ", 2) == "ab"


@pytest.mark.parametrize("prompt", ["", "p: "])
@pytest.mark.parametrize("title", ["", "a b", "t " * 40])
def test_the_tokens_of_a_text_that_are_read_fit_beside_prompt_and_title(
    prompt: str, title: str, tokenizer: Any
) -> None:
    [read] = text_tokens(tokenizer, [Passage("1", "x " * 100, title)], 32, prompt)
    assert read.total == 100
    fitting, too_long = (Passage("1", "x " * count, title) for count in (read.read, read.read + 2))
    head = len(tokenize_passages(tokenizer, [Passage("1", "", title)], 32, prompt)[0])
    assert len(tokenize_passages(tokenizer, [fitting], 32, prompt)[0]) == head + read.read <= 32
    assert tokenize_and_measure(tokenizer, [too_long], 32, prompt)[0][1]


class OneAtATime:
    """A tokenizer that two threads must not use at once, because where it cuts texts is a state of it."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.working = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.tokenizer, name)

    def __call__(self, *texts: Any, **options: Any) -> Any:
        self.working += 1
        time.sleep(0.02)
        assert self.working == 1
        self.working -= 1
        return self.tokenizer(*texts, **options)


def test_threads_take_turns_at_a_tokenizer(tiny_checkpoint: Path) -> None:
    tokenizer = OneAtATime(load_tokenizer(tiny_checkpoint))
    calls: list[Callable[[], object]] = [
        lambda: tokenize_questions(tokenizer, ["a b c d e f"], 5),
        lambda: count_tokens(tokenizer, "a b c d e f"),
        lambda: clip(tokenizer, "a b c d e f", 3),
        lambda: text_tokens(tokenizer, [Passage("p", "a b c", title="d")], 16),
    ]
    with ThreadPoolExecutor(len(calls)) as pool:
        for finished in [pool.submit(call) for call in calls * 3]:
            finished.result()
