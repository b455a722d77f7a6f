"""Tokenize texts: the same lengths and special tokens for training, indexing and serving.

Models read text in its plain form: full-width letters, enclosed numbers and other variants are folded
(`dpr.text.normalize.fold_forms`), so that a question in one form matches a passage in another.

A title and a text are one pair, ``[CLS] title [SEP] text [SEP]``, with segment 0 throughout as in the original DPR
code: encoders trained on single texts, such as the offline base, do not know segment 1.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from dpr.measured import TokensRead
from dpr.models.shapes import TILE, rounded_up
from dpr.text.normalize import fold_forms
from dpr.types import Passage

Batch = dict[str, torch.Tensor]


STARTS_IN_A_BATCH = 16
"""Batches of a new shape that are started in the time of a full one: 5 ms each, against 90 (decision 0033)."""

Tokens = list[int]
"""The token ids of one text, with special tokens."""

_tokenizing = threading.Lock()
"""Held while a tokenizer works: where it cuts texts is a state of it, which another call would change meanwhile."""


def tokenize_questions(tokenizer: Any, questions: Sequence[str], max_tokens: int, prompt: str = "") -> list[Tokens]:
    """Return questions, each after the prompt, as ``[CLS] question [SEP]``, cut to ``max_tokens``."""
    prompted = [prompt + question for question in questions]
    return [tokens for tokens, _ in _tokenize(tokenizer, prompted, None, max_tokens)]


def tokenize_passages(tokenizer: Any, passages: Sequence[Passage], max_tokens: int, prompt: str = "") -> list[Tokens]:
    """Return passages as ``[CLS] title [SEP] text [SEP]``, or ``[CLS] text [SEP]`` without a title, with a cut text.

    The prompt precedes the title. If a tokenizer puts no special token between two texts, a space joins them.
    """
    return [tokens for tokens, _ in tokenize_and_measure(tokenizer, passages, max_tokens, prompt)]


def tokenize_and_measure(
    tokenizer: Any, passages: Sequence[Passage], max_tokens: int, prompt: str = ""
) -> list[tuple[Tokens, bool]]:
    """Return the tokens of `tokenize_passages`, each with whether title or text were cut."""
    titled = [index for index, passage in enumerate(passages) if passage.title]
    plain = [index for index, passage in enumerate(passages) if not passage.title]
    measured: dict[int, tuple[Tokens, bool]] = {}
    if titled:
        titles = [_title(tokenizer, prompt, passages[index].title, max_tokens) for index in titled]
        texts = [passages[index].text for index in titled]
        if _joins_pairs(tokenizer):
            encoded = _tokenize(tokenizer, titles, texts, max_tokens)
        else:
            joined = [f"{title} {text}" for title, text in zip(titles, texts, strict=True)]
            encoded = _tokenize(tokenizer, joined, None, max_tokens)
        for index, title, (tokens, is_cut) in zip(titled, titles, encoded, strict=True):
            measured[index] = tokens, is_cut or title != fold_forms(prompt + passages[index].title)
    if plain:
        texts = [prompt + passages[index].text for index in plain]
        measured.update(zip(plain, _tokenize(tokenizer, texts, None, max_tokens), strict=True))
    return [measured[index] for index in range(len(passages))]


def _title(tokenizer: Any, prompt: str, title: str, max_tokens: int) -> str:
    """Return the prompt and the title, which has at most half of the tokens and leaves at least one for the text."""
    longest = max_tokens - int(tokenizer.num_special_tokens_to_add(pair=True)) - 1
    return clip(tokenizer, prompt + clip(tokenizer, title, max_tokens // 2), longest)


def _joins_pairs(tokenizer: Any) -> bool:
    return bool(tokenizer.num_special_tokens_to_add(pair=True) > tokenizer.num_special_tokens_to_add(pair=False))


def clip(tokenizer: Any, text: str, max_tokens: int) -> str:
    """Return a text's plain form, cut after its first ``max_tokens`` tokens, without special tokens."""
    text = fold_forms(text)
    with _tokenizing:
        encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    offsets = encoded["offset_mapping"]
    return text if len(offsets) <= max_tokens else text[: offsets[max_tokens - 1][1]]


