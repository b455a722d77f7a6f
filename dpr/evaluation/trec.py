"""Runs and qrels as the text files of TREC, which every evaluation tool of the field reads.

A run's line is ``question Q0 passage rank score tag``, a line of qrels ``question 0 passage grade``; the columns are
separated by white space, so no id may hold any.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from dpr.durable import replacing
from dpr.errors import DataError

ScoredRun = Mapping[str, Sequence[tuple[str, float]]]
"""For each question id, (passage id, score) of what was retrieved, best first."""


def write_run(path: Path, run: ScoredRun, tag: str) -> None:
    """Write a run, whose order every reader will see.

    Tools such as trec_eval ignore the rank column, hold scores in single precision and order equal ones in their own
    way. So a score that is not below the one before it is written as the next smaller single-precision number.

    Raises:
        DataError: an id or the tag is empty or holds white space.
    """
    _refuse_blanks("tag", tag)
    _write(path, (line for question, ranked in run.items() for line in _run_lines(question, ranked, tag)))


def _run_lines(question: str, ranked: Sequence[tuple[str, float]], tag: str) -> Iterator[str]:
    _refuse_blanks("question id", question)
    scores = _falling(np.array([score for _, score in ranked], dtype=np.float32).tolist())
    for rank, ((passage, _), score) in enumerate(zip(ranked, scores, strict=True), start=1):
        _refuse_blanks("passage id", passage)
        yield f"{question} Q0 {passage} {rank} {score:.9g} {tag}\n"


def _falling(scores: Iterable[float]) -> Iterator[float]:
    previous = math.inf
    for score in scores:
        previous = score if score < previous else float(np.nextafter(np.float32(previous), np.float32(-math.inf)))
        yield previous


def read_run(path: Path) -> dict[str, list[tuple[str, float]]]:
    """Read a run; each question's passages come by falling score, equal scores by the rank column.

    Raises:
        DataError: a line does not have six columns, a rank or score is not a number, or a passage is listed twice.
    """
    run: dict[str, dict[str, tuple[float, int]]] = {}
    for number, (question, _, passage, rank, score, _) in _columns(path, 6):
        ranked = run.setdefault(question, {})
        if passage in ranked:
            raise DataError.at(path, number, f"passage {passage!r} is listed twice for question {question!r}")
        ranked[passage] = -_score(path, number, score), _integer(path, number, "rank", rank)
    return {
        question: [(passage, -ranked[passage][0]) for passage in sorted(ranked, key=ranked.__getitem__)]
        for question, ranked in run.items()
    }


def write_qrels(path: Path, qrels: Mapping[str, Mapping[str, int]]) -> None:
    """Write the grades of judged passages.

    Raises:
        DataError: an id is empty or holds white space.
    """
    _write(path, _qrels_lines(qrels))


def _qrels_lines(qrels: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    for question, grades in qrels.items():
        _refuse_blanks("question id", question)
        for passage, grade in grades.items():
            _refuse_blanks("passage id", passage)
            yield f"{question} 0 {passage} {grade}\n"


def read_qrels(path: Path) -> dict[str, dict[str, int]]:
    """Read the grades of judged passages.

    Raises:
        DataError: a line does not have four columns, a grade is not an integer, or a passage is judged twice.
    """
    qrels: dict[str, dict[str, int]] = {}
    for number, (question, _, passage, grade) in _columns(path, 4):
        grades = qrels.setdefault(question, {})
        if passage in grades:
            raise DataError.at(path, number, f"passage {passage!r} is judged twice for question {question!r}")
        grades[passage] = _integer(path, number, "grade", grade)
    return qrels


def _refuse_blanks(what: str, value: str) -> None:
    if value.split() != [value]:
        cause = "is empty" if not value else "holds white space, which separates the columns of a TREC file"
        raise DataError(f"the {what} {value!r} {cause}; rename it to write runs and qrels")


def _write(path: Path, lines: Iterable[str]) -> None:
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(lines)


def _columns(path: Path, expected: int) -> Iterator[tuple[int, list[str]]]:
    if not path.is_file():
        raise DataError.at(path, None, "there is no such file")
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            columns = _decoded(path, number, line).split()
            if columns and len(columns) != expected:
                raise DataError.at(path, number, f"there are {len(columns)} columns where {expected} are expected")
            if columns:
                yield number, columns


def _decoded(path: Path, number: int, line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        raise DataError.at(path, number, "the line is not UTF-8 text") from None


def _integer(path: Path, number: int, what: str, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise DataError.at(path, number, f"the {what} {value!r} is not an integer") from None


def _score(path: Path, number: int, value: str) -> float:
    try:
        score = float(value)
    except ValueError:
        score = math.nan
    if math.isnan(score):
        raise DataError.at(path, number, f"the score {value!r} is not a number")
    return score
