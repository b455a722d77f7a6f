"""A batch of questions as the numbers of their known terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from dpr.sparse.vocabulary import Vocabulary
from dpr.types import IntArray


@dataclass(frozen=True, slots=True, eq=False)
class QuestionTerms:
    """The different known terms of Q questions, question by question, in ascending number.

    Attributes:
        starts: where each question's terms start, and where the last one's end, (Q + 1,) int64.
        terms: the number of each term, int64.
        repeats: how often it comes in its question, int64.
    """

    starts: IntArray
    terms: IntArray
    repeats: IntArray

    @classmethod
    def of(cls, questions: Sequence[Sequence[str]], vocabulary: Vocabulary) -> QuestionTerms:
        """Look up the terms of questions; unknown terms are left out."""
        lengths = np.fromiter(map(len, questions), dtype=np.int64, count=len(questions))
        numbers = vocabulary.lookup(list(chain.from_iterable(questions)))
        owners = np.repeat(np.arange(len(questions)), lengths)
        is_known = numbers >= 0
        size = max(1, len(vocabulary))
        keys, repeats = np.unique(owners[is_known] * size + numbers[is_known], return_counts=True)
        starts = np.searchsorted(keys, np.arange(len(questions) + 1) * size)
        return cls(starts, keys % size, repeats)

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def owners(self) -> IntArray:
        """The question of each term, int64."""
        return np.repeat(np.arange(len(self)), np.diff(self.starts))
