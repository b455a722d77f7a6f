"""Count the terms of passages; options of BM25."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Protocol

from dpr.durable import make_folder
from dpr.errors import ConfigError
from dpr.sparse.counts import TermCounts
from dpr.sparse.merge import merge_counts
from dpr.sparse.scheme import SCHEMES
from dpr.store.draft import GenerationDraft
from dpr.store.manifest import WeightsRecord
from dpr.store.passages import PassageStore
from dpr.types import Analyzer, Progress, no_progress
from dpr.value_types import check_fields

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
        check_fields(self)
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


class CountRunner(Protocol):
    """Where and how the terms of passages are counted."""

    def __call__(
        self, passages: PassageStore, blocks: Sequence[range], analyzer: Analyzer, progress: Progress
    ) -> Iterator[tuple[int, TermCounts]]:
        """Yield the number of each block and the counts of its rows, in any order, as they are finished.

        ``progress`` is called with the stage ``terms``.
        """


def count_locally(
    passages: PassageStore, blocks: Sequence[range], analyzer: Analyzer, progress: Progress = no_progress
) -> Iterator[tuple[int, TermCounts]]:
    """Count in this process; a ``CountRunner``."""
    for number, rows in enumerate(blocks):
        terms = analyzer.batch(passages[row].titled() for row in rows)
        yield number, TermCounts.build(_reported(terms, rows, len(passages), progress))


def count_terms(
    passages: PassageStore,
    analyzer: Analyzer,
    draft: GenerationDraft,
    progress: Progress = no_progress,
    block_passages: int = BLOCK_PASSAGES,
    run: CountRunner = count_locally,
) -> TermCounts:
    """Count the terms of every passage, row by row, into a draft's segment; return the counts, memory-mapped.

    Blocks of passages are counted each for itself and merged. Blocks in the draft's journal are not counted again.
    """
    folder, unmerged = draft.segment.counts, draft.segment.counts / "blocks"
    if "terms" not in draft.journal:
        starts = range(0, len(passages), block_passages)
        blocks = [range(start, min(start + block_passages, len(passages))) for start in starts]
        pending = [number for number in range(len(blocks)) if _piece(number) not in draft.journal]
        for position, counts in run(passages, [blocks[number] for number in pending], analyzer, progress):
            block_folder = unmerged / f"{pending[position]:06d}"
            make_folder(block_folder)
            counts.save(block_folder)
            draft.finish(_piece(pending[position]), None, block_folder)
        merge_counts([TermCounts.open(path) for path in sorted(unmerged.glob("*"))], folder)
        draft.finish("terms", None, folder)
    shutil.rmtree(unmerged, ignore_errors=True)
    return TermCounts.open(folder)


def _piece(block: int) -> str:
    return f"terms {block}"


def _reported(documents: Iterable[list[str]], rows: range, total: int, progress: Progress) -> Iterator[list[str]]:
    progress("terms", rows.start, total)  # before the first text, for which the analyzer is loaded
    for count, terms in enumerate(documents, start=rows.start + 1):
        if count % REPORT_EVERY == 0 or count == total:
            progress("terms", count, total)
        yield terms