def count_tokens(tokenizer: Any, text: str) -> int:
    """Return a text's number of tokens, without special tokens."""
    with _tokenizing:
        return len(tokenizer(fold_forms(text), add_special_tokens=False, verbose=False)["input_ids"])


def text_tokens(tokenizer: Any, passages: Sequence[Passage], max_tokens: int, prompt: str = "") -> list[TokensRead]:
    """Return the number of tokens of each passage's text that `tokenize_passages` keeps, and of all."""
    heads = list(dict.fromkeys(passage.title for passage in passages))
    room_after = dict(zip(heads, _rooms(tokenizer, heads, max_tokens, prompt), strict=True))
    totals = _counts(tokenizer, [passage.text for passage in passages])
    return [
        TokensRead(min(total, room_after[passage.title]), total)
        for passage, total in zip(passages, totals, strict=True)
    ]


def _rooms(tokenizer: Any, titles: Sequence[str], max_tokens: int, prompt: str) -> list[int]:
    """Return the number of tokens of a text that fit after the prompt and each title.

    Without a special token before the text, one token is reserved for the space.
    """
    heads = [_title(tokenizer, prompt, title, max_tokens) if title else prompt for title in titles]
    is_pair = [bool(title) and _joins_pairs(tokenizer) for title in titles]
    return [
        max_tokens - int(tokenizer.num_special_tokens_to_add(pair=pair)) - count - int(count > 0 and not pair)
        for pair, count in zip(is_pair, _counts(tokenizer, heads), strict=True)
    ]


def _counts(tokenizer: Any, texts: Sequence[str]) -> list[int]:
    """Return the number of tokens of each text, without special tokens."""
    if not texts:
        return []
    with _tokenizing:
        encoded = tokenizer([fold_forms(text) for text in texts], add_special_tokens=False, verbose=False)
    return [len(encoding.ids) for encoding in encoded.encodings]


def length_sorted_batches(lengths: Sequence[int], batch_tokens: int, is_padded: bool = True) -> Iterator[list[int]]:
    """Yield the indices of texts in batches, longest first, each within a budget of padded tokens.

    The longest batch comes first, so that memory runs out at once or never. A text over the budget is a batch of its
    own. Where padding costs what tokens do, a batch also ends where that of the texts that would follow costs more than
    starting another one (`STARTS_IN_A_BATCH`).
    """
    start_tokens = batch_tokens // STARTS_IN_A_BATCH
    longest_first = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    batch: list[int] = []
    for position, index in enumerate(longest_first):
        if batch:
            longest = lengths[batch[0]]
            room = batch_tokens // max(1, longest) - len(batch)
            padding = rounded_up(longest, TILE) - rounded_up(lengths[index], TILE)
            costs_more = is_padded and padding * min(room, len(lengths) - position) > start_tokens
            if room < 1 or costs_more:
                yield batch
                batch = []
        batch.append(index)
    if batch:
        yield batch


def pad(tokens: Sequence[Tokens], pad_id: int) -> Batch:
    """Return ``input_ids`` and ``attention_mask``, each (N, longest)."""
    width = max(len(ids) for ids in tokens)
    return {
        "input_ids": torch.tensor([ids + [pad_id] * (width - len(ids)) for ids in tokens]),
        "attention_mask": torch.tensor([[1] * len(ids) + [0] * (width - len(ids)) for ids in tokens]),
    }


def _tokenize(tokenizer: Any, texts: list[str], pairs: list[str] | None, max_tokens: int) -> list[tuple[Tokens, bool]]:
    """Return the tokens of each text, or pair of texts, and whether it was cut."""
    if not texts:
        return []
    with _tokenizing:
        encoded = tokenizer(
            [fold_forms(text) for text in texts],
            pairs if pairs is None else [fold_forms(text) for text in pairs],
            truncation="longest_first" if pairs is None else "only_second",
            max_length=max_tokens,
            return_attention_mask=False,
        )
    return [(encoding.ids, bool(encoding.overflowing)) for encoding in encoded.encodings]
