"""A reader's threshold, probability and weights, chosen on held-out questions and stored with it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from dpr.durable import write_atomically
from dpr.end_to_end.asked import BATCH_QUESTIONS, Asked, article_groups
from dpr.evaluation.compare import compare
from dpr.reader.calibrate import threshold_for_precision
from dpr.reader.evaluate import check_rule, fit_readings, read_gold, rejudged, score_readings
from dpr.reader.fit import fit_weights
from dpr.reader.merge import PassageSpans
from dpr.reader.model import ReaderConfig, save_reader_config
from dpr.reader.reader import ExtractiveReader
from dpr.types import Example, Progress, no_progress

RECORD = "tuning.json"
SILENCE_RULE = "squad-2.0"
"""The rule by which thresholds are chosen: the one that scores "no answer"."""

Chosen = tuple[ReaderConfig, dict[str, object]]
"""A configuration, and what a record says of how it was chosen."""


def tune_no_answer(
    reader: ExtractiveReader,
    examples: Sequence[Example],
    precision: float | None = None,
    progress: Progress = no_progress,
) -> Chosen:
    """Choose the null threshold and the calibration over gold passages.

    The threshold is that of best F1 or, where ``precision`` is given, the one that answers most questions while such a
    share of the answers is exactly right.

    Raises:
        DataError: there are no questions of both kinds, or no threshold gives as precise answers.
    """
    readings = read_gold(reader, examples, progress)
    threshold, calibration = fit_readings(readings, examples, SILENCE_RULE)
    if precision is not None:
        threshold = threshold_for_precision(readings, examples, precision, SILENCE_RULE)
    config = replace(
        reader.config,
        null_threshold=threshold,
        calibration_margin=calibration.margin,
        calibration_temperature=calibration.temperature,
    )
    judged = score_readings([rejudged(item, threshold, calibration) for item in readings], examples, SILENCE_RULE)
    return config, {"questions": len(examples), "precision": precision, "on_these_questions": judged.metrics()}


def tune_weights(reader: ExtractiveReader, asked: Asked, rule: str, progress: Progress = no_progress) -> Chosen:
    """Choose the weights of retrieval score and relevance head for the passages that were found, see `fit_weights`.

    Raises:
        DataError: no question has a gold answer and a passage to read.
    """
    found: list[list[PassageSpans]] = []
    for first in range(0, len(asked.candidates), BATCH_QUESTIONS):
        found += reader.spans(asked.candidates[first : first + BATCH_QUESTIONS])
        progress("read", len(found), len(asked.candidates))
    golds = [example.question.answers for example in asked.examples]
    fitted = fit_weights(asked.candidates, found, golds, check_rule(rule))
    config = replace(
        reader.config, retrieval_weight=fitted.weights.retrieval, relevance_weight=fitted.weights.relevance
    )
    fitted_on = [example for example, is_fitted in zip(asked.examples, fitted.is_fitted, strict=True) if is_fitted]
    gain = compare(fitted.reader_only_f1, fitted.f1, article_groups(fitted_on))
    record = {
        "questions": len(fitted_on),
        "f1": float(fitted.f1.mean()),
        "reader_only_f1": float(fitted.reader_only_f1.mean()),
        "gain": {"value": gain.mean, "low": gain.interval.low, "high": gain.interval.high, "p_value": gain.p_value},
    }
    return config, record


def store(directory: Path, config: ReaderConfig, record: Mapping[str, object]) -> None:
    """Store a reader's configuration in its directory, and beside it how it was chosen."""
    save_reader_config(directory, config)
    text = json.dumps({**record, "config": asdict(config)}, ensure_ascii=False, indent=2)
    write_atomically(directory / RECORD, text + "\n")
