"""What the frameworks' documents say of a hit beside its text."""

from __future__ import annotations

from dpr.results import Hit


def metadata_of(hit: Hit) -> dict[str, object]:
    """Return a hit's rank, score and title, and where its passage stands in its document."""
    place = {"document_id": hit.passage.document_id, "start": hit.passage.start} if hit.passage else {}
    return {"passage_id": hit.passage_id, "title": hit.title, "rank": hit.rank, "score": hit.score, **place}
