"""Passages that do not answer a question, but that a retriever finds for it."""

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
    """Return the examples and, for a share of them, the same question over a passage that does not answer it.

    The passage is one of the negatives that the example has (``dpr mine``), else one of the ``depth`` that BM25 finds
    best among the passages of all examples. It is none that answers the question, in another example either, or that is
    excluded for it, and holds no gold answer (`has_korean_answer`). A question for which there is none gets none.
    """
    chooser = random.Random(seed)  # noqa: S311 - sampling, not secrets
    chosen = [example for example in examples if chooser.random() < share and example.question.answers]
    positives = _positive_texts(examples)
    unmined = [example for example in chosen if not example.negatives]
    found = {example.question.id: passages for example, passages in _found(unmined, examples, depth)}
    negatives = []
    for example in chosen:
        near = example.negatives or found[example.question.id]
        others = [passage for passage in near if _is_negative(passage, example, positives[example.question.text])]
        if others:
            question = replace(example.question, answers=())
            negatives.append(Example(question, (chooser.choice(others),), is_impossible=True))
    return [*examples, *negatives]


def with_negatives(examples: Sequence[Example], depth: int) -> list[Example]:
    """Return the examples, those without negatives with what BM25 finds for them; some may find none.

    Looked at are the ``depth`` best passages of all examples, as in `add_negatives`. Negatives that an example has
    (``dpr mine``) stay, but for those that have the text of a positive of the question.
    """
    positives = _positive_texts(examples)
    searched = _found([example for example in examples if not example.negatives], examples, depth)
    near = (
        tuple(passage for passage in passages if _is_negative(passage, example, positives[example.question.text]))
        for example, passages in searched
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


def _found(
    asked: Sequence[Example], examples: Sequence[Example], depth: int
) -> Iterator[tuple[Example, Sequence[Passage]]]:
    """Yield each asked question with the passages that BM25 finds best for it."""
    if not asked:
        return
    passages = list({passage.id: passage for example in examples for passage in example.positives}.values())
    terms = analyzer(DEFAULT_ANALYZER)
    counts = TermCounts.build(terms.batch(passage.titled() for passage in passages))
    engine = SparseEngine([SparseSegment.alone(counts)])
    for first in range(0, len(asked), _QUESTIONS_AT_ONCE):
        batch = asked[first : first + _QUESTIONS_AT_ONCE]
        top = engine.search(
            [question.terms for question in terms.questions(example.question.text for example in batch)], depth
        )
        for example, rows in zip(batch, top.rows, strict=True):
            yield example, [passages[row] for row in rows if row >= 0]
