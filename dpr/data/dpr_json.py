"""DPR's training format: a JSON list of questions with their positive, negative and hard negative passages.

    [{"question", "answers": [text], "positive_ctxs": [{"title", "text", "passage_id"}],
      "negative_ctxs": [...], "hard_negative_ctxs": [...]}]

Written files have further keys (``question_id``, ``answer_starts``, ``grade``, ``document_id``, ``start``,
``is_impossible``, ``absent_positives``, ``excluded_ids``), which other readers of the format ignore, so that examples
are read back unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import orjson

from dpr.data.files import replacing
from dpr.data.identity import content_id
from dpr.data.intake import STRICT, Intake
from dpr.data.json_stream import read_objects
from dpr.data.record import Record
from dpr.types import Example, Passage, Question

_NEGATIVES = ("hard_negative_ctxs", "negative_ctxs")


def read_dpr_json(path: Path, intake: Intake = STRICT) -> Iterator[Example]:
    """Yield the file's questions, one in memory at a time; hard negatives come before the others.

    A question without an id gets its number in the file, from 0, bad ones included; a passage without an id gets that
    of its content. A context may be empty: see `dpr.data.examples`.

    Raises:
        DataError: the file or one of its objects has another form.
    """
    return intake.sift(_example, read_objects(path, intake))


def _example(numbered: tuple[int, Record]) -> Example:
    number, record = numbered
    identity = record.identifier("question_id") or str(number)
    record = record.labelled(f"question {identity}")
    positives = record.records("positive_ctxs")
    grades = tuple(context.optional("grade", int, 1) for context in positives)
    return Example(
        Question(identity, record.text("question"), record.strings("answers")),
        positives=tuple(_passage(context) for context in positives),
        negatives=tuple(_passage(context) for name in _NEGATIVES for context in record.records(name)),
        answer_starts=record.integers("answer_starts"),
        grades=grades if any(grade != 1 for grade in grades) else (),
        is_impossible=record.optional("is_impossible", bool, False),
        absent_positives=tuple(
            (absent.identifier("passage_id"), absent.optional("grade", int, 1))
            for absent in record.records("absent_positives")
        ),
        excluded_ids=record.strings("excluded_ids"),
    )


def _passage(context: Record) -> Passage:
    text = context.required("text", str)
    return Passage(
        id=context.identifier("passage_id", "psg_id") or content_id(text),
        text=text,
        title=context.optional("title", str, ""),
        document_id=context.identifier("document_id"),
        start=context.optional("start", int, 0),
    )


def write_dpr_json(path: Path, examples: Iterable[Example]) -> int:
    """Write examples in DPR's training format and return their number; the file appears when it is complete."""
    count = 0
    with replacing(path) as file:
        file.write("[")
        for count, example in enumerate(examples, start=1):
            file.write("\n" if count == 1 else ",\n")
            file.write(orjson.dumps(_as_json(example)).decode("utf-8"))
        file.write("\n]\n")
    return count


def _as_json(example: Example) -> dict[str, object]:
    question = example.question
    grades = example.grades or (1,) * len(example.positives)
    return {
        "question_id": question.id,
        "question": question.text,
        "answers": question.answers,
        "answer_starts": example.answer_starts,
        "is_impossible": example.is_impossible,
        "absent_positives": [{"passage_id": identity, "grade": grade} for identity, grade in example.absent_positives],
        "excluded_ids": example.excluded_ids,
        "positive_ctxs": [
            {**_context(passage), "grade": grade} for passage, grade in zip(example.positives, grades, strict=True)
        ],
        "negative_ctxs": [],
        "hard_negative_ctxs": [_context(passage) for passage in example.negatives],
    }


def _context(passage: Passage) -> dict[str, object]:
    return {
        "passage_id": passage.id,
        "title": passage.title,
        "text": passage.text,
        "document_id": passage.document_id,
        "start": passage.start,
    }
