"""What a learned list will take, from what its model makes of a few passages."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from dpr.search.learned import LEARNED
from dpr.types import Passage, TokenVectors
from index_builder.learned import LearnedEncoders

STARTS_BYTES = 8
"""Bytes on disk of each passage or term, beside the entries: where its entries start."""


@dataclass(frozen=True, slots=True)
class LearnedSurvey:
    """What a model made of the passages of a sample.

    Attributes:
        name: the list.
        entries: weighted terms, or token vectors, of a passage on average.
        dimension: of the model.
        encoded_per_s: passages encoded a second.
        starts: beside one for each passage, how many starts the list holds: those of SPLADE's terms.
    """

    name: str
    entries: float
    dimension: int
    encoded_per_s: float
    starts: int

    def disk_bytes(self, passages: int) -> int:
        """Return the bytes of the list for a number of passages, on disk, and in memory when it is searched."""
        starts = self.starts or passages + 1
        return round(passages * self.entries * LEARNED[self.name].entry_bytes(self.dimension) + starts * STARTS_BYTES)


def survey_learned(encoders: LearnedEncoders, sample: Sequence[Passage]) -> dict[str, LearnedSurvey]:
    """Encode a sample of passages for each list, and measure it."""
    surveys = {}
    for name, encoder in encoders.items():
        encoder.encode_passages(sample[:2])  # not timed: it loads what the model needs
        began = time.perf_counter()
        encoded = encoder.encode_passages(sample)
        seconds = time.perf_counter() - began
        starts = 0 if isinstance(encoded, TokenVectors) else encoder.dimension + 1
        entries = float(encoded.starts[-1]) / len(sample)
        surveys[name] = LearnedSurvey(name, entries, encoder.dimension, len(sample) / seconds, starts)
    return surveys
