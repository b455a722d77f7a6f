"""The metadata of a hit in the documents of other frameworks."""

from __future__ import annotations

from dpr.results import Hit


def metadata_of(hit: Hit) -> dict[str, object]:
    """Return a hit's rank, score and title, and the position of its passage in its document."""
    source = {"document_id": hit.passage.document_id, "start": hit.passage.start} if hit.passage else {}
    return {"passage_id": hit.passage_id, "title": hit.title, "rank": hit.rank, "score": hit.score, **source}
