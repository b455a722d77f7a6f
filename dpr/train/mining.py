"""Mine hard negatives: passages that a retriever ranks high for a question although they do not answer it.

Hits are considered by rank or in random order. A hit becomes a negative unless

* it is one of the question's ``excluded_ids``, such as the question itself;
* it is gold: its id is that of a positive, or its text (compared in NFC), since the index may use other ids;
* its score is above ``max_share`` of the positive's: it may be an unlabelled positive ("TopK-PercPos" of NV-Retriever,
  Moreira et al. 2024);
* it contains an answer (`has_korean_answer`), so that it may answer the question as well as the positive.

``write_dpr_json(path, mine(index, examples, options))`` writes a file that training reads as ``dpr:PATH``.
"""

from __future__ import annotations

import logging
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
"""The least number of hits to search for the score of the positive, if ``max_share`` needs it."""

ABSENT_SHARE = 0.1
"""The share of questions without a positive in the index that is worth a warning."""

GOLD, SCORE, ANSWER = "gold", "score", "answer"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Mining:
    """Settings of the mining of hard negatives.

    Attributes:
        retriever: the name of a retriever of the index.
        count: the largest number of negatives of a question.
        first_rank: the first rank to consider, from 1.
        last_rank: the last rank to consider.
        max_share: the share s in the limit p - (1 - s)·|p|, where p is the score of the question's best positive; hits
            with a higher score are no negatives. For p above 0 the limit is s·p. A score of 0 means no common term in
            BM25 and TF-IDF, and an average candidate in the z-scores of ``hybrid``. If the positive is not among the
            hits, it scores below all of them, and none becomes a negative. None sets no limit.
        keep_answers: use hits that contain an answer, too.
        seed: draws the negatives from all ranks at random; None uses the first ranks.

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
        """The number of hits to search for each question."""
        return self.last_rank if self.max_share is None else max(self.last_rank, SCORED_DEPTH)

    def limit(self, positive_score: float | None) -> float:
        """Return the highest score of a negative for a score of the positive, None if it is not among the hits."""
        if self.max_share is None:
            return float("inf")
        if positive_score is None:
            return -float("inf")
        return positive_score - (1 - self.max_share) * abs(positive_score)


@dataclass(slots=True)
class MiningSummary:
    """Counts of the mining so far; the hits of a question are considered until it has its negatives.

    ``positives_found`` questions have a positive among the hits. ``positives_not_in_index`` questions have none in the
    whole index, by id or by text; they are counted at the end. ``left_out`` counts the hits that became no negative by
    reason: ``gold``, ``score`` or ``answer``.
    """

    questions: int = 0
    negatives: int = 0
    questions_without_negatives: int = 0
    positives_found: int = 0
    positives_not_in_index: int = 0
    left_out: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, int]:
        """Return the counts by name."""
        return {
            "questions": self.questions,
            "negatives": self.negatives,
            "questions_without_negatives": self.questions_without_negatives,
            "positives_found": self.positives_found,
            "positives_not_in_index": self.positives_not_in_index,
            **{f"left_out_by_{reason}": self.left_out[reason] for reason in (GOLD, SCORE, ANSWER)},
        }


class Mined(Iterator[Example]):
    """The examples, each with mined negatives in place of its own; ``summary`` grows while they are read."""

    def __init__(self, examples: Iterator[Example], summary: MiningSummary) -> None:
        """Wrap an iterator that updates the summary."""
        self.summary = summary
        self._examples = examples

    def __next__(self) -> Example:
        return next(self._examples)


def mine(
    index: SearchableIndex, examples: Sequence[Example], options: Mining | None = None, progress: Progress = no_progress
) -> Mined:
    """Find hard negatives for questions among the hits of an index; 256 questions are searched at a time.

    A negative with the text of another example's positive gets its id: a passage with two ids would be a negative of
    its own questions.

    Raises:
        DataError: there is no question, one has no positive or is unanswerable, or two share an id; at the end of
            the iteration, no question has a negative.
        RequestError: the index has no such retriever; during the iteration, the ranks are too deep for it.
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
        self._unknown_positives: list[tuple[Passage, ...]] = []  # of questions without one in the hits, or by its id
        self._passage_of_text: dict[str, Passage] = {}
        for example in examples:
            for positive in example.positives:
                self._passage_of_text.setdefault(_text(positive), positive)

    def examples(self, progress: Progress) -> Iterator[Example]:
        """Yield the examples with their negatives; refuse, at the end, a mining that found none."""
        progress(f"mine {self._retriever.name}", 0, len(self._examples))
        for start in range(0, len(self._examples), BATCH_QUESTIONS):
            batch = self._examples[start : start + BATCH_QUESTIONS]
            hit_lists = self._retriever.search([example.question.text for example in batch], self._options.depth)
            for example, hits in zip(batch, hit_lists, strict=True):
                yield replace(example, negatives=tuple(self._negatives(example, hits)))
            progress(f"mine {self._retriever.name}", self.summary.questions, len(self._examples))
        self.summary.positives_not_in_index = self._count_absent()
        self._warn_of_absent()
        if not self.summary.negatives:
            reasons = ", ".join(f"{self.summary.left_out[reason]} by {reason}" for reason in (GOLD, SCORE, ANSWER))
            raise DataError(
                f"no hard negative was found for any of {self.summary.questions} questions (hits left out: {reasons}); "
                "widen the ranks, raise max_share, or mine an index of more passages"
            )

    def _negatives(self, example: Example, hits: Sequence[Hit]) -> list[Passage]:
        """Return a question's negatives and update the summary."""
        passages = {hit.rank: self._passages[hit.row] for hit in hits}
        gold = _gold_ranks(example, passages)
        limit = self._options.limit(max((hit.score for hit in hits if hit.rank in gold), default=None))
        window = [
            hit
            for hit in hits
            if self._options.first_rank <= hit.rank <= self._options.last_rank
            and hit.passage_id not in example.excluded_ids
        ]
        candidates = (
            self._passage_of_text.get(_text(passages[hit.rank]), passages[hit.rank])
            for hit in _in_order(window, example, self._options.seed)
            if self._is_negative(example, hit, passages[hit.rank], gold, limit)
        )
        negatives = _first_distinct(candidates, self._options.count)
        self.summary.questions += 1
        self.summary.negatives += len(negatives)
        self.summary.questions_without_negatives += not negatives
        self.summary.positives_found += bool(gold)
        if not gold and all(self._passages.row_of(positive.id) is None for positive in example.positives):
            self._unknown_positives.append(example.positives)
        return negatives

    def _count_absent(self) -> int:
        """Return how many questions have no positive in the index; the whole index is read if one may have none."""
        texts = {_text(positive) for positives in self._unknown_positives for positive in positives}
        indexed = {text for text in map(_text, self._passages) if text in texts} if texts else set()
        return sum(indexed.isdisjoint(map(_text, positives)) for positives in self._unknown_positives)

    def _warn_of_absent(self) -> None:
        absent, questions = self.summary.positives_not_in_index, self.summary.questions
        if absent and absent >= ABSENT_SHARE * questions:
            logger.warning(
                "the index has no gold passage of %s of %s questions, by id or by text%s; it was probably built from "
                "other passages: add theirs (dpr-index add INDEX --corpus SOURCE), or mine an index that has them",
                f"{absent:,}",
                f"{questions:,}",
                "" if self._options.max_share is None else ", so that max_share leaves them without negatives",
            )

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


