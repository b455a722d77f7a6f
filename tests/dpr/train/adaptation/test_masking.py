from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpr.train.adaptation.masking import Masking, choose, corrupt, masking_of
from dpr.types import BoolArray, IntArray

SIZE = 200
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"{'##' * (row % 3 > 0)}p{row}" for row in range(5, SIZE))]
SPECIAL = range(5)
MASK = 4

texts = st.lists(st.integers(0, SIZE - 1), max_size=150).map(lambda ids: np.array(ids, dtype=np.int64))
seeds = st.integers(0, 2**32)
shares = st.sampled_from([0.05, 0.15, 0.4, 0.9])


def special() -> BoolArray:
    marks = np.zeros(SIZE, dtype=bool)
    marks[list(SPECIAL)] = True
    return marks


def words_of(ids: list[int]) -> list[list[int]]:
    """The places of each word, in plain Python."""
    words: list[list[int]] = []
    for place, piece in enumerate(ids):
        if piece in SPECIAL:
            continue
        if PIECES[piece].startswith("##") and place and ids[place - 1] not in SPECIAL:
            words[-1].append(place)
        else:
            words.append([place])
    return words


@given(texts, shares, seeds)
def test_the_share_is_exact_and_special_tokens_are_never_chosen(ids: IntArray, share: float, seed: int) -> None:
    places = choose(ids, share, special(), np.random.default_rng(seed))
    candidates = int((ids > 4).sum())
    assert len(places) == (max(1, round(share * candidates)) if candidates else 0)
    assert places.tolist() == sorted(set(places.tolist()))
    assert (ids[places] > 4).all()


@given(texts, shares, seeds)
def test_whole_words_are_chosen_or_not_at_all(ids: IntArray, share: float, seed: int) -> None:
    masking = masking_of(PIECES, SPECIAL, MASK, share, whole_words=True)
    _, places = masking.apply(ids, np.random.default_rng(seed))
    chosen = set(places.tolist())
    words = words_of(ids.tolist())
    taken = [word for word in words if chosen & set(word)]
    assert all(set(word) <= chosen for word in taken)
    assert sum(map(len, taken)) == len(chosen)
    if words:
        count = max(1, round(share * sum(map(len, words))))
        left_out = [len(word) for word in words if word not in taken]
        assert len(chosen) <= count or len(taken) == 1
        # no word that would still fit was passed over
        assert all(len(chosen) + length > count for length in left_out)


@given(texts, seeds)
def test_only_chosen_places_change_and_never_to_another_special_token(ids: IntArray, seed: int) -> None:
    seen, places = masking_of(PIECES, SPECIAL, MASK, 0.4, whole_words=False).apply(ids, np.random.default_rng(seed))
    others = np.setdiff1d(np.arange(len(ids)), places)
    assert (seen[others] == ids[others]).all()
    assert all(piece == MASK or piece > 4 for piece in seen[places].tolist())


def test_the_fates_of_chosen_tokens_have_berts_shares() -> None:
    ids = np.full(100_000, 77, dtype=np.int64)
    drawn = np.arange(5, SIZE)
    seen = corrupt(ids, np.arange(len(ids)), MASK, drawn, np.random.default_rng(1))
    masked, kept = (seen == MASK).mean(), (seen == 77).mean()
    assert masked == pytest.approx(0.8, abs=0.005)
    assert kept == pytest.approx(0.1 + 0.1 / len(drawn), abs=0.005)
    counts = np.bincount(seen[(seen != MASK) & (seen != 77)], minlength=SIZE)[5:]
    assert counts[drawn != 77].min() > 20  # each piece is drawn, about 51 times
    assert counts.max() < 90
    assert (ids == 77).all()


@pytest.mark.parametrize("whole_words", [False, True])
def test_the_same_seed_masks_alike(whole_words: bool) -> None:
    masking: Masking = masking_of(PIECES, SPECIAL, MASK, 0.15, whole_words)
    ids = np.arange(5, 150)
    first, again, other = (masking.apply(ids, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert (first[0] == again[0]).all()
    assert (first[1] == again[1]).all()
    assert len(first[1]) != len(other[1]) or (first[1] != other[1]).any()
