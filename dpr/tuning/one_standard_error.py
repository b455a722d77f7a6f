"""Choose fusion weights by the one-standard-error rule, in numpy.

The best weights on some questions are partly chance: the curve is flat around its top, and its highest point moves with
a few other questions, and further with questions on other documents. So the rule takes, among the weights around the
best that are worse by at most one standard error, those nearest to the default, which need no questions. Breiman et al.
(1984, section 3.4.3) choose the size of a tree in this way. The standard error is that of the difference from the best
on the same questions: with fewer questions, more weights are within it, and the choice is nearer to the default. If the
default is not within it and a single list is the best of all, the choice is that list.

Arrays of values are (W, Q): for each of W points of a grid of weights, the objective of each of Q questions. Questions
come in groups (by document), which are the independent units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dpr.evaluation.compare import Difference, compare
from dpr.evaluation.metrics import Values
from dpr.types import BoolArray, IntArray

STEPS = 20
"""A weight is a multiple of 1 / STEPS."""


def weight_grid(lists: int, steps: int = STEPS) -> IntArray:
    """Return all weights of a number of lists that add up to 1, in steps, (W, L); the last list alone comes first."""
    axes = np.meshgrid(*[np.arange(steps + 1)] * (lists - 1), indexing="ij")
    first = np.stack(axes, axis=-1).reshape(-1, lists - 1)
    first = first[first.sum(axis=1) <= steps]
    return np.column_stack([first, steps - first.sum(axis=1)])


@dataclass(frozen=True, slots=True)
class Choice:
    """Points of the grid: the best one, those within one standard error that connect to it, and the selected one."""

    best: int
    within_error: tuple[int, ...]
    selected: int


def choose(
    grid: IntArray, values: Values, ties: Values, groups: IntArray, default: Sequence[float] | None = None
) -> Choice:
    """Choose a point of the grid.

    Args:
        grid: the weights in steps, (W, L).
        values: the objective, (W, Q).
        ties: decides between points of equal objective, (W, Q).
        groups: the group of each question, (Q,).
        default: the default weights (L,); None for equal ones.
    """
    means = values.mean(axis=1)
    best = int(np.lexsort([ties.mean(axis=1), means])[-1])
    behind = values[best] - values
    within_error = np.flatnonzero(_connected(grid, means[best] - means <= _standard_errors(behind, groups), best))
    from_default = _from_default(grid, default)
    distances = from_default[within_error]
    selected = within_error[np.lexsort([-means[within_error], distances.round(9)])[0]]
    if (grid[best] > 0).sum() == 1 and distances.min() > from_default.min():
        selected = best
    return Choice(best, tuple(within_error.tolist()), int(selected))


def _from_default(grid: IntArray, default: Sequence[float] | None) -> Values:
    """Return the squared distance of each point from the default weights, (W,), in steps."""
    weights = np.ones(grid.shape[1]) if default is None else np.asarray(default)
    distances: Values = ((grid - grid[0].sum() * weights / weights.sum()) ** 2).sum(axis=1)
    return distances


def _standard_errors(values: Values, groups: IntArray) -> Values:
    """Return the standard error of each row's mean, (W,), for values (W, Q) whose columns come in groups.

    It is that of a mean under cluster sampling (Cochran 1977, section 9A.3): √(G / (G - 1) Σ_g (S_g - n_g·mean)²) / Q,
    the usual one if every group is one question; 0 for a single group.
    """
    order = np.argsort(groups, kind="stable")
    _, starts, sizes = np.unique(groups[order], return_index=True, return_counts=True)
    sums = np.add.reduceat(values[:, order], starts, axis=1)  # (W, G)
    residuals = sums - sizes * values.mean(axis=1, keepdims=True)
    count = len(sizes)
    if count < 2:
        return np.zeros(len(values))
    errors: Values = np.sqrt(count / (count - 1) * (residuals**2).sum(axis=1)) / values.shape[1]
    return errors


def _connected(grid: IntArray, good: BoolArray, start: int) -> BoolArray:
    """Tell which good points connect to ``start`` by steps from one list to another over good points."""
    are_neighbours = np.abs(grid[:, None] - grid[None]).sum(axis=2) <= 2  # (W, W), reflexive
    reached: BoolArray = np.arange(len(grid)) == start
    while True:
        grown: BoolArray = good & are_neighbours[reached].any(axis=0) | reached
        if (grown == reached).all():
            return reached
        reached = grown


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A cross-validated estimate of the choice.

    ``value`` is the mean objective with weights that were chosen without the question's own fold, ``over_list`` the
    gain over the best single list of the other folds, ``over_default`` that over the grid point nearest to the default.
    """

    folds: int
    value: float
    over_list: Difference
    over_default: Difference


def cross_validate(
    grid: IntArray,
    values: Values,
    ties: Values,
    groups: IntArray,
    folds: int,
    default: Sequence[float] | None = None,
) -> HeldOut | None:
    """Choose on all folds but one and measure on that fold, for each fold; None for fewer than two groups or folds.

    No group is in two folds, and there are at most as many folds as groups. The other arguments are those of `choose`.
    """
    folds = min(folds, len(np.unique(groups)))
    if folds < 2:
        return None
    of_question = fold_of(groups, folds)
    alone = np.flatnonzero((grid > 0).sum(axis=1) == 1)
    unfitted = int(_from_default(grid, default).argmin())
    fused, single = np.empty(values.shape[1]), np.empty(values.shape[1])
    for fold in range(folds):
        inside, outside = of_question == fold, of_question != fold
        choice = choose(grid, values[:, outside], ties[:, outside], groups[outside], default)
        fused[inside] = values[choice.selected, inside]
        single[inside] = values[alone[values[alone][:, outside].mean(axis=1).argmax()], inside]
    return HeldOut(folds, float(fused.mean()), compare(single, fused, groups), compare(values[unfitted], fused, groups))


def fold_of(groups: IntArray, folds: int) -> IntArray:
    """Return each question's fold, (Q,): each group, largest first, goes to the fold with the fewest questions."""
    sizes = np.bincount(groups)
    fold_of_group = np.zeros(len(sizes), dtype=np.int64)
    filled = np.zeros(folds, dtype=np.int64)
    for group in np.argsort(-sizes, kind="stable"):
        fold_of_group[group] = filled.argmin()
        filled[fold_of_group[group]] += sizes[group]
    fold: IntArray = fold_of_group[groups]
    return fold
