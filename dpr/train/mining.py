"""Hard negatives: passages that a retriever ranks high for a question although they do not answer it.

The hits of an index are walked in their order, or in a random one, and a hit becomes a negative unless

* it is one of the question's ``excluded_ids``, such as the question itself, or
* it is gold: a positive of the question by its id, or by its text (compared in NFC), since an index may know it under
  another id;
* its score is above ``max_share`` of the positive's: so near, it may be a positive that nobody labelled ("TopK-PercPos"
  of NV-Retriever, Moreira et al. 2024);
* it holds an answer (`has_korean_answer`), so that it may answer the question as well as its positive does.

``write_dpr_json(path, mine(index, examples, options))`` writes what training reads as ``dpr:PATH``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b

import numpy as np

from dpr.errors import ConfigError, DataError
from dpr.evaluation.answers import has_korean_answer
from dpr.search.contract import SearchableIndex
from dpr.types import Example, Hit, Passage, Progress, no_progress
from dpr.unicode_form import composed

BATCH_QUESTIONS = 256
SCORED_DEPTH = 100
"""Hits that are searched, at least, for a positive's score, where ``max_share`` asks for it."""

GOLD, SCORE, ANSWER = "gold", "score", "answer"


@dataclass(frozen=True, slots=True)
class Mining:
    """Where hard negatives come from, and which hits are left out.

    Attributes:
        retriever: the name of the index's retriever.
        count: how many negatives a question gets, at most.
        first_rank: the first rank that is looked at, from 1.
        last_rank: the last one.
        max_share: the share s in the limit p - (1 - s)·|p|, p being the score of the question's best positive; hits
            with a higher score are left out. Where p is above 0, the limit is s·p. A score of 0 is no term in common
            in BM25 and TF-IDF, and the average candidate in the z-scores of ``hybrid``. A positive that is not among
            the hits scores below them all, so that no hit is left. None sets no limit.
        keep_answers: take hits that hold an answer too.
        seed: draws the negatives from all ranks at random; None takes those of the first ranks.

    Raises:
        ConfigError: a number is out of its range.
    """

    retriever: str = "bm25"
    count: int = 8
    first_rank: int = 1
    last_rank: int = 50
    max_share: float | None = None
    keep_answers: bool = False
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ConfigError(f"count is {self.count}; mine at least 1 negative for a question")
        if not 1 <= self.first_rank <= self.last_rank:
            ranks = f"{self.first_rank}:{self.last_rank}"
            raise ConfigError(f"the ranks are {ranks}; the first must be 1 or more, and the last not before it")
        if self.max_share is not None and not 0 < self.max_share <= 1:
            raise ConfigError(f"max_share is {self.max_share}; choose a number above 0 and up to 1, such as 0.95")

    @property
    def depth(self) -> int:
        """How many hits are searched for each question."""
        return self.last_rank if self.max_share is None else max(self.last_rank, SCORED_DEPTH)

    def limit(self, positive_score: float | None) -> float:
        """Return the highest score that a negative may have, given the positive's; None: it is not among the hits."""
        if self.max_share is None:
            return float("inf")
        if positive_score is None:
            return -float("inf")
        return positive_score - (1 - self.max_share) * abs(positive_score)


@dataclass(slots=True)
class MiningSummary:
    """What was mined so far. A question's hits are looked at until it has its negatives, and no further.

    ``positives_found`` questions have a positive among the hits that were searched; ``left_out`` counts hits by why
    they were left out: ``gold``, ``score`` or ``answer``.
    """

    questions: int = 0
    negatives: int = 0
    questions_without_negatives: int = 0
    positives_found: int = 0
    left_out: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, int]:
        """Return the counts by name."""
        return {
            "questions": self.questions,
            "negatives": self.negatives,
            "questions_without_negatives": self.questions_without_negatives,
            "positives_found": self.positives_found,
            **{f"left_out_by_{reason}": self.left_out[reason] for reason in (GOLD, SCORE, ANSWER)},
        }


class Mined(Iterator[Example]):
    """The examples, each with the negatives mined for it in place of those it had; ``summary`` counts along."""

    def __init__(self, examples: Iterator[Example], summary: MiningSummary) -> None:
        """Give the examples on; their maker keeps the summary."""
        self.summary = summary
        self._examples = examples

    def __next__(self) -> Example:
        return next(self._examples)


def mine(
    index: SearchableIndex, examples: Sequence[Example], options: Mining | None = None, progress: Progress = no_progress
) -> Mined:
    """Find hard negatives for questions among an index's hits; 256 questions are searched at a time.

    A negative that is the positive of another example, by its text, is given as that one: a passage must have one id
    in a training set, or it is taken for a negative of its own questions.

    Raises:
        DataError: there is no question, one has no positive, or two share an id; while iterating, at the end, no
            negative was found for any.
        RequestError: the index has no such retriever; while iterating, it does not search as deep as the ranks.
    """
    options = options or Mining()
    _refuse_unusable(examples)
    miner = _Miner(index, examples, options)
    return Mined(miner.examples(progress), miner.summary)


