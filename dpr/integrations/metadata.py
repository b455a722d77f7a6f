"""The metadata of a hit in the documents of other frameworks."""

from __future__ import annotations

from dpr.metadata import json_metadata
from dpr.results import Hit


def metadata_of(hit: Hit) -> dict[str, object]:
    """Return the fields of a hit's passage, and its rank, score, title, and position in its document.

    Dates and times are in ISO 8601, as these frameworks store them.
    """
    source = {"document_id": hit.passage.document_id, "start": hit.passage.start} if hit.passage else {}
    fields = json_metadata(hit.passage.metadata) if hit.passage else {}
    return {**fields, "passage_id": hit.passage_id, "title": hit.title, "rank": hit.rank, "score": hit.score, **source}
