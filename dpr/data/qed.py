"""QED: questions from Natural Questions, one JSON object a line, with one paragraph and its answer spans.

{"example_id", "question_text", "title_text", "paragraph_text", "answer_spans": [[start, end]], "answer_text": [text]}
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dpr.data.identity import content_id
from dpr.data.intake import STRICT, Intake
from dpr.data.record import Record
from dpr.data.rows import read_jsonl
from dpr.types import Example, Passage, Question

_NOT_IN_PARAGRAPH = [-1, -1]


def read_qed(path: Path, intake: Intake = STRICT) -> Iterator[Example]:
    """Yield each question with its paragraph as the only positive; spans count characters, and their end is exclusive.

    Raises:
        DataError: a line has another form, or a span differs from its answer.
    """
    return intake.sift(_example, read_jsonl(path, intake))


def _example(record: Record) -> Example:
    identity = record.identifier("example_id")
    if not identity:
        raise record.error("the field 'example_id' is missing")
    record = record.labelled(f"question {identity}")
    text, title = record.text("paragraph_text"), record.optional("title_text", str, "").strip()
    passage = Passage(content_id(text), text, title, document_id=title)
    spans = [_span(record, text, *answer) for answer in _answers(record)]
    return Example(
        Question(identity, record.text("question_text"), tuple(text[start:end] for start, end in spans)),
        positives=(passage,),
        answer_starts=tuple(start for start, _ in spans),
    )


def _answers(record: Record) -> list[tuple[object, str]]:
    """Return each span with its text, without those that are marked as not in the paragraph."""
    spans, texts = record.optional("answer_spans", list, []), record.strings("answer_text")
    if len(spans) != len(texts):
        raise record.error(f"there are {len(spans)} answer spans but {len(texts)} answer texts")
    return [(span, text) for span, text in zip(spans, texts, strict=True) if span != _NOT_IN_PARAGRAPH]


def _span(record: Record, text: str, span: object, stated: str) -> tuple[int, int]:
    """Check a span; its text may lack the last letters, as in 7 published rows."""
    if not (isinstance(span, list) and [type(offset) for offset in span] == [int, int]):
        raise record.error(f"the answer span {span!r} is not [start, end]")
    start, end = span
    actual = text[start:end] if 0 <= start < end <= len(text) else ""
    if not stated or not actual.startswith(stated):
        raise record.error(f"the answer is {stated!r}, but the paragraph has {actual!r} from {start} to {end}")
    return start, end
