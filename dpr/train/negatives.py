"""Negatives by BM25: passages that rank high for a question and do not answer it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from dpr.evaluation.answers import has_korean_answer
from dpr.sparse.counts import TermCounts
from dpr.sparse.engine import SparseEngine, SparseSegment
from dpr.text.registry import DEFAULT_ANALYZER, analyzer
from dpr.types import Example, Passage

_QUESTIONS_AT_ONCE = 256


def add_negatives(examples: Sequence[Example], share: float, depth: int, seed: int) -> list[Example]:
    """Return the examples and, for a share of them, the same question with a passage that does not answer it.

    The passage is one of the example's negatives (``dpr mine``), else one of the ``depth`` best hits of BM25 among the
    passages of all examples. It is no positive of the question in any example, is not excluded for it, and contains no
    gold answer (`has_korean_answer`). A question without such a passage is not repeated.
    """
    chooser = random.Random(seed)  # noqa: S311 - sampling, not secrets
    sampled = [example for example in examples if chooser.random() < share and example.question.answers]
    positives = _positive_texts(examples)
    unmined = [example for example in sampled if not example.negatives]
    passages_of = {example.question.id: passages for example, passages in _bm25_passages(unmined, examples, depth)}
    negatives = []
    for example in sampled:
        near = example.negatives or passages_of[example.question.id]
        gold_texts = positives[example.question.text]
        wrong_passages = [passage for passage in near if _is_negative(passage, example, gold_texts)]
        if wrong_passages:
            question = replace(example.question, answers=())
            negatives.append(Example(question, (chooser.choice(wrong_passages),), is_impossible=True))
    return [*examples, *negatives]


def with_negatives(examples: Sequence[Example], depth: int) -> list[Example]:
    """Return the examples, with BM25's negatives for those that have none; some may stay without.

    Negatives are chosen as in `add_negatives`. An example's own negatives (``dpr mine``) stay, except those with the
    text of a positive of the question.
    """
    positives = _positive_texts(examples)
    retrieved = _bm25_passages([example for example in examples if not example.negatives], examples, depth)
    near = (
        tuple(passage for passage in passages if _is_negative(passage, example, positives[example.question.text]))
        for example, passages in retrieved
    )
    return [
        replace(example, negatives=_own_negatives(example, positives) if example.negatives else next(near))
        for example in examples
    ]


def _own_negatives(example: Example, positives: Mapping[str, set[str]]) -> tuple[Passage, ...]:
    return tuple(passage for passage in example.negatives if passage.text not in positives[example.question.text])


def _positive_texts(examples: Sequence[Example]) -> dict[str, set[str]]:
    """Return the texts of the positives of each question, in all examples."""
    positives: dict[str, set[str]] = {}
    for example in examples:
        positives.setdefault(example.question.text, set()).update(passage.text for passage in example.positives)
    return positives


def _is_negative(passage: Passage, example: Example, positives: set[str]) -> bool:
    return (
        passage.id not in example.excluded_ids
        and passage.text not in positives
        and not has_korean_answer(example.question.answers, passage.text)
    )


def _bm25_passages(
    questions: Sequence[Example], pool: Sequence[Example], depth: int
) -> Iterator[tuple[Example, Sequence[Passage]]]:
    """Yield each question with the best hits of BM25 among the passages of the pool."""
    if not questions:
        return
    passages = list({passage.id: passage for example in pool for passage in example.positives}.values())
    terms = analyzer(DEFAULT_ANALYZER)
    counts = TermCounts.build(terms.batch(passage.titled() for passage in passages))
    engine = SparseEngine([SparseSegment.alone(counts)])
    for first in range(0, len(questions), _QUESTIONS_AT_ONCE):
        batch = questions[first : first + _QUESTIONS_AT_ONCE]
        top = engine.search(
            [question.terms for question in terms.questions(example.question.text for example in batch)], depth
        )
        for example, rows in zip(batch, top.rows, strict=True):
            yield example, [passages[row] for row in rows if row >= 0]
