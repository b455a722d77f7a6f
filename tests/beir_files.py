"""BEIR folders for tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import orjson

from dpr.data.files import replacing
from dpr.types import Example, Passage


def write_beir(folder: Path, passages: Iterable[Passage], examples: Iterable[Example]) -> None:
    """Write a BEIR folder; answers and offsets have no place in it.

    A negative is written as judged with grade 0.
    """
    with replacing(folder / "corpus.jsonl") as corpus:
        for passage in passages:
            corpus.write(_line({"_id": passage.id, "title": passage.title, "text": passage.text}))
    with replacing(folder / "queries.jsonl") as queries, replacing(folder / "qrels" / "test.tsv") as qrels:
        qrels.write("query-id\tcorpus-id\tscore\n")
        for example in examples:
            question = example.question
            queries.write(_line({"_id": question.id, "text": question.text}))
            grades = example.grades or (1,) * len(example.positives)
            judged = [
                *((passage.id, grade) for passage, grade in zip(example.positives, grades, strict=True)),
                *example.absent_positives,
                *((passage.id, 0) for passage in example.negatives),
            ]
            qrels.writelines(f"{question.id}\t{passage_id}\t{grade}\n" for passage_id, grade in judged)


def _line(fields: Mapping[str, str]) -> str:
    return orjson.dumps(fields).decode("utf-8") + "\n"
