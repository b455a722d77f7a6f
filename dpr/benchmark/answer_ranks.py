"""Where an answer comes first in what a system retrieved, whatever passage is labelled as gold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from dpr.benchmark.contestant import ScoredRun
from dpr.evaluation.answers import has_answer, has_korean_answer
from dpr.evaluation.metrics import Values
from dpr.types import Example, IntArray, PassagePool

HasAnswer = Callable[[Iterable[str], str], bool]

ANSWER_METRICS: Mapping[str, HasAnswer] = {"answer_recall": has_korean_answer, "dpr_answer_recall": has_answer}
"""The share of questions with an answer among the first k passages: by the Korean-safe rule, and by DPR's."""


def has_answers(examples: Sequence[Example]) -> bool:
    """Return whether any question has a gold answer, so that answers can be looked for."""
    return any(example.question.answers for example in examples)


class AnswerRanks:
    """Ranks of the first passage with an answer; what was looked up for one system is known for the next."""

    def __init__(self, examples: Sequence[Example], pool: PassagePool) -> None:
        self._examples = examples
        self._pool = pool
        self._texts: dict[str, str | None] = {}
        self._holds: dict[tuple[str, int, str], bool] = {}

    def values(self, run: ScoredRun, ks: Sequence[int]) -> dict[str, Values]:
        """Return ``answer_recall@k`` and ``dpr_answer_recall@k`` by question, (Q,) each, for each k.

        Empty if no question has a gold answer; where some have, those without one score 0.
        """
        if not has_answers(self._examples):
            return {}
        values: dict[str, Values] = {}
        for name, rule in ANSWER_METRICS.items():
            ranks = self._ranks(run, name, rule, max(ks))
            values |= {f"{name}@{k}": ((ranks > 0) & (ranks <= k)).astype(np.float64) for k in sorted(set(ks))}
        return values

    def _ranks(self, run: ScoredRun, name: str, rule: HasAnswer, depth: int) -> IntArray:
        """Return the rank of the first passage that holds an answer, (Q,); 0: none of the first ``depth`` does."""
        ranks: IntArray = np.zeros(len(self._examples), dtype=np.int64)
        for number, example in enumerate(self._examples):
            if not example.question.answers:
                continue
            for rank, (passage, _) in enumerate(run.get(example.question.id, ())[:depth], start=1):
                if self._holds_answer(name, rule, number, passage):
                    ranks[number] = rank
                    break
        return ranks

    def _holds_answer(self, name: str, rule: HasAnswer, number: int, passage: str) -> bool:
        key = name, number, passage
        if key not in self._holds:
            text = self._text(passage)
            self._holds[key] = text is not None and rule(self._examples[number].question.answers, text)
        return self._holds[key]

    def _text(self, passage: str) -> str | None:
        if passage not in self._texts:
            row = self._pool.row_of(passage)
            self._texts[passage] = None if row is None else self._pool[row].text
        return self._texts[passage]
