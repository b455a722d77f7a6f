"""BEIR's folders, read and written: ``corpus.jsonl``, ``queries.jsonl`` and graded judgements ``qrels/SPLIT.tsv``.

corpus.jsonl   {"_id", "title", "text"}
queries.jsonl  {"_id", "text"}
qrels/*.tsv    query-id <TAB> corpus-id <TAB> score, under a header
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import orjson

from dpr.data.files import Place, read_lines, replacing
from dpr.data.record import Record
from dpr.data.rows import passage_of, read_jsonl
from dpr.errors import DataError
from dpr.types import Example, Passage, Question

_QRELS_HEADER = "query-id\tcorpus-id\tscore"

Judgements = Mapping[str, Mapping[str, int]]
"""For a question's id, the grade of each judged passage by its id; 0 is judged and not relevant."""


def read_beir_corpus(path: Path) -> Iterator[tuple[Place, Passage]]:
    """Yield each passage of the folder, with its place.

    BEIR's corpora hold documents that are a title alone: the title is then the text.

    Raises:
        DataError: a row has another form.
    """
    for record in read_jsonl(_part(_folder(path), "corpus.jsonl")):
        if not record.optional("text", str, "").strip():
            title = record.optional("title", str, "")
            record = Record({**record.fields, "text": title, "title": ""}, record.place)
        yield record.place, passage_of(record)


def read_beir(path: Path) -> Iterator[Example]:
    """Yield the judged questions, in the order of ``queries.jsonl``, with their judged passages.

    Args:
        path: the folder, read with ``qrels/test.tsv`` (or its only other judgements), or a file of its ``qrels``.

    Raises:
        DataError: a row has another form, or names a question or a passage that is not there.
    """
    folder, qrels = _folder(path), _qrels_file(path)
    judgements = read_qrels(qrels)
    judged = {passage_id for grades in judgements.values() for passage_id in grades}
    passages = {passage.id: passage for _, passage in read_beir_corpus(folder) if passage.id in judged}
    seen = set()
    for record in read_jsonl(_part(folder, "queries.jsonl")):
        question = Question(record.identifier("_id", "id"), record.text("text"))
        if question.id in judgements:
            seen.add(question.id)
            yield _example(question, judgements[question.id], passages, qrels)
    if missing := judgements.keys() - seen:
        raise DataError.at(qrels, None, f"question {min(missing)!r} is judged but is not in queries.jsonl")


def read_qrels(path: Path) -> Judgements:
    """Read judgements, with or without a header.

    Raises:
        DataError: a row is not question, passage and whole grade.
    """
    judgements: dict[str, dict[str, int]] = {}
    for place, line in read_lines(path):
        if place.number == 1 and line.lower().startswith("query-id"):
            continue
        cells = line.split("\t")
        if len(cells) != 3 or not cells[2].strip().lstrip("-").isdecimal():
            raise place.error(f"{line!r} is not a question id, a passage id and a whole grade with tabs between")
        judgements.setdefault(cells[0], {})[cells[1]] = int(cells[2])
    return judgements


def _example(question: Question, grades: Mapping[str, int], passages: Mapping[str, Passage], qrels: Path) -> Example:
    for passage_id in grades:
        if passage_id not in passages:
            cause = f"passage {passage_id!r} is judged for question {question.id!r} but is not in corpus.jsonl"
            raise DataError.at(qrels, None, cause)
    relevant = {passage_id: grade for passage_id, grade in grades.items() if grade > 0}
    return Example(
        question,
        positives=tuple(passages[passage_id] for passage_id in relevant),
        negatives=tuple(passages[passage_id] for passage_id in grades if passage_id not in relevant),
        grades=tuple(relevant.values()) if any(grade != 1 for grade in relevant.values()) else (),
    )


def _folder(path: Path) -> Path:
    return path.parent.parent if path.suffix == ".tsv" else path


def _part(folder: Path, name: str) -> Path:
    """Return a file of the folder, or its compressed form where only that is there."""
    plain, compressed = folder / name, folder / f"{name}.gz"
    return compressed if compressed.exists() and not plain.exists() else plain


def _qrels_file(path: Path) -> Path:
    if path.suffix == ".tsv":
        return path
    files = sorted((path / "qrels").glob("*.tsv"))
    chosen = next((file for file in files if file.stem == "test"), files[0] if len(files) == 1 else None)
    if chosen is None:
        names = ", ".join(file.name for file in files) or "none"
        raise DataError.at(path / "qrels", None, f"there is no test.tsv (found: {names}); name one of the files itself")
    return chosen


def write_beir(folder: Path, passages: Iterable[Passage], examples: Iterable[Example], split: str = "test") -> None:
    """Write a BEIR folder; answers and offsets have no place in it.

    A negative is written as judged with grade 0.
    """
    with replacing(folder / "corpus.jsonl") as corpus:
        for passage in passages:
            corpus.write(_line({"_id": passage.id, "title": passage.title, "text": passage.text}))
    with replacing(folder / "queries.jsonl") as queries, replacing(folder / "qrels" / f"{split}.tsv") as qrels:
        qrels.write(_QRELS_HEADER + "\n")
        for example in examples:
            question = example.question
            queries.write(_line({"_id": question.id, "text": question.text}))
            grades = example.grades or (1,) * len(example.positives)
            judged = [*zip(example.positives, grades, strict=True), *((passage, 0) for passage in example.negatives)]
            qrels.writelines(f"{question.id}\t{passage.id}\t{grade}\n" for passage, grade in judged)


def _line(fields: Mapping[str, str]) -> str:
    return orjson.dumps(fields).decode("utf-8") + "\n"
