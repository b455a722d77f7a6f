"""TREC's topics with judgements: a folder with one file named ``topics…`` or ``queries…`` and one named ``qrels…``.

Topics are TREC's SGML (``<top>``, ``<num>``, ``<title>``), or lines of an id, a tab and a text. The title is the
question. Passages are found by their ids in the index; files of passages in the folder named ``corpus…`` or
``passages…`` are the corpus.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from dpr.data.files import Location, is_hidden, read_lines, read_text
from dpr.data.intake import STRICT, Intake
from dpr.data.qrels import read_qrels
from dpr.data.rows import located_passages, row_format
from dpr.data.trec_ids import unescape_id
from dpr.errors import DataError
from dpr.types import Example, Passage, Question
from dpr.unicode_form import composed

_TOPIC = re.compile(r"<top>(.*?)</top>", re.DOTALL | re.IGNORECASE)
_NUMBER = re.compile(r"<num>\s*(?:Number:)?\s*([^\s<]+)", re.IGNORECASE)
_TITLE = re.compile(r"<title>\s*(?:Topic:)?\s*(.*?)\s*(?:</title>|<[a-z]+>|\Z)", re.DOTALL | re.IGNORECASE)


def read_trec(path: Path, intake: Intake = STRICT) -> Iterator[Example]:
    """Yield the judged topics of a folder in their order; one that the folder lacks comes last, without a text.

    Raises:
        DataError: a file is absent or there are several of them, or a row has another form.
    """
    judgements = read_qrels(_file(path, "qrels"), intake, unescape_id)
    topics = dict(_topics(_file(path, "topics", "queries"), intake))
    for question, text in {**topics, **{name: "" for name in judgements if name not in topics}}.items():
        if question in judgements:
            grades = {passage: grade for passage, grade in judgements[question].items() if grade > 0}
            yield Example(Question(question, text), (), absent_positives=tuple(grades.items()))


def read_trec_passages(path: Path, intake: Intake = STRICT) -> Iterator[tuple[Location, Passage]]:
    """Yield the passages of the folder's ``corpus`` or ``passages`` files.

    Raises:
        DataError: there is no such file, or a row has another form.
    """
    files = [file for file in _files(path, "corpus", "passages") if row_format(file)]
    if not files:
        raise DataError.at(
            path, None, "the folder has no file corpus.* or passages.*; index the passages from elsewhere"
        )
    for file in files:
        yield from located_passages(file, intake)


def _topics(path: Path, intake: Intake) -> Iterator[tuple[str, str]]:
    """Yield the id and the text of each topic.

    Raises:
        DataError: a topic has no number or comes twice, or a line has no tab.
    """
    numbers: set[str] = set()
    for location, number, text in _parsed(path, intake):
        if number in numbers:
            raise location.error(f"the topic {number!r} comes twice; keep one of them")
        numbers.add(number)
        yield number, text


def _parsed(path: Path, intake: Intake) -> Iterator[tuple[Location, str, str]]:
    content = read_text(path, intake.encoding)
    if "<top>" in content[:10_000].lower():
        for topic in _TOPIC.findall(content):
            number, title = _NUMBER.search(topic), _TITLE.search(topic)
            if number is None or title is None:
                raise DataError.at(path, None, f"the topic {topic.strip()[:60]!r} has no <num> or no <title>")
            yield Location(path), composed(number[1]), " ".join(composed(title[1]).split())
        return
    for location, line in read_lines(path, intake):
        name, tab, text = line.strip().partition("\t")
        if not tab or not name:
            raise location.error("the line is no topic: write its id, a tab and its text")
        yield location, composed(name.strip()), composed(text.strip())


def _file(folder: Path, *names: str) -> Path:
    """Return the only file of a folder whose name begins with one of these.

    Raises:
        DataError: there is none, or there are several.
    """
    files = _files(folder, *names)
    if len(files) != 1:
        listed = ", ".join(file.name for file in files) or "none"
        raise DataError.at(
            folder, None, f"the folder must have one file named {names[0]}.*, and has {listed}; keep one of each"
        )
    return files[0]


def _files(folder: Path, *names: str) -> list[Path]:
    if not folder.exists():
        raise DataError.at(folder, None, "no such file or folder; give the one that has the files topics.* and qrels.*")
    if not folder.is_dir():
        raise DataError.at(folder, None, "is not a folder; give the one that has the files topics.* and qrels.*")
    return sorted(
        file for file in folder.iterdir() if file.is_file() and not is_hidden(file) and file.name.startswith(names)
    )
