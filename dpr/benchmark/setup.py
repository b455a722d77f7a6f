"""What a benchmark measured on: the pool and the questions."""

from __future__ import annotations

from dataclasses import dataclass

from dpr.benchmark.words import Bilingual, phrase


@dataclass(frozen=True, slots=True)
class Pool:
    """The passages that were searched: their number and the index generation that holds them."""

    passages: int
    generation: str


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """The questions of a benchmark.

    ``count`` questions were judged. The gold passages of ``gold_missing`` of them are not in the pool; they count as
    misses. ``left_out`` questions have no gold passage (unanswerable, or not labelled). ``absent_passages`` judgements
    are of passages that are not in the pool. ``without_text`` judged questions have no text in the data set and are
    left out. ``own_passages`` questions are passages of the pool themselves; ``synthetic`` ones were made of passages.
    """

    source: str
    count: int
    gold_missing: int
    left_out: int
    absent_passages: int = 0
    without_text: int = 0
    own_passages: int = 0
    synthetic: int = 0

    def notes(self) -> list[Bilingual]:
        """Return a sentence for each count that matters to the metrics."""
        counts = {
            "absent passages": self.absent_passages,
            "synthetic questions": self.synthetic,
            "without text": self.without_text,
            "own passages": self.own_passages,
        }
        return [phrase(key, {"number": number, "count": self.count}) for key, number in counts.items() if number]
