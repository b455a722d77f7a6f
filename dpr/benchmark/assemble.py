"""Make the report of the runs of all systems: pure, nothing is searched here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dpr.benchmark.answer_ranks import ANSWER_METRICS, AnswerRanks, has_answers
from dpr.benchmark.breakdown import break_down
from dpr.benchmark.contestant import SystemRun
from dpr.benchmark.documents import document_groups, document_of
from dpr.benchmark.failures import Disagreement, disagreements
from dpr.benchmark.gold import JudgedQuestions
from dpr.benchmark.measured import measured
from dpr.benchmark.pairs import compare_all
from dpr.benchmark.report import BenchmarkReport, JudgedQuestion, System
from dpr.benchmark.setup import Pool, QuestionSet
from dpr.benchmark.traits import traits_of, with_training
from dpr.errors import ConfigError, RequestError
from dpr.evaluation.compare import SEED
from dpr.evaluation.metrics import MAX_DEPTH, R_PRECISION, Values, per_question, recall_curve
from dpr.types import Example, IntArray, Passage, PassagePool, Progress, no_progress


@dataclass(frozen=True, slots=True)
class ReportFacts:
    """What the numbers of a report depend on, beside the runs.

    Attributes:
        pool: the passages that were searched.
        question_set: the counts of the questions.
        ks: the depths of recall.
        depth: the number of hits that count.
        command: the command line, for the record.
        reranker: the reranker, for the record.
        primary: the metric that ranks the systems and is broken down; empty: recall@5, or the recall next to it.
        seed: of everything that is drawn at random.
    """

    pool: Pool
    question_set: QuestionSet
    ks: Sequence[int]
    depth: int
    command: str = ""
    reranker: Mapping[str, object] | None = None
    primary: str = ""
    seed: int = SEED


MIN_DEPTH = 10
"""The depth of MRR and nDCG, which are always measured."""

FIRST_HITS = 5
"""The depth of the metric that ranks systems, unless another is named."""


def assemble(
    judged: JudgedQuestions,
    runs: Sequence[SystemRun],
    facts: ReportFacts,
    pool: PassagePool,
    progress: Progress = no_progress,
) -> BenchmarkReport:
    """Measure every run on the judged questions, compare all pairs, and explain where they disagree.

    Raises:
        ConfigError: the primary metric is none that is measured.
        DataError: a run lists a passage twice for a question.
    """
    documents = document_groups(judged.examples)
    answers = AnswerRanks(judged.examples, pool)
    systems = {}
    for number, run in enumerate(runs, start=1):
        systems[run.name] = _system(run, judged, facts, documents, answers)
        progress("measure systems", number, len(runs))
    primary = primary_metric(facts.primary, facts.ks, has_answers(judged.examples))
    values = {name: system.values for name, system in systems.items()}
    questions = [_question(example, judged.qrels[example.question.id], runs) for example in judged.examples]
    depth = primary.partition("@")[2]
    first_hits = int(depth) if depth else FIRST_HITS  # R-precision has no depth
    found = disagreements(
        judged, runs, {name: system.ranks for name, system in systems.items()}, pool, first_hits, progress
    )
    return BenchmarkReport(
        systems=systems,
        questions=questions,
        pool=facts.pool,
        question_set=facts.question_set,
        depth=facts.depth,
        command=facts.command,
        reranker=facts.reranker,
        primary=primary,
        first_hits=first_hits,
        documents=None if documents is None else int(documents.max()) + 1,
        pairs=compare_all(values, _compared(systems), documents, facts.seed, progress),
        groups=break_down(
            [question.traits for question in questions],
            {name: of_system[primary] for name, of_system in values.items()},
            documents,
            facts.seed,
        ),
        disagreements=found,
        passages=_shown_passages(found, pool),
        seed=facts.seed,
    )


def hit_depth(ks: Sequence[int]) -> int:
    """Return how many hits are retrieved to measure recall at ``ks``: at least those of MRR@10 and nDCG@10.

    Raises:
        RequestError: there is no k, or one below 1 or above `MAX_DEPTH`.
    """
    if not ks or min(ks) < 1:
        raise RequestError(f"recall is requested at k = {list(ks)}: choose at least one k, each from 1", field="k")
    if max(ks) > MAX_DEPTH:
        raise RequestError(f"recall is requested at k = {max(ks)}: choose at most {MAX_DEPTH:,}", field="k")
    return max(*ks, MIN_DEPTH)


def primary_metric(name: str, ks: Sequence[int], with_answers: bool) -> str:
    """Return the metric that ranks the systems: the named one, or recall@5 or the recall next to it.

    Raises:
        ConfigError: the named one is not measured; only questions with gold answers have an answer recall.
    """
    measured_names = metric_names(ks, hit_depth(ks))
    if with_answers:
        measured_names += [f"{rule}@{k}" for rule in ANSWER_METRICS for k in sorted(set(ks))]
    if name and name not in measured_names:
        raise ConfigError(f"the metric {name!r} is not measured here; choose one of {', '.join(measured_names)}")
    nearest = min(ks, key=lambda k: (abs(k - FIRST_HITS), k))
    return name or f"recall@{nearest}"


def _compared(systems: Mapping[str, System]) -> list[str]:
    """Return the metrics by which pairs are compared: those that do not repeat others where one passage is gold."""
    return [name for name in next(iter(systems.values())).metrics if not name.startswith(("success@", "map@", "rprec"))]


def _shown_passages(found: Sequence[Disagreement], pool: PassagePool) -> dict[str, Passage]:
    """Return the passages that explanations name, by id."""
    names = dict.fromkeys(
        name
        for disagreement in found
        for name in (disagreement.gold, *(hit.passage for hit in disagreement.first_hits.values() if hit))
    )
    rows = {name: pool.row_of(name) for name in names}
    return {name: pool[row] for name, row in rows.items() if row is not None}


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


def _question(example: Example, grades: Mapping[str, int], runs: Sequence[SystemRun]) -> JudgedQuestion:
    question = example.question
    gold = tuple(passage for passage, grade in grades.items() if grade > 0)
    traits = with_training(traits_of(example), [run.name for run in runs if question.id in run.trained_on])
    return JudgedQuestion(question.id, question.text, question.answers, gold, document_of(example), traits)


def _system(
    run: SystemRun, judged: JudgedQuestions, facts: ReportFacts, documents: IntArray | None, answers: AnswerRanks
) -> System:
    ranked = {question: [passage for passage, _ in hits][: facts.depth] for question, hits in run.run.items()}
    values = per_question(ranked, judged.qrels, metric_names(facts.ks, facts.depth))
    values |= answers.values(run.run, facts.ks)
    ranks, scores = _first_relevant(run, judged, facts.depth)
    return System(
        metrics={name: measured(values[name], documents, facts.seed) for name in values},
        values=values,
        ranks=ranks,
        scores=scores,
        curve=recall_curve(ranked, judged.qrels, facts.depth),
        cost=run.cost,
        summary=run.summary,
        warnings=run.warnings,
        fusion=run.fusion,
    )


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
