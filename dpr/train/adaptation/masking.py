"""Masking for a masked language model (Devlin et al. 2019, section 3.1): pure functions on token ids."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from dpr.types import BoolArray, IntArray

MASKED = 0.8
REPLACED = 0.1
"""Of the selected tokens 80 % become [MASK] and 10 % a random token; the others stay as they are."""


@dataclass(frozen=True, slots=True)
class Masking:
    """Settings of the masking for a vocabulary of V pieces.

    ``is_special`` (V,) marks the pieces that are never masked and never replacements; ``continues`` (V,) marks the
    pieces that continue a word, or is None to select pieces one by one.
    """

    share: float
    mask_id: int
    is_special: BoolArray
    continues: BoolArray | None = None

    def apply(self, ids: IntArray, random: np.random.Generator) -> tuple[IntArray, IntArray]:
        """Return the masked ids of a text (T,), and the sorted positions (M,) that the model has to predict."""
        positions = choose(ids, self.share, self.is_special, random, self.continues)
        return corrupt(ids, positions, self.mask_id, np.flatnonzero(~self.is_special), random), positions


def masking_of(
    pieces: Sequence[str], special_ids: Collection[int], mask_id: int, share: float, whole_words: bool
) -> Masking:
    """Return the masking for a WordPiece vocabulary; ``pieces`` are in the order of their ids."""
    is_special = np.zeros(len(pieces), dtype=bool)
    is_special[list(special_ids)] = True
    continues = np.array([piece.startswith("##") for piece in pieces]) if whole_words else None
    return Masking(share, mask_id, is_special, continues)


def choose(
    ids: IntArray,
    share: float,
    is_special: BoolArray,
    random: np.random.Generator,
    continues: BoolArray | None = None,
) -> IntArray:
    """Return the positions to predict: ``share`` of the tokens that are not special, rounded, at least one.

    With ``continues``, all pieces of a word are selected or none. Words that would exceed the number are skipped, as in
    the original, so that there may be fewer.
    """
    maskable = np.flatnonzero(~is_special[ids])
    if not len(maskable):
        return maskable
    count = max(1, round(share * len(maskable)))
    if continues is None:
        return np.sort(random.permutation(maskable)[:count])
    # a word begins at a piece that does not continue one, and after a special token
    begins = ~continues[ids[maskable]] | (np.diff(maskable, prepend=-2) > 1)
    words = np.split(maskable, np.flatnonzero(begins)[1:])
    return _whole_words([words[index] for index in random.permutation(len(words))], count)


def _whole_words(words: list[IntArray], count: int) -> IntArray:
    masked_words: list[IntArray] = []
    budget = count
    for word in words:
        if len(word) <= budget:
            masked_words.append(word)
            budget -= len(word)
        if not budget:
            break
    return np.sort(np.concatenate(masked_words or [min(words, key=len)]))


def corrupt(
    ids: IntArray, positions: IntArray, mask_id: int, replacements: IntArray, random: np.random.Generator
) -> IntArray:
    """Return a copy of ``ids`` in which the positions are masked, replaced or unchanged, at random in BERT's shares."""
    fate = random.random(len(positions))
    random_ids = replacements[random.integers(len(replacements), size=len(positions))]
    corrupted = ids.copy()
    corrupted[positions] = np.select(
        [fate < MASKED, fate < MASKED + REPLACED], [np.full_like(random_ids, mask_id), random_ids], ids[positions]
    )
    return corrupted
