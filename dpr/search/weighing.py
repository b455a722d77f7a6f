"""The weights of the lists for each question, by coverage.

A fusion has a weight w_l for each list l. A sparse list measures its coverage c_l of a question, the share of the
question's terms, weighted by idf, that its best hit has (`dpr.sparse.coverage`); for other lists, c_l = 1.
The weight of list l for the question is

    w_l · c_l^γ · Σ_m w_m / Σ_m w_m · c_m^γ        (sums over all lists m; γ: the fusion's ``coverage_power``)

so that the weights of every question have the same sum as the fusion's. They equal the fusion's if the question is
covered, if γ = 0, or if all c_l of the weighted lists are 0.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dpr.types import DoubleArray


def weigh(
    weights: Mapping[str, float], coverage: Mapping[str, DoubleArray], power: float, questions: int
) -> dict[str, DoubleArray]:
    """Return the weight of each list for each of Q questions, (Q,).

    Args:
        weights: each list's weight, not all 0.
        coverage: each question's coverage, (Q,) from 0 to 1, for the lists that measure it.
        power: γ, 0 or more.
        questions: Q.
    """
    scaled = {
        name: weight * np.power(coverage.get(name, np.ones(questions)), power)  # 0 to the power of 0 is 1
        for name, weight in weights.items()
    }
    # Sums of three or more floats depend on their order, so it is the names' and not the mapping's.
    names = sorted(weights)
    total = sum((scaled[name] for name in names), np.zeros(questions))
    factor = np.divide(sum(weights[name] for name in names), total, out=np.zeros(questions), where=total > 0)
    return {name: np.where(total > 0, scaled[name] * factor, weight) for name, weight in weights.items()}
