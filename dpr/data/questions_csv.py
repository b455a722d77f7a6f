"""DPR's files of questions without passages, ``*.qa.csv``: a question, a tab, and its answers as a Python list.

who wrote hamlet<TAB>['William Shakespeare', 'Shakespeare']
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from dpr.data.files import with_packed
from dpr.data.intake import STRICT, Intake
from dpr.data.record import Record
from dpr.data.table_header import Header
from dpr.data.tables import read_tsv
from dpr.types import Example, Question

QUESTIONS_ENDINGS = with_packed((".csv", ".tsv"))

_COLUMNS = ("question", "answers")
_HEADER = Header("question", {name: frozenset((name,)) for name in _COLUMNS}, _COLUMNS, refuses=False)


def read_questions_csv(path: Path, intake: Intake = STRICT) -> Iterator[Example]:
    """Yield each question with its answers and without a passage; its id is its line number.

    Raises:
        DataError: a row is not a question and a list of answers.
    """
    return intake.sift(_example, read_tsv(path, _HEADER, intake))


def _example(row: Record) -> Example:
    cell = row.text("answers")
    try:
        answers = ast.literal_eval(cell.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        answers = None
    if not isinstance(answers, list) or not all(map(_is_answer, answers)):
        raise row.error(f"the answers {cell[:80]!r} are no Python list of strings; write them like ['Busan']")
    return Example(Question(str(row.location.number), row.text("question").strip(), tuple(answers)), positives=())


def _is_answer(value: object) -> bool:
    """Tell whether a value is a text; half of a surrogate pair, which a Python literal may have, is none."""
    return isinstance(value, str) and bool(value.strip()) and value.encode("utf-8", "ignore").decode() == value
