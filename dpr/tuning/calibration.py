"""Fit the null threshold and the calibration of a reader on questions; numpy only.

The *margin* of a question is null score - span score of its best answer (SQuAD 2.0, Rajpurkar et al. 2018); a lower
margin means a more confident reader.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dpr.benchmark.documents import document_names
from dpr.errors import ConfigError, DataError
from dpr.evaluation.answers import ANSWER_RULES
from dpr.reader.extractive.probability import Calibration, are_right, calibration_for, fit_calibrations
from dpr.types import Example, Reading

logger = logging.getLogger(__name__)


def best_threshold(readings: Sequence[Reading], examples: Sequence[Example], rule: str = "squad-2.0") -> float:
    """Return the null threshold with the highest mean F1, by SQuAD 2.0's official search over all margins.

    Raises:
        DataError: there are no questions.
    """
    if not examples:
        raise DataError("there are no questions to choose a threshold on; give some")
    official = ANSWER_RULES[rule]
    gains = sorted(
        (
            reading.no_answer_score,
            official.f1(reading.answers[0].text, example.question.answers) - float(example.is_impossible),
        )
        for reading, example in zip(readings, examples, strict=True)
        if reading.answers
    )
    best, total, threshold = 0.0, 0.0, gains[0][0] - 1.0 if gains else 0.0
    for margin, gain in gains:  # one more question is answered at each step
        total += gain
        if total > best:
            best, threshold = total, margin
    return threshold


def threshold_for_precision(
    readings: Sequence[Reading], examples: Sequence[Example], precision: float, rule: str = "squad-2.0"
) -> float:
    """Return the highest null threshold at which at least the share ``precision`` of the answers is exactly right.

    Raises:
        DataError: there are no questions, or no threshold reaches that precision; the message has the best one.
    """
    official = ANSWER_RULES[rule]
    judged = sorted(
        (reading.no_answer_score, official.exact_match(reading.answers[0].text, example.question.answers))
        for reading, example in zip(readings, examples, strict=True)
        if reading.answers
    )
    if not judged:
        raise DataError("there are no answers to choose a threshold on; give questions with answers")
    margins, right = np.array(judged).T  # (A,) each
    shares = np.cumsum(right) / np.arange(1, len(right) + 1)
    is_last = np.append(margins[1:] > margins[:-1], True)  # questions of one margin are answered together
    reached = np.flatnonzero((shares >= precision) & is_last)
    if not len(reached):
        best = shares[is_last].max()
        raise DataError(
            f"no threshold reaches the precision {precision:g}; the best one has {best:.3f}, so ask for less"
        )
    return float(margins[reached[-1]])


def fit_probability(readings: Sequence[Reading], examples: Sequence[Example]) -> dict[str, Calibration]:
    """Return the calibrations for readings of questions, see `fit_calibrations`.

    If all answers are right, or none is, there is no calibration, and a warning is logged.
    """
    read = [(reading, example) for reading, example in zip(readings, examples, strict=True) if reading.answers]
    questions = [example.question.text for _, example in read]
    right = are_right([reading for reading, _ in read], questions, [example.question.answers for _, example in read])
    try:
        return fit_calibrations(questions, [reading.evidence for reading, _ in read], right)
    except DataError as error:
        logger.warning("the reader gets no probability: %s", error)
        return {}


def folds_of(examples: Sequence[Example], folds: int) -> list[int]:
    """Return the fold of each question, by its document: the documents are dealt to ``folds`` folds in turn.

    Raises:
        ConfigError: there are fewer than two folds.
        DataError: there are fewer documents than folds.
    """
    if folds < 2:
        raise ConfigError(f"folds is {folds}; give at least 2, or 0 for no cross-fitting")
    names = document_names(examples)
    documents = list(dict.fromkeys(names))
    if len(documents) < folds:
        raise DataError(f"{len(documents)} documents are too few for {folds} folds; give fewer folds")
    fold_of = {document: number % folds for number, document in enumerate(documents)}
    return [fold_of[name] for name in names]


def cross_fitted(readings: Sequence[Reading], examples: Sequence[Example], folds: int) -> list[Reading]:
    """Return the readings with a threshold and a calibration that were fitted on other documents.

    Each of the folds (`folds_of`) uses the fit on the others, so that no question is judged by a fit on itself.

    Raises:
        ConfigError: there are fewer than two folds.
        DataError: there are fewer documents than folds.
    """
    folds_of_examples = folds_of(examples, folds)
    judged = list(readings)
    for fold in range(folds):
        training_rows = [number for number, example_fold in enumerate(folds_of_examples) if example_fold != fold]
        fitted_on = [readings[number] for number in training_rows], [examples[number] for number in training_rows]
        threshold, calibrations = best_threshold(*fitted_on), fit_probability(*fitted_on)
        for number, example_fold in enumerate(folds_of_examples):
            reading = readings[number]
            if example_fold == fold and reading.answers:
                calibration = calibration_for(examples[number].question.text, calibrations)
                probability = None if calibration is None else calibration.probability(reading.evidence)
                is_answered = reading.no_answer_score <= threshold
                judged[number] = replace(reading, is_answered=is_answered, probability=probability)
    return judged
