"""Why a passage has its score and its rank for a question: what each list says of it, and how fusion added that up.

The numbers add up: the shares of a sparse list's terms to the list's score, and the contributions of the lists to the
score that fusion gave, which is the passage's own unless a reranker scored it anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from dpr.results import FirstStage, Passage, PassageWindow, Weighing, one_line


@dataclass(frozen=True, slots=True)
class TermShare:
    """A term of a question, and what it adds to a passage's score in a sparse list.

    Attributes:
        term: the term, as the analyzer made it of a word.
        share: what it adds to the score; 0 where the passage does not have it.
        count: how often the passage has it.
        question_count: how often the question has it, other spellings of its words included.
        document_frequency: in how many passages of the index it comes.
    """

    term: str
    share: float
    count: int
    question_count: int
    document_frequency: int


@dataclass(frozen=True, slots=True)
class FusedValue:
    """How a list's score of a passage became its contribution, which is ``weight`` times ``value``.

    Attributes:
        score: the score that fusion took: the list's own, or that of its rule for passages which the list lacks.
        statistics: the numbers beside the score in the method's formula, by their names there.
        value: what the formula gives.
        base_weight: the list's weight in the fusion.
        coverage: the share of the question that the list's best hit covers; 1 for a list that does not measure it.
        weight: the weight of the list for this question, by its base weight and its coverage.
        contribution: what the list added to the passage's score.
    """

    score: float
    statistics: Mapping[str, float]
    value: float
    base_weight: float
    coverage: float
    weight: float
    contribution: float


@dataclass(frozen=True, slots=True)
class ListExplanation:
    """What one list says of a passage.

    Attributes:
        rank: its rank among the list's first 100 hits, which are its candidates; None where it is not one of them.
        score: its score in the list, also of a passage that is no candidate; None where the list cannot tell.
        terms: the question's terms by their share of the score, greatest first; None for a list that counts no terms.
        window: the part of a long passage that is most similar to the question; None where there is none.
        fused: how fusion took it; None for a single list, and for a passage that is no candidate of any list.
    """

    rank: int | None
    score: float | None
    terms: tuple[TermShare, ...] | None = None
    window: PassageWindow | None = None
    fused: FusedValue | None = None


@dataclass(frozen=True, slots=True)
class FusionRule:
    """How the lists were fused: the method, its formula in words, and its rule for passages that a list lacks."""

    method: str
    formula: str
    missing_rule: str
    coverage_power: float


@dataclass(frozen=True, slots=True, repr=False)
class Explanation:
    """Why a passage has its score and its rank for a question.

    ``rank`` is None for a passage that is none of the first 100 hits, and ``score`` for one that is no candidate of any
    list. ``fusion`` and ``weighing`` are there where
    lists were fused, and ``first_stage`` where the passage was reranked: the contributions then add up to its score.
    ``question``, ``passage`` and ``generation`` are there in the explanations of `dpr.pipeline.QA`; a retriever alone
    gives the ``passage_id``.
    """

    passage_id: str
    retriever: str
    rank: int | None
    score: float | None
    lists: Mapping[str, ListExplanation]
    fusion: FusionRule | None = None
    weighing: Weighing | None = None
    first_stage: FirstStage | None = None
    question: str = ""
    passage: Passage | None = None
    generation: str = ""

    def __repr__(self) -> str:
        ranks = {name: entry.rank for name, entry in self.lists.items()}
        return one_line("Explanation", passage_id=self.passage_id, rank=self.rank, score=self.score, ranks=ranks)

    def to_dict(self) -> dict[str, object]:
        """Return the explanation as JSON values, as ``/v1/explain`` does."""
        return {
            "question": self.question,
            "passage": self.passage.to_dict() if self.passage else {"id": self.passage_id},
            "rank": self.rank,
            "score": self.score,
            "lists": {name: _list_dict(entry) for name, entry in self.lists.items()},
            "fusion": asdict(self.fusion) if self.fusion else None,
            "weighing": self.weighing.to_dict() if self.weighing else None,
            "first_stage": asdict(self.first_stage) if self.first_stage else None,
        }


def _list_dict(entry: ListExplanation) -> dict[str, object]:
    fused = entry.fused
    return {
        "rank": entry.rank,
        "score": entry.score,
        "terms": None if entry.terms is None else [asdict(term) for term in entry.terms],
        "window": asdict(entry.window) if entry.window else None,
        "fused": {**_values(fused), "statistics": dict(fused.statistics)} if fused else None,
    }


def _values(fused: FusedValue) -> dict[str, float]:
    names = ("score", "value", "base_weight", "coverage", "weight", "contribution")
    return {name: getattr(fused, name) for name in names}
