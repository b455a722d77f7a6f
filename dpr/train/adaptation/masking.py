"""What a masked language model has to guess (Devlin et al. 2019, section 3.1): pure functions on token ids."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from dpr.types import BoolArray, IntArray

MASKED = 0.8
REPLACED = 0.1
"""Of the chosen tokens 80 % become [MASK] and 10 % a random token; the others stay, so that no token is above doubt."""


@dataclass(frozen=True, slots=True)
class Masking:
    """How texts over a vocabulary of V pieces are masked.

    ``is_special`` (V,) marks the pieces that are neither chosen nor drawn as replacements; ``continues`` (V,) marks the
    pieces that go on a word, or is None where pieces are chosen one by one.
    """

    share: float
    mask_id: int
    is_special: BoolArray
    continues: BoolArray | None = None

    def apply(self, ids: IntArray, random: np.random.Generator) -> tuple[IntArray, IntArray]:
        """Return a text's ids (T,) as the model sees them, and the places (M,) that it has to guess, in order."""
        places = choose(ids, self.share, self.is_special, random, self.continues)
        return corrupt(ids, places, self.mask_id, np.flatnonzero(~self.is_special), random), places


def masking_of(
    pieces: Sequence[str], special_ids: Collection[int], mask_id: int, share: float, whole_words: bool
) -> Masking:
    """Build the masking for a WordPiece vocabulary, given as its pieces in the order of their ids."""
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
    """Choose the places to guess: ``share`` of the tokens that are not special, rounded, at least one of them.

    With ``continues``, all pieces of a word are chosen or none; words that would exceed the number are passed over,
    as in the original, so that there may be fewer.
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
    chosen: list[IntArray] = []
    left = count
    for word in words:
        if len(word) <= left:
            chosen.append(word)
            left -= len(word)
        if not left:
            break
    return np.sort(np.concatenate(chosen or [min(words, key=len)]))


def corrupt(
    ids: IntArray, places: IntArray, mask_id: int, replacements: IntArray, random: np.random.Generator
) -> IntArray:
    """Return a copy of ``ids`` whose chosen places are masked, replaced or left, at random in BERT's shares."""
    fate = random.random(len(places))
    drawn = replacements[random.integers(len(replacements), size=len(places))]
    seen = ids.copy()
    seen[places] = np.select(
        [fate < MASKED, fate < MASKED + REPLACED], [np.full_like(drawn, mask_id), drawn], ids[places]
    )
    return seen
