"""End to end: retrieve k passages, read them, and judge the answer, for several k.

The output folder gets ``report.json``, ``risk-coverage.png`` and the answers at each k, ``answers-K.json``, in the form
that the official scripts of SQuAD and KorQuAD read.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from dpr.benchmark.charts import draw_risk_coverage, require_charts
from dpr.benchmark.reader import ReaderScores, check_rule, score_readings
from dpr.benchmark.reader_report import write_answers
from dpr.benchmark.report import machine
from dpr.benchmark.retrieved_questions import BATCH_QUESTIONS, Asked, ReadableIndex, article_groups, retrieve
from dpr.durable import write_atomically
from dpr.errors import RequestError
from dpr.evaluation.answers import has_answer, has_korean_answer
from dpr.evaluation.compare import Difference, Interval, compare, mean_interval
from dpr.evaluation.metrics import Values
from dpr.reader.extractive.reader import ExtractiveReader, first_passages, verdict
from dpr.search.contract import Retriever
from dpr.search.fusion import Fusion
from dpr.search.registry import DEFAULT_RETRIEVER, RERANKED
from dpr.types import Candidates, Example, Progress, Reader, Reading, no_progress
from dpr.versions import library_versions

SINGLE_QUESTIONS = 50


@dataclass(frozen=True, slots=True, eq=False)
class AtDepth:
    """What was achieved with k passages for each question.

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
        metrics = {name: {"value": value} | self._interval(name) for name, value in self.metrics().items()}
        found: dict[str, object] = {"metrics": metrics, "cost": self.cost()}
        if self.gain is not None:
            low, high = self.gain.interval.low, self.gain.interval.high
            gain = {"value": self.gain.mean, "low": low, "high": high, "p_value": self.gain.p_value}
            found["f1_over_reader_score_alone"] = gain
        return found

    def _interval(self, name: str) -> dict[str, float]:
        interval = self.intervals.get(name)
        return {} if interval is None else {"low": interval.low, "high": interval.high}


def evaluate(
    index: ReadableIndex,
    reader: Reader,
    examples: Sequence[Example],
    ks: Sequence[int],
    rule: str,
    output: Path,
    retriever: str = DEFAULT_RETRIEVER,
    fusion: Fusion | None = None,
    progress: Progress = no_progress,
    *,
    source: str = "",
    command: str = "",
) -> tuple[dict[str, object], dict[int, AtDepth]]:
    """Answer questions with the first k passages, for each k, and write how well and how fast.

    Return the report as it is written, and the results by k. The extractive reader reads each passage once for all k;
    its answers are compared with those that its own score alone would choose.

    Args:
        index: the open index.
        reader: what reads the passages.
        examples: questions with gold answers, if they have any.
        ks: the numbers of passages.
        rule: the official rule that answers are judged by, see ``ANSWER_RULES``.
        output: the folder to write into, made where it is absent.
        retriever: the name of the index's retriever, with ``+rerank`` where its hits are to be reranked.
        fusion: how ``hybrid`` fuses; None for the index's own.
        progress: told of every batch of questions.
        source: where the questions come from, for the report.
        command: the command line, for the report.

    Raises:
        ConfigError: the rule is unknown.
        DataError: there are no questions.
        RequestError: there is no k, one is below 1, or the index has no such retriever.
        MissingDependencyError: matplotlib is not installed.
    """
    require_charts()
    check_rule(rule)
    if not ks or min(ks) < 1:
        raise RequestError(f"answers are asked at k = {list(ks)}: give at least one k, each from 1", field="k")
    depths, opened = sorted(set(ks)), index.retriever(retriever, fusion)
    asked = retrieve(index, examples, retriever, depths[-1], fusion, progress)
    readings = read_at_depths(reader, asked, depths, progress)
    sample = _sample(examples)
    results = {
        k: judge_at_depth(asked, k, readings[k], rule, _single_ms(index, opened, reader, sample, k)) for k in depths
    }
    named = {f"{retriever} k={k}": result for k, result in results.items()}
    report = {
        **_facts(reader, rule, source, len(examples), index.generation, command),
        "reranker": index.rerank.as_json() if index.rerank and retriever.endswith(RERANKED) else None,
        "systems": {name: result.as_json() for name, result in named.items()},
    }
    _write(output, report, named)
    for k, read in readings.items():
        write_answers(output / f"answers-{k}.json", examples, read.readings, rule)
    return report, results


