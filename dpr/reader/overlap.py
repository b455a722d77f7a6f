"""Whether two answers overlap in a document; neither reader returns two answers that do."""

from __future__ import annotations

from dpr.types import Answer, Passage


def share_characters(passage: Passage, start: int, end: int, other_passage: Passage, answer: Answer) -> bool:
    """Tell whether a span of one passage and an answer in another share characters of their document.

    Passages of one document are compared by their offsets in it, if their texts agree there: not every source has the
    offset of a passage. A passage without a document is a document of its own.
    """
    if _document(passage) != _document(other_passage):
        return False
    shift = other_passage.start - passage.start
    if min(end, shift + answer.end) <= max(start, shift + answer.start):
        return False
    first, last = max(passage.start, other_passage.start), min(passage.end, other_passage.end)
    return _text(passage, first, last) == _text(other_passage, first, last)


def _document(passage: Passage) -> tuple[str, str]:
    return passage.document_id, passage.document_id or passage.id


def _text(passage: Passage, first: int, last: int) -> str:
    return passage.text[first - passage.start : last - passage.start]
