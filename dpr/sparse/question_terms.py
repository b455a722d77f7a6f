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
    """The different known terms of Q questions, question by question, the rarest first.

    They weigh most, so the bar is soon high for the passages that have only the others. Terms in equally many passages
    come in the order of their UTF-8 bytes.

    Attributes:
        starts: where each question's terms start, and where the last one's end, (Q + 1,) int64.
        numbers: the number of each term in each of S vocabularies, (S, terms) int64; -1 where it is not in there.
        frequencies: in how many passages each term comes, int64, at least 1.
        repeats: how often it comes in its question, int64.
    """

    starts: IntArray
    numbers: IntArray
    frequencies: IntArray
    repeats: IntArray

    @classmethod
    def of(
        cls,
        questions: Sequence[Sequence[str]],
        vocabularies: Sequence[Vocabulary],
        frequencies: Sequence[IntArray],
    ) -> QuestionTerms:
        """Look up the terms of questions; terms without a passage are left out.

        ``frequencies`` tells, for each vocabulary, in how many passages of the whole collection its terms come.
        """
        different = sorted(set(chain.from_iterable(questions)))
        place_of = {term: place for place, term in enumerate(different)}
        lengths = np.fromiter(map(len, questions), dtype=np.int64, count=len(questions))
        places = np.fromiter(map(place_of.__getitem__, chain.from_iterable(questions)), np.int64, lengths.sum())
        numbers, known = frequencies_of(different, vocabularies, frequencies)

        size = max(1, len(different))
        keys, repeats = np.unique(np.repeat(np.arange(len(questions)), lengths) * size + places, return_counts=True)
        is_known = known[keys % size] > 0
        keys, repeats = keys[is_known], repeats[is_known]
        order = np.lexsort((known[keys % size], keys // size))
        keys, repeats = keys[order], repeats[order]
        starts = np.searchsorted(keys // size, np.arange(len(questions) + 1))
        return cls(starts, numbers[:, keys % size], known[keys % size], repeats)

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def owners(self) -> IntArray:
        """The question of each term, int64."""
        return np.repeat(np.arange(len(self)), np.diff(self.starts))


def frequencies_of(
    terms: Sequence[str], vocabularies: Sequence[Vocabulary], frequencies: Sequence[IntArray]
) -> tuple[IntArray, IntArray]:
    """Return the number of each term in each of S vocabularies, (S, terms), and its document frequency, (terms,).

    The number is -1 where a vocabulary lacks the term. ``frequencies`` has the document frequencies in the whole
    collection for the terms of each vocabulary.
    """
    numbers = np.array([vocabulary.lookup(terms) for vocabulary in vocabularies], dtype=np.int64)
    numbers = numbers.reshape(len(vocabularies), len(terms))
    document_frequencies = np.zeros(len(terms), dtype=np.int64)
    for of_vocabulary, in_vocabulary in zip(frequencies, numbers, strict=True):
        document_frequencies[in_vocabulary >= 0] = of_vocabulary[in_vocabulary[in_vocabulary >= 0]]
    return numbers, document_frequencies
