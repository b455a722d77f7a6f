"""Make the report of the runs of all systems: pure, nothing is searched here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dpr.benchmark.contestant import SystemRun
from dpr.benchmark.gold import JudgedQuestions
from dpr.benchmark.report import BenchmarkReport, JudgedQuestion, Measured, System
from dpr.benchmark.setup import FusionUsed, Pool, QuestionSet
from dpr.evaluation.compare import SEED, mean_interval
from dpr.evaluation.metrics import R_PRECISION, Values, per_question, recall_curve
from dpr.types import Example, IntArray


@dataclass(frozen=True, slots=True)
class Setting:
    """What the numbers of a report depend on, beside the runs.

    Attributes:
        pool: the passages that were searched.
        question_set: the counts of the questions.
        ks: the depths of recall.
        depth: the number of hits that count.
        fusion: how ``hybrid`` fused; None if nothing fused.
        command: the command line, for the record.
        reranker: the reranker, for the record.
        seed: of everything that is drawn at random.
    """

    pool: Pool
    question_set: QuestionSet
    ks: Sequence[int]
    depth: int
    fusion: FusionUsed | None = None
    command: str = ""
    reranker: Mapping[str, object] | None = None
    seed: int = SEED


def assemble(judged: JudgedQuestions, runs: Sequence[SystemRun], setting: Setting) -> BenchmarkReport:
    """Measure every run on the judged questions and return the report.

    Raises:
        DataError: a run lists a passage twice for a question.
    """
    questions = [_question(example, judged.qrels[example.question.id]) for example in judged.examples]
    documents = document_groups(judged.examples)
    return BenchmarkReport(
        systems={run.name: _system(run, judged, setting, documents) for run in runs},
        questions=questions,
        pool=setting.pool,
        question_set=setting.question_set,
        depth=setting.depth,
        fusion=setting.fusion,
        command=setting.command,
        reranker=setting.reranker,
    )


def metric_names(ks: Sequence[int], depth: int) -> list[str]:
    """Return the names of the metrics of a report with recall at ``ks``."""
    depths = sorted(set(ks))
    return [
        *(f"recall@{k}" for k in depths),
        "mrr@10",
        "ndcg@10",
        f"map@{depth}",
        R_PRECISION,
        *(f"success@{k}" for k in depths),
    ]


def document_groups(examples: Sequence[Example]) -> IntArray | None:
    """Number the documents of the questions' first gold passages, (Q,); None if each question has its own, or all one.

    Questions about one document are not independent, so intervals and tests draw whole documents.
    """
    names = [document_of(example) or example.question.id for example in examples]
    numbers: IntArray = np.unique(names, return_inverse=True)[1].astype(np.int64)
    return numbers if 1 < numbers.max() + 1 < len(names) else None


def document_of(example: Example) -> str:
    """Return the document of a question's first gold passage; empty if it is not known."""
    return (example.positives[0].document_id or example.positives[0].id) if example.positives else ""


def _question(example: Example, grades: Mapping[str, int]) -> JudgedQuestion:
    question = example.question
    gold = tuple(passage for passage, grade in grades.items() if grade > 0)
    return JudgedQuestion(question.id, question.text, question.answers, gold, document_of(example))


def _system(run: SystemRun, judged: JudgedQuestions, setting: Setting, documents: IntArray | None) -> System:
    ranked = {question: [passage for passage, _ in hits][: setting.depth] for question, hits in run.run.items()}
    values = per_question(ranked, judged.qrels, metric_names(setting.ks, setting.depth))
    ranks, scores = _first_relevant(run, judged, setting.depth)
    return System(
        metrics={name: measured(values[name], documents, setting.seed) for name in values},
        values=values,
        ranks=ranks,
        scores=scores,
        curve=recall_curve(ranked, judged.qrels, setting.depth),
        cost=run.cost,
        summary=run.summary,
        warnings=run.warnings,
    )


def measured(values: Values, documents: IntArray | None, seed: int = SEED) -> Measured:
    """Return the mean of values by question, (Q,), with its bootstrap interval."""
    interval = mean_interval(values, documents, seed=seed)
    return Measured(float(values.mean()), interval.low, interval.high)


def _first_relevant(run: SystemRun, judged: JudgedQuestions, depth: int) -> tuple[IntArray, Values]:
    """Return the rank and the score of each question's first relevant passage, (Q,) each: 0 and NaN without one."""
    ranks: IntArray = np.zeros(len(judged.qrels), dtype=np.int64)
    scores = np.full(len(judged.qrels), np.nan)
    for number, (question, grades) in enumerate(judged.qrels.items()):
        for rank, (passage, score) in enumerate(run.run.get(question, ())[:depth], start=1):
            if grades.get(passage, 0) > 0:
                ranks[number], scores[number] = rank, score
                break
    return ranks, scores
