"""How far two rankings of the same systems agree."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from dpr.errors import DataError


def kendall_tau(first: Sequence[float], second: Sequence[float]) -> float:
    """Return Kendall's tau-b of two lists of values of the same systems: 1 for one order, -1 for the opposite one.

    tau-b = (C - D) / √((C + D + T₁)(C + D + T₂)) over the pairs of systems: C in the same order in both, D in opposite
    ones, T₁ and T₂ equal in one list alone (Kendall 1945). 0 where all values of a list are equal.

    Raises:
        DataError: the lists differ in length, or have fewer than two values.
    """
    if len(first) != len(second) or len(first) < 2:
        raise DataError(f"there are {len(first)} and {len(second)} values; compare two or more systems")
    agreeing = opposite = tied_first = tied_second = 0
    for one, other in combinations(range(len(first)), 2):
        step, other_step = first[one] - first[other], second[one] - second[other]
        agreeing += step * other_step > 0
        opposite += step * other_step < 0
        tied_first += step == 0 and other_step != 0
        tied_second += other_step == 0 and step != 0
    ordered = agreeing + opposite
    scale = ((ordered + tied_first) * (ordered + tied_second)) ** 0.5
    return (agreeing - opposite) / scale if scale else 0.0
