"""Count the terms of passages; options of BM25."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from dpr.durable import make_folder
from dpr.errors import ConfigError
from dpr.sparse.counts import TermCounts
from dpr.sparse.merge import merge_counts
from dpr.sparse.scheme import SCHEMES
from dpr.store.draft import GenerationDraft
from dpr.store.manifest import WeightsRecord
from dpr.store.passages import PassageStore
from dpr.types import Analyzer, Progress, no_progress

BM25_VARIANTS = {"lucene": "bm25-lucene", "okapi": "bm25"}
"""The scheme of each BM25 variant; the retriever is ``bm25`` for both."""


@dataclass(frozen=True, slots=True)
class Bm25Options:
    """How BM25 weighs terms.

    Attributes:
        variant: a key of `BM25_VARIANTS`.
        k1: how slowly a repeated term saturates.
        b: how much a passage's length counts, 0 to 1.

    Raises:
        ConfigError: the variant is unknown, or a number is out of range.
    """

    variant: str = "lucene"
    _: KW_ONLY
    k1: float = 1.2
    b: float = 0.75

    def __post_init__(self) -> None:
        if self.variant not in BM25_VARIANTS:
            raise ConfigError(f"unknown BM25 variant {self.variant!r}; choose {' or '.join(BM25_VARIANTS)}")
        SCHEMES[BM25_VARIANTS[self.variant]].check(k1=self.k1, b=self.b)

    def weights_records(self) -> dict[str, WeightsRecord]:
        """Return the weighting schemes by the retriever that uses the weights."""
        bm25 = BM25_VARIANTS[self.variant]
        return {
            "bm25": WeightsRecord(bm25, {**SCHEMES[bm25].defaults, "k1": self.k1, "b": self.b}),
            "tfidf": WeightsRecord("tfidf", {}),
        }


BLOCK_PASSAGES = 65536
"""Passages whose terms are counted in memory: 4 bytes for each term of each of them, and their different terms."""

REPORT_EVERY = 1000
"""Passages between two calls of the progress callback."""


def count_terms(
    passages: PassageStore,
    analyzer: Analyzer,
    draft: GenerationDraft,
    progress: Progress = no_progress,
    block_passages: int = BLOCK_PASSAGES,
) -> TermCounts:
    """Count the terms of every passage, row by row, into a draft's segment; return the counts, memory-mapped.

    Blocks of passages are counted one after the other and merged. Blocks in the draft's journal are not counted again.
    """
    folder = draft.segment.counts
    if "terms" not in draft.journal:
        _count_blocks(passages, analyzer, draft, block_passages, progress)
        merge_counts([TermCounts.open(path) for path in sorted(_blocks(folder).glob("*"))], folder)
        draft.finish("terms", None, folder)
    shutil.rmtree(_blocks(folder), ignore_errors=True)
    return TermCounts.open(folder)


def _count_blocks(
    passages: PassageStore, analyzer: Analyzer, draft: GenerationDraft, block_passages: int, progress: Progress
) -> None:
    starts = range(0, len(passages), block_passages)
    for number, start in enumerate(starts):
        if _piece(number) not in draft.journal:
            rows = range(start, min(start + block_passages, len(passages)))
            terms = analyzer.batch(passages[row].titled() for row in rows)
            folder = _blocks(draft.segment.counts) / f"{number:06d}"
            make_folder(folder)
            TermCounts.build(_reported(terms, rows, len(passages), progress)).save(folder)
            draft.finish(_piece(number), None, folder)


def _piece(block: int) -> str:
    return f"terms {block}"


def _blocks(folder: Path) -> Path:
    return folder / "blocks"


def _reported(documents: Iterable[list[str]], rows: range, total: int, progress: Progress) -> Iterator[list[str]]:
    for count, terms in enumerate(documents, start=rows.start + 1):
        if count % REPORT_EVERY == 0 or count == total:
            progress("terms", count, total)
        yield terms