@dataclass(frozen=True, slots=True)
class Readings:
    """The readings of all questions at a depth; ``by_reader_alone`` are those without retrieval and relevance."""

    readings: list[Reading] = field(default_factory=list)
    by_reader_alone: list[Reading] = field(default_factory=list)


def read_at_depths(
    reader: Reader, asked: Asked, depths: Sequence[int], progress: Progress = no_progress
) -> dict[int, Readings]:
    """Return the readings at each depth; the extractive reader reads each passage once for all of them."""
    found = {k: Readings() for k in depths}
    for first in range(0, len(asked.candidates), BATCH_QUESTIONS):
        batch = asked.candidates[first : first + BATCH_QUESTIONS]
        if isinstance(reader, ExtractiveReader):
            _read_once(reader, batch, found)
        else:
            for k, here in found.items():
                here.readings.extend(reader.read([first_passages(item, k) for item in batch]))
        progress("read", first + len(batch), len(asked.candidates))
    return found


def _read_once(reader: ExtractiveReader, batch: Sequence[Candidates], found: Mapping[int, Readings]) -> None:
    alone = replace(reader.config, retrieval_weight=0.0, relevance_weight=0.0)
    for item, spans in zip(batch, reader.spans(batch), strict=True):
        for k, here in found.items():
            here.readings.append(verdict(first_passages(item, k), spans[:k], reader.config, 1))
            here.by_reader_alone.append(verdict(first_passages(item, k), spans[:k], alone, 1))


def judge_at_depth(asked: Asked, k: int, read: Readings, rule: str, single_ms: Values) -> AtDepth:
    """Score the answers at a depth; there, a question has no answer where none of its passages holds one."""
    pairs = list(zip(asked.at(k), asked.examples, strict=True))
    held, held_by_dpr = (
        np.array(
            [any(holds(example.question.answers, passage.text) for passage in item.passages) for item, example in pairs]
        )
        for holds in (has_korean_answer, has_answer)
    )
    scores = score_readings(read.readings, asked.examples, rule, held)
    groups = article_groups(asked.examples)
    intervals = {"exact_match": mean_interval(scores.exact_match, groups), "f1": mean_interval(scores.f1, groups)}
    gain = None
    if read.by_reader_alone:
        gain = compare(score_readings(read.by_reader_alone, asked.examples, rule, held).f1, scores.f1, groups)
    return AtDepth(scores, float(held.mean()), float(held_by_dpr.mean()), intervals, gain, single_ms)


def _single_ms(index: ReadableIndex, retriever: Retriever, reader: Reader, questions: Sequence[str], k: int) -> Values:
    """Return the milliseconds of questions that are retrieved and read one by one, as a service would."""
    took = []
    for question in questions:
        began = time.perf_counter()
        [hits] = retriever.search([question], k)
        passages = tuple(index.passages[hit.row] for hit in hits)
        scores, windows = tuple(hit.score for hit in hits), tuple(hit.window for hit in hits)
        reader.read([Candidates(question, passages, scores, windows)])
        took.append(1000 * (time.perf_counter() - began))
    return np.array(took)


def _sample(examples: Sequence[Example]) -> list[str]:
    step = max(1, len(examples) // SINGLE_QUESTIONS)
    return [example.question.text for example in examples[::step][:SINGLE_QUESTIONS]]


def _write(output: Path, report: Mapping[str, object], results: Mapping[str, AtDepth]) -> None:
    output.mkdir(parents=True, exist_ok=True)
    curves = {name: result.scores.curve for name, result in results.items()}
    questions = len(next(iter(results.values())).scores.f1)
    draw_risk_coverage(output / "risk-coverage.png", curves, f"{questions:,} questions")
    write_atomically(output / "report.json", json.dumps(report, ensure_ascii=False, indent=2) + "\n")


def _facts(reader: Reader, rule: str, source: str, questions: int, generation: str, command: str) -> dict[str, object]:
    return {
        "reader": reader.name,
        "rule": rule,
        "questions": {"source": source, "count": questions},
        "generation": generation,
        "command": command,
        "versions": library_versions(),
        "machine": machine(),
    }
