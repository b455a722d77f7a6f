"""Tune a reader's threshold, probability and weights on held-out questions, and store them with it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from dpr.benchmark.documents import document_groups, document_names
from dpr.benchmark.reader import (
    check_rule,
    read_gold,
    score_probabilities,
    score_readings,
)
from dpr.benchmark.retrieved_questions import BATCH_QUESTIONS, RetrievedQuestions
from dpr.durable import write_atomically
from dpr.evaluation.compare import compare
from dpr.models.checkpoint import optional_json
from dpr.reader.extractive.merge import PassageSpans
from dpr.reader.extractive.model import ReaderConfig, save_reader_config
from dpr.reader.extractive.reader import ExtractiveReader, verdict
from dpr.tuning.calibration import best_threshold, cross_fitted, fit_probability, threshold_for_precision
from dpr.tuning.reader_weights import fit_weights
from dpr.types import Example, Progress, no_progress

RECORD = "tuning.json"
SILENCE_RULE = "squad-2.0"
"""The answer rule for thresholds: the one that scores "no answer"."""

FOLDS = 4
"""Folds of the articles for the evaluation of a probability."""

TunedConfig = tuple[ReaderConfig, dict[str, object]]
"""A configuration, and its entry for the record."""


def tune_no_answer(
    reader: ExtractiveReader,
    examples: Sequence[Example],
    precision: float | None = None,
    progress: Progress = no_progress,
) -> TunedConfig:
    """Choose the null threshold on gold passages.

    Without ``precision`` it is the threshold of the best F1, else the one that answers most questions with at least
    that share of exactly right answers.

    Raises:
        DataError: there are no questions, or no threshold reaches the precision.
    """
    readings = read_gold(reader, examples, progress)
    if precision is None:
        threshold = best_threshold(readings, examples, SILENCE_RULE)
    else:
        threshold = threshold_for_precision(readings, examples, precision, SILENCE_RULE)
    judged = score_readings(
        [replace(reading, is_answered=reading.no_answer_score <= threshold) for reading in readings],
        examples,
        SILENCE_RULE,
    )
    config = replace(reader.config, null_threshold=threshold)
    return config, {"questions": len(examples), "precision": precision, "on_these_questions": judged.metrics()}


def read_retrieved(
    reader: ExtractiveReader, questions: RetrievedQuestions, progress: Progress = no_progress
) -> list[list[PassageSpans]]:
    """Return the best spans of the retrieved passages of each question."""
    passage_spans: list[list[PassageSpans]] = []
    progress("read", 0, len(questions.candidates))
    for first in range(0, len(questions.candidates), BATCH_QUESTIONS):
        passage_spans += reader.spans(questions.candidates[first : first + BATCH_QUESTIONS])
        progress("read", len(passage_spans), len(questions.candidates))
    return passage_spans


def tune_weights(
    config: ReaderConfig, questions: RetrievedQuestions, passage_spans: Sequence[Sequence[PassageSpans]], rule: str
) -> TunedConfig:
    """Choose the weights of retrieval score and relevance head on retrieved passages, see `fit_weights`.

    Raises:
        DataError: no question has a gold answer and a passage to read.
    """
    golds = [example.question.answers for example in questions.examples]
    fitted = fit_weights(questions.candidates, passage_spans, golds, check_rule(rule))
    config = replace(config, retrieval_weight=fitted.weights.retrieval, relevance_weight=fitted.weights.relevance)
    fitted_on = [example for example, is_fitted in zip(questions.examples, fitted.is_fitted, strict=True) if is_fitted]
    gain = compare(fitted.reader_only_f1, fitted.f1, document_groups(fitted_on))
    record = {
        "questions": len(fitted_on),
        "f1": float(fitted.f1.mean()),
        "reader_only_f1": float(fitted.reader_only_f1.mean()),
        "gain": {"value": gain.mean, "low": gain.interval.low, "high": gain.interval.high, "p_value": gain.p_value},
    }
    return config, record


def tune_probability(
    config: ReaderConfig, questions: RetrievedQuestions, passage_spans: Sequence[Sequence[PassageSpans]]
) -> TunedConfig:
    """Fit the calibrations of the probability that the best answer over the retrieved passages is right.

    The record has the calibration error of probabilities that were fitted on the articles of other folds, unless all
    questions belong to one article.
    """
    readings = [
        verdict(item, spans, config, 1) for item, spans in zip(questions.candidates, passage_spans, strict=True)
    ]
    calibrated = replace(config, calibration=fit_probability(readings, questions.examples))
    folds = min(FOLDS, len(set(document_names(questions.examples))))
    judged = cross_fitted(readings, questions.examples, folds) if folds > 1 else []
    return calibrated, {
        "questions": len(questions.examples),
        "folds": folds,
        **(score_probabilities(judged, questions.examples) if judged else {}),
    }


def store(directory: Path, config: ReaderConfig, record: Mapping[str, object]) -> None:
    """Store a reader's configuration in its directory, with a record of the tuning.

    Entries of an earlier command that this one did not replace stay in the record, with that command.
    """
    path = directory / RECORD
    former = optional_json(path)
    earlier = {
        name: {"command": former.get("command"), **former[name]}
        for name in ("no_answer", "weights", "probability")
        if isinstance(former.get(name), dict) and name not in record
    }
    save_reader_config(directory, config)
    text = json.dumps({**earlier, **record, "config": asdict(config)}, ensure_ascii=False, indent=2)
    write_atomically(path, text + "\n")
