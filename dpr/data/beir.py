"""BEIR's folders: ``corpus.jsonl``, ``queries.jsonl`` and graded judgements ``qrels/SPLIT.tsv``.

corpus.jsonl   {"_id", "title", "text"}
queries.jsonl  {"_id", "text"}
qrels/*.tsv    query-id <TAB> corpus-id <TAB> score, under a header; or another form that `dpr.data.qrels` reads

The public data sets are read as they are distributed, with empty documents, judgements of missing passages and
questions, and questions that are also documents.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import partial
from pathlib import Path

from dpr.data.files import Location, is_hidden, with_packed
from dpr.data.intake import STRICT, Intake, LeftOut
from dpr.data.qrels import read_qrels
from dpr.data.record import Record
from dpr.data.rows import ID_NAMES, TITLE_NAMES, has_text, passage_of, read_jsonl, title_of
from dpr.data.trec_ids import escape_id
from dpr.errors import DataError
from dpr.types import Example, Passage, Question
from dpr.unicode_form import is_there


def read_beir_corpus(path: Path, intake: Intake = STRICT) -> Iterator[tuple[Location, Passage]]:
    """Yield each passage of the folder with its location.

    BEIR's corpora have documents with only a title, which becomes the text. A document with neither is a passage
    without text.

    Raises:
        DataError: a row has another form.
    """
    located_passage = partial(_located_passage, left_out=intake.left_out)
    return intake.sift(located_passage, read_jsonl(_file_of(_folder(path), "corpus.jsonl"), intake))


def _located_passage(record: Record, left_out: LeftOut) -> tuple[Location, Passage]:
    if has_text(record):
        return record.location, passage_of(record, left_out)
    if title := title_of(record):
        untitled = {name: value for name, value in record.fields.items() if name not in TITLE_NAMES}
        return record.location, passage_of(Record({**untitled, "text": title}, record.location), left_out)
    return record.location, Passage(record.identifier(*ID_NAMES), "")


def read_beir(path: Path, intake: Intake = STRICT) -> Iterator[Example]:
    """Yield the judged questions, in the order of ``queries.jsonl``, with their judged passages.

    A judged passage that is not in the corpus is a passage without text. A judged question that is not in
    ``queries.jsonl`` is a question without text and comes last: see `dpr.data.examples`. A document with the id of the
    question is excluded from its hits, as by ``ignore_identical_ids`` of BEIR's evaluation, unless it is judged
    relevant.

    Args:
        path: the folder, with ``qrels/test.tsv`` or its only file of judgements, or a file of its ``qrels``.
        intake: how to read all three files.

    Raises:
        DataError: a row has another form.
    """
    folder, qrels = _folder(path), _qrels_file(path)
    judgements = read_qrels(qrels, intake)
    judged = {passage_id for grades in judgements.values() for passage_id in grades}
    passages: dict[str, Passage] = {}
    own_documents: set[str] = set()
    for _, passage in read_beir_corpus(folder, intake):
        column = _column_of(passage.id, judged)
        if column == passage.id or (column is not None and column not in passages):
            passages[column] = passage
        if _column_of(passage.id, judgements) is not None:
            own_documents.add(passage.id)
    unread = dict.fromkeys(judgements)
    for question in intake.sift(_question, read_jsonl(_file_of(folder, "queries.jsonl"), intake)):
        if (column := _column_of(question.id, judgements)) is not None:
            unread.pop(column, None)
            yield _example(question, judgements[column], passages, own_documents)
    for column in unread:
        yield _example(Question(column, ""), judgements[column], passages, own_documents)


def _question(record: Record) -> Question:
    identity = record.identifier(*ID_NAMES)
    if not identity:
        raise record.error("the question has no '_id', which the judgements refer to; add one")
    return Question(identity, record.optional("text", str, ""))


def _column_of(identity: str, judged: Collection[str]) -> str | None:
    """Return an id as the judgements write it: unchanged or escaped for TREC; None if they do not have it."""
    return next((column for column in (identity, escape_id(identity)) if column in judged), None)


def _example(
    question: Question, grades: Mapping[str, int], passages: Mapping[str, Passage], own_documents: Collection[str]
) -> Example:
    judged = [(passages.get(column, Passage(column, "")), grade) for column, grade in grades.items()]
    positives = {passage: grade for passage, grade in judged if grade > 0}
    is_relevant = any(passage.id == question.id for passage in positives)
    excluded = (question.id,) if question.id in own_documents and not is_relevant else ()
    return Example(
        question,
        positives=tuple(positives),
        negatives=tuple(passage for passage, grade in judged if grade <= 0 and passage.id not in excluded),
        grades=tuple(positives.values()) if any(grade != 1 for grade in positives.values()) else (),
        excluded_ids=excluded,
    )


def _folder(path: Path) -> Path:
    """Return the folder of a data set: the path, or the folder with a corpus above a file of judgements."""
    if not path.is_file() and path.suffix != ".tsv":
        return path
    return next((above for above in path.parents[:2] if _file_of(above, "corpus.jsonl").is_file()), path.parent.parent)


def _file_of(folder: Path, name: str) -> Path:
    """Return a file of the folder, or its compressed form if only that exists.

    Raises:
        DataError: the folder has several data sets instead, like that of CQADupStack.
    """
    plain, *compressed = (folder / form for form in with_packed((name,)))
    if there := [file for file in (plain, *compressed) if is_there(file)]:
        return there[0]
    if inner := sorted(file.parent.name for file in folder.glob(f"*/{name}*")):
        cause = f"holds {len(inner)} data sets ({', '.join(inner)}); name one of them, as in beir:{folder / inner[0]}"
        raise DataError.at(folder, None, cause)
    return plain


def _qrels_file(path: Path) -> Path:
    if path.is_file() or path.suffix == ".tsv":
        return path
    _file_of(path, "corpus.jsonl")
    files = sorted(file for file in (path / "qrels").glob("*") if file.is_file() and not is_hidden(file))
    qrels = next(
        (file for file in files if file.name.partition(".")[0] == "test"), files[0] if len(files) == 1 else None
    )
    if qrels is None:
        names = ", ".join(file.name for file in files) or "none"
        raise DataError.at(path / "qrels", None, f"there is no test.tsv (found: {names}); name one of these files")
    return qrels
