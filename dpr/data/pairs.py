"""Question–passage pairs, one a row, as JSON lines, tab-separated or comma-separated values.

    {"question", "passage", "title", "id", "passage_id", "answer", "label" or "score", "negative"}

Only the first two are required. Other names are those of sentence-transformers, ``query`` or ``anchor`` for the
question and ``positive`` for the passage, and 질문, 본문 and 제목. A table has a header with these names, or the
columns question, passage and optionally title. ``id`` is the question's; ``answer`` and ``negative``, the text of a
hard negative, may be lists in JSON.

Rows with the same question id, or else the same question, become one `Example`. ``label`` is 1 for a positive and 0 for
a negative; ``score`` is a grade of relevance as in qrels, with 0 for a negative. Either all rows of a file have one of
them, or none has: then every passage is a positive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dpr.data.files import Location, open_binary, with_packed
from dpr.data.identity import content_id
from dpr.data.intake import STRICT, Intake
from dpr.data.record import Record
from dpr.data.rows import TITLE_NAMES, RowReader, read_csv, read_jsonl, read_tsv, title_of
from dpr.data.table_header import Header
from dpr.errors import DataError
from dpr.types import Example, Passage, Question

QUESTION_NAMES = ("question", "query", "anchor", "질문")
PASSAGE_NAMES = ("passage", "positive", "본문")
GRADE_NAMES = ("label", "score")

_HEADER = Header(
    key="question",
    needs={"question": frozenset(QUESTION_NAMES), "passage": frozenset(PASSAGE_NAMES)},
    headerless=("question", "passage", "title"),
    other_names=frozenset((*TITLE_NAMES, *GRADE_NAMES, "id", "passage_id", "answer", "negative")),
    has_short_rows=True,
)


def read_pairs(path: Path, intake: Intake = STRICT) -> Iterator[Example]:
    """Yield each question with its passages, in the order of their first rows; the file is read as a whole.

    A question without an id gets that of its text, a passage without an id that of its content.

    Raises:
        DataError: the file ending is unknown; a row lacks its question or passage, or has another kind of label than
            the first row; rows contradict each other; a question has no positive passage.
    """
    questions: dict[str, _Question] = {}
    passages: dict[str, Passage] = {}
    first_label: list[str | None] = []

    def take(row: Record) -> None:
        """Add a row, or change nothing if it is bad."""
        label = _label_name(row)
        if not first_label:
            first_label.append(label)
        elif label != first_label[0]:
            names = [f"a {name!r}" if name else "no label" for name in (label, first_label[0])]
            raise row.error(f"has {names[0]}, but the first row has {names[1]}; label all rows alike, or none")
        pair = _pair(row, label)
        for passage in (pair.passage, *pair.negatives):
            first_passage = passages.setdefault(passage.id, passage)
            if first_passage != passage and passage.id != content_id(passage.text):
                raise row.error(f"passage id {passage.id!r} occurred before with another title or text")
        question = questions.get(pair.question.id) or _Question(pair.question, row.location)
        question.add(pair, row)
        questions[pair.question.id] = question

    for _ in intake.sift(take, _rows(path, intake)):
        pass
    yield from intake.sift(_Question.example, questions.values())


@dataclass(frozen=True, slots=True)
class _Pair:
    question: Question
    passage: Passage
    grade: int
    negatives: tuple[Passage, ...]


@dataclass(slots=True)
class _Question:
    """The rows of one question so far; ``grades`` by passage id, 0 for a negative."""

    question: Question
    location: Location
    answers: dict[str, None] = field(default_factory=dict)
    passages: dict[str, Passage] = field(default_factory=dict)
    grades: dict[str, int] = field(default_factory=dict)

    def add(self, pair: _Pair, row: Record) -> None:
        """Add a row.

        Raises:
            DataError: the id belongs to another question, or the passage had another label before.
        """
        if pair.question.text != self.question.text:
            raise row.error(f"question id {pair.question.id!r} occurred before with another text ({self.location})")
        graded = ((pair.passage, pair.grade), *((negative, 0) for negative in pair.negatives))
        grades = dict(self.grades)
        for passage, grade in graded:
            if grades.setdefault(passage.id, grade) != grade:
                raise row.error(
                    f"the passage has the grade {grade}, but had {grades[passage.id]} for this question before"
                )
        self.answers.update(dict.fromkeys(pair.question.answers))
        self.passages = {passage.id: passage for passage, _ in graded} | self.passages
        self.grades = grades

    def example(self) -> Example:
        """Return the question with its positives and negatives.

        Raises:
            DataError: it has no positive.
        """
        positives = [identity for identity, grade in self.grades.items() if grade]
        if not positives:
            raise self.location.error(f"the question {self.question.text!r} has no positive passage in any row")
        grades = tuple(self.grades[identity] for identity in positives)
        return Example(
            Question(self.question.id, self.question.text, tuple(self.answers)),
            positives=tuple(self.passages[identity] for identity in positives),
            negatives=tuple(self.passages[identity] for identity, grade in self.grades.items() if not grade),
            grades=grades if set(grades) != {1} else (),
        )


def _read_table(read: Callable[[Path, Intake, Header], Iterator[Record]]) -> RowReader:
    """Read the rows of a table without their empty cells, which mean absent values."""

    def rows(path: Path, intake: Intake) -> Iterator[Record]:
        for row in read(path, intake, _HEADER):
            yield Record({name: cell for name, cell in row.fields.items() if str(cell).strip()}, row.location)

    return rows


_FORMATS: dict[str, RowReader] = {
    ".jsonl": read_jsonl,
    ".tsv": _read_table(read_tsv),
    ".csv": _read_table(read_csv),
}


def _rows(path: Path, intake: Intake) -> Iterator[Record]:
    for ending, read in _FORMATS.items():
        if path.name.lower().endswith(with_packed((ending,))):
            return read(path, intake)
    with open_binary(path):  # raises first if it does not exist or is a folder
        raise DataError.at(
            path, None, f"has no ending of a file of pairs; use one of {', '.join(with_packed(_FORMATS))}"
        )


def _label_name(row: Record) -> str | None:
    label_names = [name for name in GRADE_NAMES if row.value(name) is not None]
    if len(label_names) > 1:
        raise row.error("has both a 'label' and a 'score'; keep one of them")
    return label_names[0] if label_names else None


def _pair(row: Record, labelled_by: str | None) -> _Pair:
    question = _text(row, QUESTION_NAMES, "question").strip()
    text = _text(row, PASSAGE_NAMES, "passage")
    return _Pair(
        Question(row.identifier("id") or content_id(question), question, _texts(row, "answer")),
        Passage(row.identifier("passage_id") or content_id(text), text, title_of(row)),
        grade=_grade(row, labelled_by) if labelled_by else 1,
        negatives=tuple(Passage(content_id(negative), negative) for negative in _texts(row, "negative")),
    )


def _text(row: Record, names: Sequence[str], meaning: str) -> str:
    name = row.first_present(names)
    if row.value(name) is None:
        raise row.error(f"the pair has no {meaning} (a field {' or '.join(map(repr, names))})")
    return row.text(name)


def _texts(row: Record, name: str) -> tuple[str, ...]:
    """Return a field with a string or a list of strings; empty if it is absent."""
    value = row.value(name)
    texts = row.strings(name) if isinstance(value, list) else (row.optional(name, str, ""),)
    if value is not None and not all(text.strip() for text in texts):
        raise row.error(f"the field {name!r} has an empty text")
    return texts if value is not None else ()


def _grade(row: Record, name: str) -> int:
    """Return a label or score, which is text in a table, as a grade of relevance."""
    value = row.fields[name]
    try:
        number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else -1.0
    except ValueError:
        number = -1.0
    highest = 1.0 if name == "label" else float("inf")
    if not (0 <= number <= highest and number.is_integer()):
        expected = "0 or 1" if name == "label" else "a whole number from 0 (0: not relevant)"
        raise row.error(f"{name!r} is {value!r}; it must be {expected}")
    return int(number)
