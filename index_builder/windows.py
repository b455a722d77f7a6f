"""Cut long passages into windows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dpr.array_files import save_array
from dpr.data.chunk import chunk_spans
from dpr.data.sentences import Span
from dpr.errors import ConfigError
from dpr.measured import MeasuresPassages, MeasuresTexts, TokensRead
from dpr.store.passages import PassageStore
from dpr.store.windows import DEFAULT_WINDOWS, LEAST_WINDOW, SLACK, WindowRule
from dpr.types import Encoder, IntArray, Passage, Progress, WindowArray, no_progress
from index_builder.chunking import count_words, token_counter

PASSAGES_AT_A_TIME = 2048
"""Passages whose tokens are counted together."""


@dataclass(frozen=True, slots=True)
class Vectors:
    """The number of vectors of a segment."""

    vectors: int


def check_windows(rule: WindowRule, encoder: Encoder) -> None:
    """Refuse chosen windows that are longer than the encoder reads; the default fits any encoder.

    Raises:
        ConfigError: a window is longer than the encoder reads.
    """
    if rule is DEFAULT_WINDOWS or not isinstance(encoder, MeasuresPassages):
        return
    if rule.tokens > encoder.passage_tokens:
        raise ConfigError(
            f"a window of {rule.tokens} tokens is longer than the {encoder.passage_tokens} that {encoder.name} reads; "
            f"choose at most {encoder.passage_tokens}"
        )


def window_spans(passages: Sequence[Passage], rule: WindowRule, encoder: Encoder | None) -> Iterator[list[Span]]:
    """Yield the windows of each passage, as start and end in its text; a passage that is not long is one window.

    Tokens are the encoder's, or words if it does not count tokens.
    """
    count_tokens = token_counter(encoder)
    for passage, tokens in zip(passages, _tokens_read(passages, encoder), strict=True):
        budget = min(rule.tokens, tokens.read)
        is_long = tokens.total > SLACK * rule.tokens or tokens.read < tokens.total
        if not is_long or budget < LEAST_WINDOW:
            yield [(0, len(passage.text))]
        else:
            yield chunk_spans(passage.text, budget, rule.overlap * budget // rule.tokens, count_tokens)


def write_windows(
    passages: PassageStore, rule: WindowRule, encoder: Encoder, path: Path, progress: Progress = no_progress
) -> Vectors:
    """Write the row, start and end of each vector's text, (V, 3), if passages have several; return their number."""
    total = len(passages)
    ends = np.zeros(total, dtype=np.int32)  # of passages that are not long
    several: list[WindowArray] = []
    for first in range(0, total, PASSAGES_AT_A_TIME):
        progress("windows", first, total)
        block = passages.get(range(first, min(first + PASSAGES_AT_A_TIME, total)))
        for row, spans in enumerate(window_spans(block, rule, encoder), start=first):
            ends[row] = spans[-1][1]
            if len(spans) > 1:
                several.append(np.array([(row, *span) for span in spans], dtype=np.int32))
    progress("windows", total, total)
    if not several:
        return Vectors(total)
    windows = _joined(ends, several)
    save_array(path, windows)
    return Vectors(len(windows))


def _joined(ends: WindowArray, several: Sequence[WindowArray]) -> WindowArray:
    """Return the windows of all passages in their order: those in ``several``, and one for each other passage."""
    counts: IntArray = np.ones(len(ends), dtype=np.int64)
    counts[[windows[0, 0] for windows in several]] = [len(windows) for windows in several]
    owners = np.repeat(np.arange(len(ends), dtype=np.int32), counts)
    joined = np.stack([owners, np.zeros_like(owners), ends[owners]], axis=1)
    joined[counts[owners] > 1] = np.concatenate(several)
    return joined


def _tokens_read(passages: Sequence[Passage], encoder: Encoder | None) -> list[TokensRead]:
    words = (count_words(passage.text) for passage in passages)
    return encoder.text_tokens(passages) if isinstance(encoder, MeasuresTexts) else [TokensRead(n, n) for n in words]
