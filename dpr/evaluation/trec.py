"""Runs and qrels as the text files of TREC, which every evaluation tool of the field reads.

A run's line is ``question Q0 passage rank score tag``, a line of qrels ``question 0 passage grade``; the columns are
separated by white space, so that ids are written escaped, both by the rule of `dpr.data.trec_ids`.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from dpr.data.files import Location, read_lines
from dpr.data.intake import UTF8_RULES, BadRows, Intake, ReadRules
from dpr.data.qrels import columns, is_number, whole_number
from dpr.data.qrels import read_qrels as read_judgements
from dpr.data.trec_ids import escape_id, unescape_id
from dpr.durable import replacing
from dpr.errors import DataError
from dpr.unicode_form import composed

logger = logging.getLogger(__name__)

RUN_COLUMNS = (6, 5)

ScoredRun = Mapping[str, Sequence[tuple[str, float]]]
"""For each question id, (passage id, score) of what was retrieved, best first."""


def write_run(path: Path, run: ScoredRun, tag: str) -> None:
    """Write a run, whose order every reader will see.

    Tools such as trec_eval ignore the rank column, hold scores in single precision and order equal ones in their own
    way. So a score that is not below the one before it is written as the next smaller single-precision number.

    Raises:
        DataError: an id is empty, or the tag is or holds white space.
    """
    if tag.split() != [tag]:
        cause = "is empty" if not tag else "holds white space, which separates the columns of a TREC file"
        raise DataError(f"the tag {tag!r} {cause}; rename it to write runs and qrels")
    _write(path, (line for question, ranked in run.items() for line in _run_lines(question, ranked, tag)))


def _run_lines(question: str, ranked: Sequence[tuple[str, float]], tag: str) -> Iterator[str]:
    question_column = _column("question id", question)
    scores = _falling(np.array([score for _, score in ranked], dtype=np.float32).tolist())
    for rank, ((passage, _), score) in enumerate(zip(ranked, scores, strict=True), start=1):
        yield f"{question_column} Q0 {_column('passage id', passage)} {rank} {score:.9g} {tag}\n"


def _falling(scores: Iterable[float]) -> Iterator[float]:
    previous = math.inf
    for score in scores:
        previous = score if score < previous else float(np.nextafter(np.float32(previous), np.float32(-math.inf)))
        yield previous


def read_run(path: Path, rules: ReadRules = UTF8_RULES) -> dict[str, list[tuple[str, float]]]:
    """Read a run; each question's passages come in the order of `trec_order`, which ignores the rank column.

    Columns may also be separated by tabs alone, and stand below a header; the last one may be missing.

    Raises:
        DataError: lines have other columns, a rank or score is not a (finite) number, or a passage is listed twice.
    """
    run: dict[str, dict[str, float]] = {}

    def take(numbered: tuple[int, tuple[Location, str]]) -> None:
        """Add a line to the run, unless it is a header."""
        number, (location, line) = numbered
        cells = columns(line, RUN_COLUMNS)
        if len(cells) not in RUN_COLUMNS:
            raise location.error(
                f"there are {len(cells)} columns where 6 are expected: question, Q0, passage, rank, score, tag"
            )
        if number == 0 and not is_number(cells[3]) and not is_number(cells[4]):
            return
        question, passage = (unescape_id(composed(cell)) for cell in (cells[0], cells[2]))
        if whole_number(cells[3]) is None:
            raise location.error(f"the rank {cells[3]!r} is not an integer")
        ranked = run.setdefault(question, {})
        if passage in ranked:
            raise location.error(f"passage {passage!r} is listed twice for question {question!r}")
        ranked[passage] = _score(location, cells[4])

    with _bad_rows_together(rules) as intake:
        for _ in intake.sift(take, enumerate(read_lines(path, intake))):
            pass
    return {question: trec_order(scores) for question, scores in run.items()}


SCORE = "a finite number of single precision"
"""What a score has to be: runs are ordered in single precision, where greater ones would all be equal."""


def is_score(value: float) -> bool:
    """Return whether a number can be the score of a run."""
    return abs(value) <= float(np.finfo(np.float32).max)


def trec_order(scores: Mapping[str, float]) -> list[tuple[str, float]]:
    """Return passages with their scores as trec_eval orders them: by falling score, equal ones by falling passage id.

    trec_eval holds scores in single precision, so that those are equal which differ in later digits only.
    """
    return sorted(scores.items(), key=lambda hit: (float(np.float32(hit[1])), hit[0]), reverse=True)


def write_qrels(path: Path, qrels: Mapping[str, Mapping[str, int]]) -> None:
    """Write the grades of judged passages.

    Raises:
        DataError: an id is empty.
    """
    _write(path, _qrels_lines(qrels))


def _qrels_lines(qrels: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    for question, grades in qrels.items():
        question_column = _column("question id", question)
        for passage, grade in grades.items():
            yield f"{question_column} 0 {_column('passage id', passage)} {grade}\n"


def read_qrels(path: Path, rules: ReadRules = UTF8_RULES) -> dict[str, dict[str, int]]:
    """Read the grades of judged passages, from a file of TREC's four columns or in another form of `dpr.data.qrels`.

    Raises:
        DataError: lines have other columns, a grade is not a whole number, or a passage is judged twice, differently.
    """
    with _bad_rows_together(rules) as intake:
        return read_judgements(path, intake, unescape_id)


@contextmanager
def _bad_rows_together(rules: ReadRules) -> Iterator[Intake]:
    bad_rows = BadRows(rules.skip_bad_rows)
    yield Intake(rules.encoding, bad_rows.add)
    bad_rows.refuse()
    bad_rows.log(logger)


def _column(label: str, value: str) -> str:
    """Return an id as a column holds it."""
    if not value:
        raise DataError(f"the {label} is empty; name it to write runs and qrels")
    return escape_id(value)


def _write(path: Path, lines: Iterable[str]) -> None:
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(lines)


def _score(location: Location, value: str) -> float:
    score = float(value) if is_number(value) else math.nan
    if not is_score(score):
        raise location.error(f"the score {value!r} is not {SCORE}")
    return score
