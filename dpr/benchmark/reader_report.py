"""The report of a reader's evaluation: ``report.json``, the answers, and the curve of risk over coverage."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from dpr.benchmark.charts import draw_risk_coverage
from dpr.benchmark.machine import machine
from dpr.benchmark.reader import ReaderScores, check_rule, prediction
from dpr.durable import write_atomically
from dpr.reader.extractive.reader import ExtractiveReader
from dpr.types import Example, Reading
from dpr.versions import library_versions

SYSTEM = "reader"


def reader_report(
    scores: ReaderScores, reader: ExtractiveReader, source: str, command: str, folds: int = 0
) -> dict[str, object]:
    """Return the scores of a reader over gold passages as JSON values, shares from 0 to 1.

    ``folds`` is the number of folds that threshold and probability were cross-fitted in; 0: they are the reader's own.
    """
    return {
        "systems": {SYSTEM: {"metrics": {name: {"value": value} for name, value in scores.metrics().items()}}},
        "reader": reader.name,
        "config": asdict(reader.config),
        "folds": folds,
        "rule": scores.rule,
        "questions": {"source": source, "count": len(scores.f1)},
        "command": command,
        "versions": library_versions(),
        "machine": machine(),
    }


def write_reader_report(
    output: Path,
    report: Mapping[str, object],
    scores: ReaderScores,
    examples: Sequence[Example],
    readings: Sequence[Reading],
) -> None:
    """Write the report, the answers and the curve into a folder, created if it does not exist.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    output.mkdir(parents=True, exist_ok=True)
    write_answers(output / "answers.json", examples, readings, scores.rule)
    draw_risk_coverage(output / "risk-coverage.png", {SYSTEM: scores.curve}, f"{len(examples):,} questions")
    write_atomically(output / "report.json", json.dumps(report, ensure_ascii=False, indent=2) + "\n")


def write_answers(path: Path, examples: Sequence[Example], readings: Sequence[Reading], rule: str) -> None:
    """Write the answers that a rule judged by question id: the format of SQuAD's and KorQuAD's official scripts."""
    official = check_rule(rule)
    answers = {
        example.question.id: prediction(reading, official) for example, reading in zip(examples, readings, strict=True)
    }
    write_atomically(path, json.dumps(answers, ensure_ascii=False, indent=0) + "\n")
