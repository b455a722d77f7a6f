"""Benchmark of answers, end to end: retrieve k passages, read them, and judge the answer, for several k.

The output folder gets ``report.json``, ``risk-coverage.png`` and the answers at each k, ``answers-K.json``, in the
format of the official scripts of SQuAD and KorQuAD.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from dpr.benchmark.charts import draw_risk_coverage, require_charts
from dpr.benchmark.documents import document_groups
from dpr.benchmark.machine import machine
from dpr.benchmark.reader import ReaderScores, check_rule, score_readings
from dpr.benchmark.reader_report import write_answers
from dpr.benchmark.retrieved_questions import (
    BATCH_QUESTIONS,
    RetrievedQuestions,
    RetrieverChoice,
    retrieve,
)
from dpr.durable import write_atomically
from dpr.errors import RequestError
from dpr.evaluation.answers import has_answer, has_korean_answer
from dpr.evaluation.compare import Difference, Interval, compare, mean_interval
from dpr.evaluation.metrics import Values
from dpr.reader.extractive.reader import ExtractiveReader, first_passages, verdict
from dpr.search.contract import Retriever, SearchableIndex
from dpr.search.fusion import Fusion
from dpr.search.registry import RERANKED
from dpr.types import Candidates, Example, Progress, Reader, Reading, no_progress
from dpr.versions import library_versions

SINGLE_QUESTIONS = 50


@dataclass(frozen=True, slots=True, eq=False)
class AtDepth:
    """The results with k passages for each question.

    ``answer_recall`` is the share of questions with an answer in their passages, by the Korean-safe rule, and
    ``dpr_answer_recall`` by DPR's own; a question is answerable when the former holds. ``gain`` is what retrieval score
    and relevance head add to the F1 of answers that the reader's score alone would choose; None for a reader without
    these. ``single_ms`` are the times of single questions, retrieved and read on their own.
    """

    scores: ReaderScores
    answer_recall: float
    dpr_answer_recall: float
    intervals: Mapping[str, Interval]
    gain: Difference | None
    single_ms: Values

    def metrics(self) -> dict[str, float]:
        """Return the means by name, as shares."""
        recalls = {"answer_recall": self.answer_recall, "dpr_answer_recall": self.dpr_answer_recall}
        return self.scores.metrics() | recalls

    def cost(self) -> dict[str, float]:
        """Return the milliseconds of a single question."""
        p50, p95 = np.percentile(self.single_ms, [50, 95]).tolist()
        return {"single_questions": len(self.single_ms), "single_ms_p50": p50, "single_ms_p95": p95}

    def as_json(self) -> dict[str, object]:
        """Return the numbers as JSON values, shares from 0 to 1."""
        intervals = {name: asdict(interval) for name, interval in self.intervals.items()}
        metrics = {name: {"value": value} | intervals.get(name, {}) for name, value in self.metrics().items()}
        report: dict[str, object] = {"metrics": metrics, "cost": self.cost()}
        if self.gain is not None:
            gain = {"value": self.gain.mean, **asdict(self.gain.interval), "p_value": self.gain.p_value}
            report["f1_over_reader_score_alone"] = gain
        return report


@dataclass(frozen=True, slots=True)
class AnswerOptions:
    """How answers are retrieved and judged, and what the report says of the questions.

    Attributes:
        ks: the numbers of passages to read.
        rule: the official rule that judges the answers, see ``ANSWER_RULES``.
        retriever: the name of the index's retriever, with ``+rerank`` for reranked hits.
        fusion: how ``hybrid`` fuses; None: the index's default.
        source: where the questions come from, for the report.
        command: the command line, for the report.
    """

    ks: Sequence[int]
    rule: str
    retriever: str
    fusion: Fusion | None = None
    source: str = ""
    command: str = ""


def evaluate(
    index: SearchableIndex,
    reader: Reader,
    examples: Sequence[Example],
    options: AnswerOptions,
    output: Path,
    progress: Progress = no_progress,
) -> tuple[dict[str, object], dict[int, AtDepth]]:
    """Answer questions with the first k passages, for each k, and write how well and how fast.

    Return the report as it is written, and the results by k. The extractive reader reads each passage once for all k;
    its answers are compared with those that its own score alone would choose.

    Args:
        index: the open index.
        reader: the reader of the passages.
        examples: questions with gold answers, if they have any.
        options: the depths, the answer rule, the retriever and the facts for the report.
        output: the folder to write into, created if it does not exist.
        progress: called after every batch of questions.

    Raises:
        ConfigError: the rule is unknown.
        DataError: there are no questions.
        RequestError: there is no k, one is below 1, or the index has no such retriever.
        MissingDependencyError: matplotlib is not installed.
    """
    require_charts()
    check_rule(options.rule)
    if not options.ks or min(options.ks) < 1:
        raise RequestError(f"answers are requested at k = {list(options.ks)}: choose at least one k, each from 1", "k")
    depths, retriever = sorted(set(options.ks)), index.retriever(options.retriever, options.fusion)
    choice = RetrieverChoice(options.retriever, depths[-1], options.fusion)
    retrieved = retrieve(index, examples, choice, progress)
    readings = read_at_depths(reader, retrieved, depths, progress)
    step = max(1, len(examples) // SINGLE_QUESTIONS)
    sample = [example.question.text for example in examples[::step][:SINGLE_QUESTIONS]]
    results = {
        k: judge_at_depth(retrieved, k, readings[k], options.rule, _single_ms(index, retriever, reader, sample, k))
        for k in depths
    }
    systems = {f"{options.retriever} k={k}": result for k, result in results.items()}
    report: dict[str, object] = {
        "reader": reader.name,
        "rule": options.rule,
        "questions": {"source": options.source, "count": len(examples)},
        "generation": index.generation,
        "command": options.command,
        "versions": library_versions(),
        "machine": machine(),
        "reranker": index.rerank.as_json() if index.rerank and options.retriever.endswith(RERANKED) else None,
        "systems": {name: result.as_json() for name, result in systems.items()},
    }
    _write(output, report, systems)
    for k, at_depth in readings.items():
        write_answers(output / f"answers-{k}.json", examples, at_depth.readings, options.rule)
    return report, results


@dataclass(frozen=True, slots=True)
class Readings:
    """The readings of all questions at a depth; ``by_reader_alone`` ignore retrieval score and relevance head."""

    readings: list[Reading] = field(default_factory=list)
    by_reader_alone: list[Reading] = field(default_factory=list)


def read_at_depths(
    reader: Reader, retrieved: RetrievedQuestions, depths: Sequence[int], progress: Progress = no_progress
) -> dict[int, Readings]:
    """Return the readings at each depth; the extractive reader reads each passage once for all of them."""
    at_depths = {k: Readings() for k in depths}
    progress("read", 0, len(retrieved.candidates))
    for first in range(0, len(retrieved.candidates), BATCH_QUESTIONS):
        batch = retrieved.candidates[first : first + BATCH_QUESTIONS]
        if isinstance(reader, ExtractiveReader):
            _read_once(reader, batch, at_depths)
        else:
            for k, at_depth in at_depths.items():
                at_depth.readings.extend(reader.read([first_passages(item, k) for item in batch]))
        progress("read", first + len(batch), len(retrieved.candidates))
    return at_depths


def _read_once(reader: ExtractiveReader, batch: Sequence[Candidates], at_depths: Mapping[int, Readings]) -> None:
    alone = replace(reader.config, retrieval_weight=0.0, relevance_weight=0.0)
    for item, spans in zip(batch, reader.spans(batch), strict=True):
        for k, at_depth in at_depths.items():
            at_depth.readings.append(verdict(first_passages(item, k), spans[:k], reader.config, 1))
            at_depth.by_reader_alone.append(verdict(first_passages(item, k), spans[:k], alone, 1))


def judge_at_depth(retrieved: RetrievedQuestions, k: int, at_depth: Readings, rule: str, single_ms: Values) -> AtDepth:
    """Score the answers at a depth; a question without an answer in its passages counts as unanswerable."""
    pairs = list(zip(retrieved.at(k), retrieved.examples, strict=True))
    is_answerable, is_answerable_by_dpr = (
        np.array(
            [any(holds(example.question.answers, passage.text) for passage in item.passages) for item, example in pairs]
        )
        for holds in (has_korean_answer, has_answer)
    )
    scores = score_readings(at_depth.readings, retrieved.examples, rule, is_answerable)
    groups = document_groups(retrieved.examples)
    intervals = {"exact_match": mean_interval(scores.exact_match, groups), "f1": mean_interval(scores.f1, groups)}
    gain = None
    if at_depth.by_reader_alone:
        gain = compare(
            score_readings(at_depth.by_reader_alone, retrieved.examples, rule, is_answerable).f1, scores.f1, groups
        )
    return AtDepth(scores, float(is_answerable.mean()), float(is_answerable_by_dpr.mean()), intervals, gain, single_ms)


def _single_ms(
    index: SearchableIndex, retriever: Retriever, reader: Reader, questions: Sequence[str], k: int
) -> Values:
    """Return the milliseconds of questions that are retrieved and read one by one, like in a service."""
    took = []
    for question in questions:
        began = time.perf_counter()
        [hits] = retriever.search([question], k)
        passages = tuple(index.passages[hit.row] for hit in hits)
        scores, windows = tuple(hit.score for hit in hits), tuple(hit.window for hit in hits)
        reader.read([Candidates(question, passages, scores, windows)])
        took.append(1000 * (time.perf_counter() - began))
    return np.array(took)


def _write(output: Path, report: Mapping[str, object], results: Mapping[str, AtDepth]) -> None:
    output.mkdir(parents=True, exist_ok=True)
    curves = {name: result.scores.curve for name, result in results.items()}
    questions = len(next(iter(results.values())).scores.f1)
    draw_risk_coverage(output / "risk-coverage.png", curves, f"{questions:,} questions")
    write_atomically(output / "report.json", json.dumps(report, ensure_ascii=False, indent=2) + "\n")
