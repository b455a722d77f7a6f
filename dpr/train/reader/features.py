"""Training windows of labelled questions: where the answer starts and ends, or [CLS] without an answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dpr.errors import DataError
from dpr.reader.extractive.model import ReaderConfig
from dpr.reader.extractive.windows import Window, make_windows
from dpr.types import Example

_PAIRS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Feature:
    """A window and the first and last token of its answer; 0, [CLS], without an answer."""

    window: Window
    start: int
    end: int
    question_id: str


def make_features(tokenizer: Any, examples: Sequence[Example], config: ReaderConfig) -> Iterator[Feature]:
    """Yield the windows of all examples, labelled with the first answer.

    Raises:
        DataError: an answerable example has no answer offsets.
    """
    for first in range(0, len(examples), _PAIRS_AT_ONCE):
        chunk = examples[first : first + _PAIRS_AT_ONCE]
        pairs = [(example.question.text, example.positives[0].text) for example in chunk]
        grouped = make_windows(tokenizer, pairs, config.max_tokens, config.stride, config.question_tokens)
        for example, windows in zip(chunk, grouped, strict=True):
            for window in windows:
                yield Feature(window, *_label(example, window), example.question.id)


def _label(example: Example, window: Window) -> tuple[int, int]:
    if not example.question.answers:
        return 0, 0
    if not example.answer_starts:
        raise DataError(
            f"question {example.question.id!r} has an answer without its offset in the passage; "
            "reader training needs offsets, as SQuAD has them"
        )
    first = example.answer_starts[0]
    last = first + len(example.question.answers[0])
    starts, ends = window.spans[:, 0], window.spans[:, 1]
    covered = np.flatnonzero((starts >= 0) & (ends > first) & (starts < last))
    is_whole = len(covered) and starts[covered[0]] <= first and ends[covered[-1]] >= last
    return (int(covered[0]), int(covered[-1])) if is_whole else (0, 0)
