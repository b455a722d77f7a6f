"""KoBEST BoolQ: tab-separated paragraphs with a question that has no span, ``ID Text Question Answer``.

The paragraph numbers begin anew in each of the data set's files, so a passage's id is that of its content.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dpr.data.identity import content_id
from dpr.data.rows import read_tsv
from dpr.types import Example, Passage, Question


def read_boolq(path: Path) -> Iterator[Example]:
    """Yield each question with its paragraph as the one positive passage, from a file or a folder of ``.tsv`` files.

    Raises:
        DataError: a row has another form.
    """
    for file in sorted(path.glob("*.tsv")) if path.is_dir() else [path]:
        for number, row in enumerate(read_tsv(file), start=1):
            text = row.text("text")
            question = Question(f"{file.stem}-{number}", row.text("question"))
            yield Example(question, positives=(Passage(content_id(text), text),))