def _first_distinct(passages: Iterable[Passage], count: int) -> list[Passage]:
    distinct: dict[str, Passage] = {}
    for passage in passages:
        distinct.setdefault(passage.id, passage)
        if len(distinct) == count:
            break
    return list(distinct.values())


def _gold_ranks(example: Example, passages: dict[int, Passage]) -> set[int]:
    ids = {positive.id for positive in example.positives}
    texts = {_text(positive) for positive in example.positives}
    return {rank for rank, passage in passages.items() if passage.id in ids or _text(passage) in texts}


def _in_order(hits: Sequence[Hit], example: Example, seed: int | None) -> Iterable[Hit]:
    """Return hits by rank, or in a random order that depends on the seed and the question alone."""
    if seed is None:
        return hits
    key = blake2b(f"{seed} {example.question.id}".encode(), digest_size=8).digest()
    order = np.random.default_rng(int.from_bytes(key, "big")).permutation(len(hits))
    return (hits[index] for index in order.tolist())


def _refuse_unusable(examples: Sequence[Example]) -> None:
    if not examples:
        raise DataError("there is no question to mine negatives for; name a data set of questions with their passages")
    seen_ids: set[str] = set()
    for example in examples:
        identity = example.question.id
        if not example.positives:
            raise DataError(
                f"question {identity!r} has no positive passage to compare negatives with; "
                "label one, or remove the question"
            )
        if example.is_impossible:
            raise DataError(
                f"question {identity!r} is unanswerable, so that its passage is no positive; remove the question"
            )
        if identity in seen_ids:
            raise DataError(f"question id {identity!r} occurs twice; give every question an id of its own")
        seen_ids.add(identity)


def _text(passage: Passage) -> str:
    return composed(passage.text)