class _Miner:
    def __init__(self, index: SearchableIndex, examples: Sequence[Example], options: Mining) -> None:
        self.summary = MiningSummary()
        self._passages = index.passages
        self._retriever = index.retriever(options.retriever)
        self._examples = examples
        self._options = options
        self._known: dict[str, Passage] = {}
        for example in examples:
            for positive in example.positives:
                self._known.setdefault(_text(positive), positive)

    def examples(self, progress: Progress) -> Iterator[Example]:
        for start in range(0, len(self._examples), BATCH_QUESTIONS):
            batch = self._examples[start : start + BATCH_QUESTIONS]
            found = self._retriever.search([example.question.text for example in batch], self._options.depth)
            for example, hits in zip(batch, found, strict=True):
                yield replace(example, negatives=tuple(self._negatives(example, hits)))
            progress(f"mine {self._retriever.name}", self.summary.questions, len(self._examples))
        self._refuse_nothing()

    def _negatives(self, example: Example, hits: Sequence[Hit]) -> list[Passage]:
        """Return a question's negatives, and count it."""
        passages = {hit.rank: self._passages[hit.row] for hit in hits}
        gold = _gold_ranks(example, passages)
        limit = self._options.limit(max((hit.score for hit in hits if hit.rank in gold), default=None))
        window = [
            hit
            for hit in hits
            if self._options.first_rank <= hit.rank <= self._options.last_rank
            and hit.passage_id not in example.excluded_ids
        ]
        kept = (
            self._known.get(_text(passages[hit.rank]), passages[hit.rank])
            for hit in _in_order(window, example, self._options.seed)
            if self._is_negative(example, hit, passages[hit.rank], gold, limit)
        )
        negatives = _first_distinct(kept, self._options.count)
        self.summary.questions += 1
        self.summary.negatives += len(negatives)
        self.summary.questions_without_negatives += not negatives
        self.summary.positives_found += bool(gold)
        return negatives

    def _is_negative(self, example: Example, hit: Hit, passage: Passage, gold: set[int], limit: float) -> bool:
        if hit.rank in gold:
            reason = GOLD
        elif hit.score > limit:
            reason = SCORE
        elif not self._options.keep_answers and has_korean_answer(example.question.answers, passage.text):
            reason = ANSWER
        else:
            return True
        self.summary.left_out[reason] += 1
        return False

    def _refuse_nothing(self) -> None:
        if not self.summary.negatives:
            reasons = ", ".join(f"{self.summary.left_out[reason]} by {reason}" for reason in (GOLD, SCORE, ANSWER))
            raise DataError(
                f"no hard negative was found for any of {self.summary.questions} questions (hits left out: {reasons}); "
                "widen the ranks, raise max_share, or mine an index of more passages"
            )


def _first_distinct(passages: Iterable[Passage], count: int) -> list[Passage]:
    found: dict[str, Passage] = {}
    for passage in passages:
        found.setdefault(passage.id, passage)
        if len(found) == count:
            break
    return list(found.values())


def _gold_ranks(example: Example, passages: dict[int, Passage]) -> set[int]:
    ids = {positive.id for positive in example.positives}
    texts = {_text(positive) for positive in example.positives}
    return {rank for rank, passage in passages.items() if passage.id in ids or _text(passage) in texts}


def _in_order(hits: Sequence[Hit], example: Example, seed: int | None) -> Iterable[Hit]:
    """Return hits as they are, or in a random order that is a matter of the seed and the question alone."""
    if seed is None:
        return hits
    key = blake2b(f"{seed} {example.question.id}".encode(), digest_size=8).digest()
    order = np.random.default_rng(int.from_bytes(key, "big")).permutation(len(hits))
    return (hits[place] for place in order.tolist())


def _refuse_unusable(examples: Sequence[Example]) -> None:
    if not examples:
        raise DataError("there is no question to mine negatives for; name a data set of questions with their passages")
    seen: set[str] = set()
    for identity, positives in ((example.question.id, example.positives) for example in examples):
        if not positives:
            raise DataError(
                f"question {identity!r} has no positive passage, so that nothing tells its negatives; "
                "label one, or leave the question out"
            )
        if identity in seen:
            raise DataError(f"question id {identity!r} occurs twice; give every question an id of its own")
        seen.add(identity)


def _text(passage: Passage) -> str:
    return composed(passage.text)
