"""SQuAD's JSON format and its variants: SQuAD 1.1 and 2.0, SQuADShifts, KorQuAD 1.0, KLUE-MRC, AI Hub's MRC sets.

    {"data": [{"title", "paragraphs": [{"context", "qas": [
        {"id", "question", "answers": [{"text", "answer_start"}], "is_impossible"}]}]}]}

KLUE-MRC names the id ``guid`` and, like SQuAD 2.0, marks impossible questions. AI Hub has ``doc_title``, ``doc_id``,
``question_id``, and one object for the answers. The flat form of the Hugging Face hub is a row for each question, as
JSON lines, a JSON list, or Parquet:

    {"id", "title", "context", "question", "answers": {"text": [...], "answer_start": [...]}}
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from itertools import chain, groupby
from pathlib import Path

from dpr.data.files import Location, read_text, with_packed
from dpr.data.identity import content_id
from dpr.data.intake import STRICT, Intake, WholeFileError
from dpr.data.parquet import read_parquet
from dpr.data.record import Record, parse_json, type_name
from dpr.data.rows import read_jsonl
from dpr.errors import DataError
from dpr.types import Example, Passage, Question

PARAGRAPH_BREAK = "\n\n"
"""The text between the paragraphs of an article, which together are its document."""


_ID_NAMES = ("id", "guid", "question_id")
_TITLE_NAMES = ("title", "doc_title")

_FLAT_COLUMNS = (
    *_ID_NAMES,
    *_TITLE_NAMES,
    "doc_id",
    "context",
    "question",
    "answers",
    "answer",
    "is_impossible",
    "raw_html",
)

_Sections = Iterable[tuple[Record, list[Record]]]
"""The paragraphs of an article, each with its questions."""


def read_squad(path: Path, intake: Intake = STRICT, prefix: str = "") -> Iterator[Example]:
    """Yield each question with its paragraph as the only positive passage, in the file's order.

    A passage's id is that of its content, and its ``document_id`` is its article, whose text is its paragraphs joined
    by `PARAGRAPH_BREAK`. ``prefix`` precedes question ids.

    Raises:
        DataError: the file has another form, or an answer is not at its offset.
    """

    def example(pair: tuple[Record, Passage]) -> Example:
        return _example(*pair, prefix)

    for passage, questions in _passages(path, intake):
        yield from intake.sift(example, ((question, passage) for question in questions))


def read_squad_passages(path: Path, intake: Intake = STRICT) -> Iterator[Passage]:
    """Yield each paragraph, including repeats and those without questions or text.

    Raises:
        DataError: the file has another form.
    """
    for passage, _ in _passages(path, intake):
        yield passage


def _passages(path: Path, intake: Intake) -> Iterator[tuple[Passage, list[Record]]]:
    for article, sections in _articles(path, intake):
        start = 0
        for paragraph, questions in sections:
            try:
                passage = _passage(article, paragraph, start)
            except DataError as error:
                intake.on_bad_row(error)
                continue
            yield passage, questions
            start = passage.end + len(PARAGRAPH_BREAK)


def _articles(path: Path, intake: Intake) -> Iterator[tuple[Record, _Sections]]:
    """Yield the articles of a file in either form."""
    is_flat, records = _records(path, intake)
    if is_flat:
        yield from _flat_articles(records)
        return
    for article in records:
        _refuse_korquad_2(article)
        try:
            sections = list(_sections(article, intake))
        except DataError as error:
            intake.on_bad_row(error)
        else:
            yield article, sections


def _records(path: Path, intake: Intake) -> tuple[bool, Iterator[Record]]:
    """Return whether a file is flat, and its rows or articles."""
    name = path.name.lower()
    if name.endswith(".parquet"):
        return True, read_parquet(path, _FLAT_COLUMNS, ("context",), with_others=False)
    if name.endswith(with_packed((".jsonl",))):
        return True, read_jsonl(path, intake)
    if name.endswith(with_packed((".csv", ".tsv"))):
        cause = "is a table by its name; SQuAD and its relatives are read as JSON, JSON lines and Parquet"
        raise WholeFileError.at(path, None, cause)
    text = read_text(path, intake.encoding)
    try:
        root = parse_json(text, Location(path))
    except DataError:
        if text.lstrip().partition("\n")[0].rstrip().endswith("}"):  # several objects, each on its line
            return True, read_jsonl(path, intake)
        raise
    is_missing = isinstance(root, dict) and "data" not in root
    if isinstance(root, dict):
        is_article = root.get("data") is None and not root.keys().isdisjoint(("context", "paragraphs"))
        root = [root] if is_article else root.get("data")
    if not isinstance(root, list):
        cause = "the field 'data' is missing" if is_missing else f"'data' is {type_name(root)}, not a list"
        raise WholeFileError.at(
            path, None, f"{cause}; write a list of articles there, or a list of rows as the whole file"
        )
    if not root:
        raise WholeFileError.at(path, None, "has no article and no row")
    is_flat = isinstance(root[0], dict) and "question" in root[0] and "paragraphs" not in root[0]
    unit = "row" if is_flat else "article"

    def record(numbered: tuple[int, object]) -> Record:
        number, value = numbered
        if not isinstance(value, dict):
            raise Location(path).error(f"{unit} {number} is {type_name(value)}; it must be an object")
        return Record(value, Location(path), f"{unit} {number}")

    return is_flat, intake.sift(record, enumerate(root, start=1))


def _flat_articles(rows: Iterable[Record]) -> Iterator[tuple[Record, _Sections]]:
    """Group consecutive rows: by title into articles, and by context into paragraphs."""

    def checked() -> Iterator[Record]:
        for row in rows:
            _refuse_korquad_2(row)
            yield row

    def title(row: Record) -> object:
        return next((row.fields[name] for name in ("doc_id", *_TITLE_NAMES) if row.value(name) is not None), None)

    def context(row: Record) -> object:
        return row.fields.get("context") or id(row)  # each row without a context is bad

    for _, group in groupby(checked(), title):
        article = next(group)
        paragraphs = (list(questions) for _, questions in groupby(chain([article], group), context))
        yield article, ((questions[0], questions) for questions in paragraphs)


def _sections(article: Record, intake: Intake) -> Iterator[tuple[Record, list[Record]]]:
    """Yield the paragraphs of an article; bad paragraphs and questions are reported one by one.

    Raises:
        DataError: the article has no list of paragraphs.
    """
    if article.value("paragraphs") is None and article.value("context") is None:
        raise article.error("has no 'paragraphs'")
    if article.value("paragraphs") is None:
        paragraphs: Iterable[Record] = [article]
    else:
        paragraphs = article.sifted_records("paragraphs", intake)
    for paragraph in paragraphs:
        try:
            questions = list(paragraph.sifted_records("qas", intake))
        except DataError as error:
            intake.on_bad_row(error)
            questions = []
        yield paragraph, questions


def _refuse_korquad_2(record: Record) -> None:
    context = record.fields.get("context")
    is_page = isinstance(context, str) and context.lstrip()[:14].lower().startswith(("<!doctype html", "<html"))
    if "raw_html" in record.fields or is_page:
        error = record.error(
            "has no 'paragraphs' and looks like KorQuAD 2, whose contexts are HTML pages and not supported; use "
            "KorQuAD 1"
        )
        raise WholeFileError(str(error))


def _passage(article: Record, paragraph: Record, start: int) -> Passage:
    text = paragraph.required("context", str)
    title = _title(paragraph) or _title(article)
    identity = content_id(text)
    # titles come from URLs of Wikipedia, which have "_" for a space
    words = title.replace("_", " ").split()
    document = article.identifier("doc_id") or title
    return Passage(identity, text, " ".join(words), document_id=document or identity, start=start if document else 0)


def _title(record: Record) -> str:
    return next((title for name in _TITLE_NAMES if (title := record.optional(name, str, ""))), "")


def _example(question: Record, passage: Passage, prefix: str) -> Example:
    identity = question.identifier(*_ID_NAMES)
    if not identity:
        raise question.error("a question has no 'id' (or 'guid', 'question_id')")
    question = question.labelled(f"question {identity}")
    answers = _answers(question)
    is_impossible = question.optional("is_impossible", bool, _has_empty_answers(question))
    # KLUE-MRC and SQuAD 2.0 may list plausible answers; an impossible question has no answer
    spans = [] if is_impossible else [_span(answer, passage.text) for answer in answers]
    return Example(
        Question(prefix + identity, question.text("question"), tuple(text for text, _ in spans)),
        positives=(passage,),
        answer_starts=tuple(start for _, start in spans),
        is_impossible=is_impossible,
    )


def _answers(question: Record) -> list[Record]:
    """Return the answers: a list of objects, one object, or the hub's object of two lists of equal length."""
    answers = question.value("answers")
    if answers is None and question.value("answer") is not None:
        raise question.error("has 'answer' instead of SQuAD's 'answers'; rename the field")
    if not isinstance(answers, dict):
        return question.records("answers")
    if not isinstance(answers.get("text"), list):
        return [Record(answers, question.location, question.label)]
    texts, starts = answers["text"], answers.get("answer_start")
    if not isinstance(starts, list) or len(starts) != len(texts):
        raise question.error("'answers' has different numbers of items in 'answer_start' and 'text'")
    return [
        Record({"text": text, "answer_start": start}, question.location, question.label)
        for text, start in zip(texts, starts, strict=True)
    ]


def _has_empty_answers(question: Record) -> bool:
    """Tell whether a question lists no answer, which SQuAD 2.0's evaluation calls impossible, in either form."""
    answers = question.value("answers")
    return (answers.get("text") if isinstance(answers, dict) else answers) == []


def _span(answer: Record, context: str) -> tuple[str, int]:
    text, start = answer.text("text"), answer.required("answer_start", int)
    for form in (text, *(unicodedata.normalize(name, text) for name in ("NFC", "NFD"))):
        if start >= 0 and context.startswith(form, start):
            return form, start
    actual = context[start : start + len(text)] if start >= 0 else ""
    raise answer.error(f"the answer is {text!r}, but the paragraph has {actual!r} at offset {start}")
