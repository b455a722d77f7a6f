"""Whether two answers are the same place of a document, which both readers ask before they return a second one."""

from __future__ import annotations

from dpr.types import Answer, Passage


def share_characters(passage: Passage, start: int, end: int, other: Passage, answer: Answer) -> bool:
    """Tell whether a span of one passage and an answer in another share characters of their document.

    Passages of one document are compared by their offsets in it where their texts agree there: not every source says
    where a passage starts. A passage without a document is a document of its own.
    """
    if (passage.document_id, passage.document_id or passage.id) != (other.document_id, other.document_id or other.id):
        return False
    if min(passage.start + end, other.start + answer.end) <= max(passage.start + start, other.start + answer.start):
        return False
    first, last = max(passage.start, other.start), min(passage.end, other.end)
    return (
        passage.text[first - passage.start : last - passage.start]
        == (other.text[first - other.start : last - other.start])
    )
