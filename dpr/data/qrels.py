"""Judgements (qrels) in their common formats.

    question <TAB> passage <TAB> grade          BEIR's, mostly under a header
    question 0 passage grade                    TREC's; the second column is not used

A header may have any names. Columns are separated by tabs or, without tabs, by spaces or by commas; a grade is a whole
number, also in the form ``1.0``. Ids with spaces need tabs, or are escaped in TREC's four columns
(`dpr.data.trec_ids`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from pathlib import Path

from dpr.data.files import Location, read_lines
from dpr.data.intake import STRICT, Intake
from dpr.errors import DataError
from dpr.unicode_form import composed

_COLUMNS = (3, 4)
MAX_GRADE = 1_000_000


def read_qrels(
    path: Path, intake: Intake = STRICT, read_trec_id: Callable[[str], str] = str
) -> dict[str, dict[str, int]]:
    """Read judgements; ids are in NFC, without spaces around them.

    Args:
        path: the file.
        intake: how to read it.
        read_trec_id: converts an id in TREC's four columns.

    Raises:
        DataError: a row has other columns, its grade is not a whole number, or a passage is judged twice, differently.
    """
    rows = read_lines(path, intake)
    header = next(rows, None)
    if header is not None and is_number(columns(header[1], _COLUMNS)[-1]):
        rows, header = chain((header,), rows), None
    judgements: dict[str, dict[str, int]] = {}
    for location, question, passage, grade in intake.sift(partial(_judgement, read_trec_id), rows):
        grades = judgements.setdefault(question, {})
        if grades.setdefault(passage, grade) != grade:
            cause = (
                f"passage {passage!r} has the grade {grade} for question {question!r}, but had {grades[passage]} "
                "before; keep one of the two rows"
            )
            intake.on_bad_row(location.error(cause))
    if header is not None and composed(columns(header[1], _COLUMNS)[0]) in judgements:  # it is a row like the others
        intake.on_bad_row(_bad_grade(*header))
    return judgements


def _judgement(read_trec_id: Callable[[str], str], row: tuple[Location, str]) -> tuple[Location, str, str, int]:
    location, line = row
    cells = columns(line, _COLUMNS)
    if len(cells) not in _COLUMNS:
        there = "there is 1 column" if len(cells) == 1 else f"there are {len(cells)} columns"
        raise location.error(f"{there} instead of three (question, passage, grade) or TREC's four")
    question, passage, grade = composed(cells[0]), composed(cells[-2]), whole_number(cells[-1])
    if not question or not passage:
        raise location.error(f"{line!r} has an empty id; give the ids of question and passage")
    if grade is None or not is_grade(grade):
        raise _bad_grade(location, line)
    if len(cells) == 4:
        question, passage = read_trec_id(question), read_trec_id(passage)
    return location, question, passage, grade


def _bad_grade(location: Location, line: str) -> DataError:
    return location.error(f"{line!r} is not a question id, a passage id and a whole grade of at most {MAX_GRADE:,}")


def is_grade(value: int) -> bool:
    """Return whether a whole number can be a grade: greater ones are no judgement, and too large to count with."""
    return abs(value) <= MAX_GRADE


def columns(line: str, expected: Sequence[int]) -> list[str]:
    """Return the columns of a line: between tabs, spaces or commas, the first that give an expected number of them."""
    by_tabs, by_commas = ([cell.strip() for cell in line.strip().split(separator)] for separator in "\t,")
    by_spaces = line.split()
    return next((cells for cells in (by_tabs, by_spaces, by_commas) if len(cells) in expected), by_spaces)


def is_number(text: str) -> bool:
    """Tell whether a text is a number or NaN; ``1_0``, which is ten in Python, is none."""
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text


def whole_number(text: str) -> int | None:
    """Return the whole number in a text, also from ``1.0``; None if there is none."""
    if not is_number(text):
        return None
    try:
        return int(text)
    except ValueError:
        number = float(text)
        return int(number) if number.is_integer() else None
