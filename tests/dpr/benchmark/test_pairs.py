"""Pairs of systems: the winner first, corrected p-values, and a plain sentence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dpr.benchmark.pairs import compare_all, p_words, points
from dpr.evaluation.compare import holm


def values(*shares: float) -> dict[str, dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]]]:
    generator = np.random.default_rng(7)
    return {
        f"system-{number}": {"recall@5": (generator.random(400) < share).astype(np.float64)}
        for number, share in enumerate(shares)
    }


def test_every_pair_comes_once_and_the_better_system_first() -> None:
    pairs = compare_all(values(0.5, 0.9, 0.7), ["recall@5"])
    assert [(pair.first, pair.second) for pair in pairs] == [
        ("system-1", "system-0"),
        ("system-2", "system-0"),
        ("system-1", "system-2"),
    ]
    assert all(pair.difference > 0 and pair.low < pair.difference < pair.high for pair in pairs)
    assert [pair.corrected_p_value for pair in pairs] == holm([pair.p_value for pair in pairs])


def test_wins_less_losses_is_the_difference() -> None:
    [pair] = compare_all(values(0.6, 0.7), ["recall@5"])
    assert (pair.wins - pair.losses) / 400 == pytest.approx(pair.difference)


def test_a_sentence_says_who_wins_by_how_much() -> None:
    [pair] = compare_all(values(0.5, 0.9), ["recall@5"])
    sentence = pair.sentence()
    assert sentence.startswith("system-1 beats system-0 by ")
    assert f"{100 * pair.difference:.1f} points by recall@5 (95 % interval +" in sentence
    assert sentence.endswith("p < 0.0001).")


def test_no_difference_is_said_with_what_could_have_been_seen() -> None:
    [pair] = compare_all(values(0.7, 0.7), ["recall@5"])
    assert not pair.is_significant
    assert pair.smallest_difference is not None
    assert "cannot be told apart" in pair.sentence()
    assert f"A difference of {points(pair.smallest_difference)} points would have been found 4 times in 5" in (
        pair.sentence()
    )


def test_equal_systems_are_said_to_be_equal() -> None:
    same = values(0.7)["system-0"]
    [pair] = compare_all({"a": same, "b": same}, ["recall@5"])
    assert pair.sentence() == "a and b have the same recall@5 for every question."
    assert replace(pair, difference=0.0).p_value == 1.0


def test_the_same_seed_gives_the_same_digits() -> None:
    assert compare_all(values(0.5, 0.6), ["recall@5"], seed=1) == compare_all(values(0.5, 0.6), ["recall@5"], seed=1)


@pytest.mark.parametrize(
    ("p_value", "words"),
    [(0.00001, "p < 0.0001"), (0.0005, "p = 0.0005"), (0.0123, "p = 0.012"), (1.0, "p = 1.000")],
)
def test_p_values_are_written_as_papers_write_them(p_value: float, words: str) -> None:
    assert p_words(p_value) == words
