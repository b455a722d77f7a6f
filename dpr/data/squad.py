"""SQuAD's JSON form and its relatives: SQuAD 1.1 and 2.0, SQuADShifts, KorQuAD 1.0, KLUE-MRC.

    {"data": [{"title", "paragraphs": [{"context", "qas": [
        {"id", "question", "answers": [{"text", "answer_start"}], "is_impossible"}]}]}]}

KLUE-MRC calls the id ``guid``, and says like SQuAD 2.0 which questions are impossible.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dpr.data.files import Place, read_text
from dpr.data.identity import content_id
from dpr.data.record import Record, parse_record
from dpr.types import Example, Passage, Question

PARAGRAPH_BREAK = "\n\n"
"""Stands between the paragraphs of an article, whose document is all of them in order."""


def read_squad(path: Path, prefix: str = "") -> Iterator[Example]:
    """Yield each question with its paragraph as the one positive passage, in the file's order.

    A passage's id is that of its content, its ``document_id`` is its article, whose text is its paragraphs joined by
    `PARAGRAPH_BREAK`. ``prefix`` goes before question ids.

    Raises:
        DataError: the file has another form, or an answer does not stand where it is said to.
    """
    for passage, questions in _paragraphs(path):
        for question in questions:
            yield _example(question, passage, prefix)


def read_squad_passages(path: Path) -> Iterator[Passage]:
    """Yield each paragraph, also one without questions or without text; a repeated paragraph comes again.

    Raises:
        DataError: the file has another form.
    """
    for passage, _ in _paragraphs(path):
        yield passage


def _paragraphs(path: Path) -> Iterator[tuple[Passage, list[Record]]]:
    root = parse_record(read_text(path), Place(path))
    root.required("data", list)
    for number, article in enumerate(root.records("data"), start=1):
        article = article.labelled(f"article {number}")
        start = 0
        for paragraph in article.records("paragraphs"):
            passage = _passage(article, paragraph, start)
            yield passage, paragraph.records("qas")
            start = passage.end + len(PARAGRAPH_BREAK)


def _passage(article: Record, paragraph: Record, start: int) -> Passage:
    text = paragraph.required("context", str)
    title = paragraph.optional("title", str, "") or article.optional("title", str, "")
    identity = content_id(text)
    # Titles come from addresses of Wikipedia, where a blank is written "_".
    words = title.replace("_", " ").split()
    return Passage(identity, text, " ".join(words), document_id=title or identity, start=start if title else 0)


def _example(question: Record, passage: Passage, prefix: str) -> Example:
    identity = question.identifier("id", "guid")
    if not identity:
        raise question.error("a question has no 'id' (or 'guid')")
    question = question.labelled(f"question {identity}")
    is_impossible = question.optional("is_impossible", bool, False)
    # KLUE-MRC and SQuAD 2.0 may list what a reader could fall for; an impossible question has no answer.
    answers = [] if is_impossible else [_answer(answer, passage.text) for answer in question.records("answers")]
    return Example(
        Question(prefix + identity, question.text("question"), tuple(text for text, _ in answers)),
        positives=(passage,),
        answer_starts=tuple(start for _, start in answers),
        is_impossible=is_impossible,
    )


def _answer(answer: Record, context: str) -> tuple[str, int]:
    text, start = answer.text("text"), answer.required("answer_start", int)
    found = context[start : start + len(text)] if start >= 0 else ""
    if found != text:
        raise answer.error(f"the answer {text!r} is said to start at {start}, where the paragraph has {found!r}")
    return text, start
