"""The terms of a batch of questions, as numbers in the vocabularies of the segments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from dpr.sparse.vocabulary import Vocabulary
from dpr.types import IntArray


@dataclass(frozen=True, slots=True, eq=False)
class QuestionTerms:
    """The different terms of Q questions that the collection has, question by question, the rarest first.

    The rarest weigh most: after them, few passages with only the other terms reach the bar. Terms of equal document
    frequency are in the order of their UTF-8 bytes.

    Attributes:
        starts: where each question's terms start, and where the last one's end, (Q + 1,) int64.
        numbers: the number of each term in each of S vocabularies, (S, terms) int64; -1 if the vocabulary lacks it.
        frequencies: the document frequency of each term, int64, at least 1.
        repeats: the term frequency in its question, int64.
    """

    starts: IntArray
    numbers: IntArray
    frequencies: IntArray
    repeats: IntArray

    @classmethod
    def from_questions(
        cls,
        questions: Sequence[Sequence[str]],
        vocabularies: Sequence[Vocabulary],
        frequencies: Sequence[IntArray],
    ) -> QuestionTerms:
        """Look up the terms of questions; terms that no passage has are dropped.

        ``frequencies`` holds, for each vocabulary, the document frequencies of its terms in the whole collection.
        """
        different = sorted(set(chain.from_iterable(questions)))
        position_of = {term: position for position, term in enumerate(different)}
        lengths = np.fromiter(map(len, questions), dtype=np.int64, count=len(questions))
        positions = np.fromiter(map(position_of.__getitem__, chain.from_iterable(questions)), np.int64, lengths.sum())
        numbers, in_collection = frequencies_of(different, vocabularies, frequencies)

        size = max(1, len(different))
        keys, repeats = np.unique(np.repeat(np.arange(len(questions)), lengths) * size + positions, return_counts=True)
        is_indexed = in_collection[keys % size] > 0
        keys, repeats = keys[is_indexed], repeats[is_indexed]
        order = np.lexsort((in_collection[keys % size], keys // size))
        keys, repeats = keys[order], repeats[order]
        starts = np.searchsorted(keys // size, np.arange(len(questions) + 1))
        return cls(starts, numbers[:, keys % size], in_collection[keys % size], repeats)

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
