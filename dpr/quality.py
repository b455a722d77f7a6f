"""Evaluation of a pipeline from Python: retrieval and answers on labelled questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dpr.benchmark.answers import judge_at_depth, read_at_depths
from dpr.benchmark.gold import judge_questions
from dpr.benchmark.reader import check_rule, choose_rule
from dpr.benchmark.retrieved_questions import RetrievedQuestions, RetrieverChoice, retrieve
from dpr.data.passages import read_examples
from dpr.errors import DataError, RequestError
from dpr.evaluation import metrics
from dpr.pipeline import QA
from dpr.types import Example, Progress, no_progress
from dpr.value_types import checks_types

RANKED_METRICS = ("mrr@10", "ndcg@10")
MIN_DEPTH = 10


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The quality of a pipeline's retrieval and answers.

    Attributes:
        questions: the number of questions.
        retrieval: ``recall@k`` for each k, ``mrr@10`` and ``ndcg@10``, as shares, over the questions with labelled
            passages; empty if there are none.
        answers: for each k the shares of `dpr evaluate`, such as ``exact_match`` and ``f1``, over the questions with
            gold answers and the unanswerable ones; empty without a reader or without such questions.
    """

    questions: int
    retrieval: Mapping[str, float]
    answers: Mapping[int, Mapping[str, float]]

    def to_dict(self) -> dict[str, object]:
        """Return the numbers as JSON values."""
        answers = {str(k): dict(shares) for k, shares in self.answers.items()}
        return {"questions": self.questions, "retrieval": dict(self.retrieval), "answers": answers}


@checks_types()
def evaluate(
    qa: QA,
    data: str | Path | Sequence[Example],
    *,
    ks: Sequence[int] = (1, 5, 20),
    rule: str | None = None,
    progress: Progress = no_progress,
) -> Evaluation:
    """Measure retrieval and answers on labelled questions.

    Args:
        qa: the pipeline, with its default retrieval.
        data: ``kind:PATH`` of questions, or examples.
        ks: how many passages are retrieved and read.
        rule: the official rule that judges the answers: ``squad-1.1``, ``squad-2.0`` or ``korquad-1.0``; None: the
            rule of the data set.
        progress: called after every batch of questions.

    Raises:
        DataError: the source cannot be read, there are no questions, or none of their passages is in the index.
        ConfigError: the rule is unknown.
        RequestError: there is no k, one is below 1 or deeper than the retriever goes.
    """
    if not ks or min(ks) < 1:
        raise RequestError(f"quality is measured at k = {list(ks)}; give at least one k, each from 1", field="ks")
    if rule is not None:
        check_rule(rule)
    source = str(data) if isinstance(data, str | Path) else ""
    examples = list(read_examples(source)) if isinstance(data, str | Path) else list(data)
    if not examples:
        raise DataError("there are no questions; give at least one example")
    rule = rule or choose_rule(examples, is_korean=source.startswith(("korquad:", "klue:")))
    depths = sorted(set(ks))
    depth = max(*depths, MIN_DEPTH) + max(len(example.excluded_ids) for example in examples)
    choice = RetrieverChoice(qa.default_retriever, depth, qa.retrieval.fusion)
    retrieved = retrieve(qa.index, examples, choice, progress)
    return Evaluation(
        len(examples), _judge_retrieval(qa, retrieved, depths), _judge_answers(qa, retrieved, depths, rule, progress)
    )


def _judge_retrieval(qa: QA, retrieved: RetrievedQuestions, depths: Sequence[int]) -> dict[str, float]:
    labelled = (example for example in retrieved.examples if not example.is_impossible)
    if not any(example.positives or example.absent_positives for example in labelled):
        return {}
    judged_questions = judge_questions(qa.index.passages, retrieved.examples)
    run = {
        example.question.id: judged_questions.without_excluded(
            example.question.id, (passage.id for passage in item.passages)
        )
        for example, item in zip(retrieved.examples, retrieved.candidates, strict=True)
        if example.question.id in judged_questions.qrels
    }
    return metrics.evaluate(run, judged_questions.qrels, [*(f"recall@{k}" for k in depths), *RANKED_METRICS])


def _judge_answers(
    qa: QA, retrieved: RetrievedQuestions, depths: Sequence[int], rule: str, progress: Progress
) -> dict[int, dict[str, float]]:
    labelled_rows = [
        (example, item)
        for example, item in zip(retrieved.examples, retrieved.candidates, strict=True)
        if example.question.answers or example.is_impossible
    ]
    if not labelled_rows or not qa.has_reader:
        return {}
    retrieved = RetrievedQuestions([example for example, _ in labelled_rows], [item for _, item in labelled_rows])
    readings = read_at_depths(qa.answering_reader(), retrieved, depths, progress)
    return {k: judge_at_depth(retrieved, k, readings[k], rule, np.empty(0)).metrics() for k in depths}
