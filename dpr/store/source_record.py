"""What a generation records of a source: how much was indexed, and what was not."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """The number of passages indexed from one source, and of passages and rows skipped.

    Attributes:
        source: the source as the command named it, of an address on the web without the query.
        passages: indexed passages.
        duplicates: passages that the index already had.
        empty: passages of a data set without text.
        bad_rows: rows that could not be read.
        documents: documents that were converted.
        bad_documents: documents that could not be.
        other_files: files of folders that no format reads.
    """

    source: str
    passages: int
    duplicates: int
    empty: int = 0
    bad_rows: int = 0
    documents: int = 0
    bad_documents: int = 0
    other_files: int = 0
