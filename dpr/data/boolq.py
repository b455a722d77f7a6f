"""KoBEST BoolQ: tab-separated paragraphs with a question that has no span, ``ID Text Question Answer``.

The paragraph numbers start again in each file, so the id of a passage is that of its content.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from dpr.data.files import is_hidden
from dpr.data.identity import content_id
from dpr.data.intake import STRICT, Intake
from dpr.data.record import Record
from dpr.data.rows import PASSAGE_HEADER, read_tsv
from dpr.types import Example, Passage, Question

_HEADER = replace(PASSAGE_HEADER, other_names=PASSAGE_HEADER.other_names | {"question"})


def read_boolq(path: Path, intake: Intake = STRICT) -> Iterator[Example]:
    """Yield each question with its paragraph as the one positive passage, from a file or a folder of ``.tsv`` files.

    A question's id is the file's name and the number of the line.

    Raises:
        DataError: a row has another form.
    """
    files = [file for file in sorted(path.glob("*.tsv")) if not is_hidden(file)] if path.is_dir() else [path]
    for file in files:
        yield from intake.sift(_example, read_tsv(file, intake, _HEADER))


def _example(row: Record) -> Example:
    text = row.text("text")
    question = Question(f"{row.location.path.stem}-{row.location.number}", row.text("question"))
    return Example(question, positives=(Passage(content_id(text), text),))
