"""Hits as what a reader reads."""

from __future__ import annotations

from collections.abc import Sequence

from dpr.types import Candidates, Hit, Passage


def candidates_of(question: str, hits: Sequence[Hit]) -> Candidates:
    """Return what a reader reads of a question: its hits' passages, scores and windows."""
    scores, windows = tuple(hit.score for hit in hits), tuple(hit.window for hit in hits)
    return Candidates(question, passages_of(hits), scores, windows)


def passages_of(hits: Sequence[Hit]) -> tuple[Passage, ...]:
    """Return the passages of hits, in their order."""
    return tuple(hit.passage for hit in hits if hit.passage is not None)
