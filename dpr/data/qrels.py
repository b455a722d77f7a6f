"""Judgements (qrels) in the forms in which they are handed on, read as one.

    question <TAB> passage <TAB> grade          BEIR's, mostly under a header
    question 0 passage grade                    TREC's; the second column is not used

A header may have any names. Columns are separated by tabs or, where there are none, by blanks; a grade is a whole
number, also written ``1.0``. Only between tabs can an id hold blanks itself: TREC's four columns hold it escaped
(`dpr.data.trec_ids`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from pathlib import Path

from dpr.data.files import Place, read_lines
from dpr.data.intake import STRICT, Intake
from dpr.errors import DataError
from dpr.unicode_form import composed

_COLUMNS = (3, 4)


def read_qrels(
    path: Path, intake: Intake = STRICT, read_trec_id: Callable[[str], str] = str
) -> dict[str, dict[str, int]]:
    """Read judgements; ids are in NFC, without blanks around them.

    Args:
        path: the file.
        intake: how to read it.
        read_trec_id: what to make of an id in one of TREC's four columns.

    Raises:
        DataError: a row has other columns, its grade is not a whole number, or a passage is judged twice, differently.
    """
    rows = read_lines(path, intake)
    header = next(rows, None)
    if header is not None and is_number(columns(header[1], _COLUMNS)[-1]):
        rows, header = chain((header,), rows), None
    judgements: dict[str, dict[str, int]] = {}
    for place, question, passage, grade in intake.sift(partial(_judgement, read_trec_id), rows):
        grades = judgements.setdefault(question, {})
        if grades.setdefault(passage, grade) != grade:
            cause = (
                f"passage {passage!r} is judged {grade} for question {question!r}, but was judged {grades[passage]} "
                "before; keep one of the two rows"
            )
            intake.on_bad_row(place.error(cause))
    if header is not None and composed(columns(header[1], _COLUMNS)[0]) in judgements:  # it is a row like the others
        intake.on_bad_row(_bad_grade(*header))
    return judgements


def _judgement(read_trec_id: Callable[[str], str], row: tuple[Place, str]) -> tuple[Place, str, str, int]:
    place, line = row
    cells = columns(line, _COLUMNS)
    if len(cells) not in _COLUMNS:
        raise place.error(
            f"there are {len(cells)} columns where three are expected (question, passage, grade), or TREC's four"
        )
    question, passage, grade = composed(cells[0]), composed(cells[-2]), whole_number(cells[-1])
    if not question or not passage:
        raise place.error(f"{line!r} has an empty id; name the question and the passage")
    if grade is None:
        raise _bad_grade(place, line)
    if len(cells) == 4:
        question, passage = read_trec_id(question), read_trec_id(passage)
    return place, question, passage, grade


def _bad_grade(place: Place, line: str) -> DataError:
    return place.error(f"{line!r} is not a question id, a passage id and a whole grade")


def columns(line: str, expected: Sequence[int]) -> list[str]:
    """Return the columns of a line: between tabs where that gives an expected number of them, else between blanks."""
    cells = [cell.strip() for cell in line.strip().split("\t")]
    return cells if len(cells) in expected else line.split()


def is_number(text: str) -> bool:
    """Tell whether a text writes a number, be it NaN; ``1_0``, which Python takes for ten, is none."""
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text


def whole_number(text: str) -> int | None:
    """Return the whole number that a text writes, also as ``1.0``; None where it writes another thing."""
    if not is_number(text):
        return None
    try:
        return int(text)
    except ValueError:
        number = float(text)
        return int(number) if number.is_integer() else None
