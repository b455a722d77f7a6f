"""Check the learned lists of a generation: their sizes, and whether a search finds what they hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dpr.dense.token_vectors import StoredTokens
from dpr.errors import IndexFormatError
from dpr.search.learned import LEARNED
from dpr.search.resources import IndexResources
from dpr.sparse.impacts import Impacts
from dpr.types import IntArray, TermWeights, TokenVectors, TopK
from index_builder.recall import spread

PROBES = 8
TOLERANCE = 1e-3

VALUES_AT_A_TIME = 1 << 22


@dataclass(frozen=True, slots=True)
class Probe:
    """A question that a passage must be among the best hits of, or worse than them: its row, and its own score."""

    row: int
    question: TermWeights | TokenVectors
    score: float


def check_learned(resources: IndexResources) -> str:
    """Check that the numbers are finite, counted as recorded, and that a search for some passages finds them.

    Raises:
        IndexFormatError: they are not.
    """
    findings = []
    for name in resources.manifest.learned:
        first, entries, probes = 0, 0, list[Probe]()
        for segment in resources.segments:
            block, expected = segment.learned[name](), segment.record.learned[name].entries
            values = block.weights if isinstance(block, Impacts) else block.vectors
            stored = f"{len(values):,} {LEARNED[name].unit} are stored"
            require(len(values) == expected, f"{stored}, but the manifest says {expected:,}")
            for start in range(0, len(values), VALUES_AT_A_TIME):
                is_finite = bool(np.isfinite(values[start : start + VALUES_AT_A_TIME]).all())
                require(is_finite, f"a number of the list {name} is not finite")
            alive = np.flatnonzero(segment.id_rank >= 0)
            probes += [_probe(block, int(row), first) for row in alive[spread(len(alive), PROBES)]]
            first, entries = first + segment.record.passages, entries + len(values)
        for probe in probes:
            top: TopK = resources.learned_indexes[name]().search(probe.question, 10)
            is_found = probe.row in top.rows[0] or top.scores[0, -1] >= probe.score - TOLERANCE * max(1.0, probe.score)
            passage_id = resources.passages.id(probe.row)
            require(probe.score <= 0 or is_found, f"{name} does not find passage {passage_id!r} by its own content")
        findings.append(f"{entries:,} {LEARNED[name].unit}")
    return ", ".join(findings)


def _probe(block: Impacts | StoredTokens, row: int, first: int) -> Probe:
    """Return a question of what a passage holds: its heaviest term, or its own token vectors."""
    uncut = np.zeros(1, dtype=np.bool_)
    if isinstance(block, StoredTokens):
        vectors = block.vectors[block.starts[row] : block.starts[row + 1]].astype(np.float32)
        return Probe(first + row, TokenVectors(_starts(len(vectors)), vectors, uncut), float((vectors**2).sum()))
    postings = np.flatnonzero(block.rows == row)
    if not len(postings):
        return Probe(first + row, TermWeights(_starts(0), np.empty(0, np.int32), np.empty(0, np.float32), uncut), 0.0)
    heaviest = postings[block.weights[postings].argmax()]
    term = np.searchsorted(block.indptr, heaviest, side="right") - 1
    question = TermWeights(_starts(1), np.array([term], np.int32), np.ones(1, np.float32), uncut)
    return Probe(first + row, question, float(block.weights[heaviest]))


def _starts(count: int) -> IntArray:
    return np.array([0, count], dtype=np.int64)


def require(holds: bool, cause: str) -> None:
    """Refuse an index of which something does not hold.

    Raises:
        IndexFormatError: it does not.
    """
    if not holds:
        raise IndexFormatError(f"the index is inconsistent: {cause}; rebuild with dpr-index build")
