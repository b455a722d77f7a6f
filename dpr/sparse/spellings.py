"""Query expansion by spelling: joined and split words that the passages have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from dpr.types import QuestionWords, SparseIndex

Halves = Callable[[str], list[tuple[str, ...]]]


def expand_spellings(questions: Sequence[QuestionWords], index: SparseIndex, halves: Halves) -> list[list[str]]:
    """Return each question's terms, with the terms of other spellings that the passages of an index have.

    Two neighbouring words are also searched as one, with the weight of both, if the joined word has at least the
    document frequency of the rarer word; for letters beside a number, one passage is enough. A word that no passage has
    is also searched as two words: the split whose rarer word has the highest document frequency.
    """
    pairs = {pair for question in questions for pair in question.pairs}
    words = {item for question in questions for item in question.words.items()}
    frequency = _frequencies(index, [term for pair in pairs for term in pair] + [term for term, _ in words])
    joined = {pair for pair in pairs if frequency[pair[2]] >= _least_frequency(pair, frequency)}
    splits = {term: halves(word) for term, word in words if not frequency[term]}
    frequency |= _frequencies(index, [term for ways in splits.values() for way in ways for term in way])

    def lowest_frequency(halves: tuple[str, ...]) -> int:
        return min((frequency[half] for half in halves), default=0)

    best = {term: max(ways, key=lowest_frequency) for term, ways in splits.items() if any(map(lowest_frequency, ways))}
    return [
        [
            *question.terms,
            *(term for pair in question.pairs if pair in joined for term in 2 * (pair[2],)),
            *(half for term in question.words for half in best.get(term, ())),
        ]
        for question in questions
    ]


def _least_frequency(pair: tuple[str, str, str], frequency: Mapping[str, int]) -> int:
    """Return the least document frequency of the joined word."""
    first, second, _ = pair
    return 1 if first.isdigit() != second.isdigit() else max(1, min(frequency[first], frequency[second]))


def _frequencies(index: SparseIndex, terms: Iterable[str]) -> dict[str, int]:
    different = list(dict.fromkeys(terms))
    return dict(zip(different, index.frequencies(different).tolist(), strict=True))
