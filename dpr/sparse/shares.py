"""What each term of a question adds to the score of one passage, as a list that adds up to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dpr.types import IntArray, TermShare


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A term in a passage: how often it is there, and what it adds to the passage's score for a question."""

    count: int
    share: float


def term_shares(
    question: Sequence[str], frequencies: IntArray, occurrences: Mapping[str, Occurrence]
) -> list[TermShare]:
    """Return the share of each different term of a question, greatest first, equal ones in the order of the terms.

    Args:
        question: the terms, repeats included.
        frequencies: the document frequency of each different term, in the order of the terms.
        occurrences: the terms that the passage has.
    """
    repeats, absent = Counter(question), Occurrence(0, 0.0)
    shares = [
        TermShare(term, occurrence.share, occurrence.count, repeats[term], frequency)
        for term, frequency in zip(sorted(repeats), frequencies.tolist(), strict=True)
        for occurrence in (occurrences.get(term, absent),)
    ]
    return sorted(shares, key=lambda share: (-share.share, share.term))
