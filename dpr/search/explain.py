"""Why a passage has its rank: what a list says of it, and how fusion added up what the lists say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from dpr.errors import UnknownPassageError
from dpr.search.fusion import Fused, Fusion
from dpr.search.methods import METHODS
from dpr.types import FusedValue, FusionRule, IntArray, ListExplanation, PassagePool, PassageWindow, TopK


def column_of(row: int, rows: IntArray) -> int | None:
    """Return the column of a row in the result for one question, (1, k); None if it is not in there."""
    columns = np.flatnonzero(rows[0] == row).tolist()
    return columns[0] if columns else None


def explain_by_result(row: int, top: TopK) -> ListExplanation:
    """Return what a list's result for one question, (1, k), says of a row: its rank, score and window there."""
    column = column_of(row, top.rows)
    if column is None:
        return ListExplanation(None, None)
    window = None
    if top.windows is not None and top.windows[0, column, 0] >= 0:
        window = PassageWindow(*top.windows[0, column].tolist())
    return ListExplanation(column + 1, float(top.scores[0, column]), window=window)


def explain_fusion(
    entries: Mapping[str, ListExplanation], tops: Mapping[str, TopK], fused: Fused, fusion: Fusion, column: int
) -> dict[str, ListExplanation]:
    """Return what each list says of a passage, with what fusion made of it.

    Args:
        entries: what each list says.
        tops: the result of each list for one question, (1, d) each.
        fused: the fusion of these results.
        fusion: how they were fused.
        column: the passage's column in ``fused``.
    """
    base_weights = fusion.weights_for(tops)
    explained: dict[str, ListExplanation] = {}
    for name, entry in entries.items():
        fused_list, coverage = fused.lists[name], tops[name].coverage
        value = FusedValue(
            score=float(fused_list.scores_used[0, column]),
            statistics={key: float(numbers[0, 0]) for key, numbers in fused_list.statistics.items()},
            value=float(fused_list.values[0, column]),
            base_weight=base_weights[name],
            coverage=1.0 if coverage is None else float(coverage[0]),
            weight=float(fused.weights[name][0]),
            contribution=float(fused_list.contributions[0, column]),
        )
        explained[name] = replace(entry, fused=value)
    return explained


def rule_of(fusion: Fusion) -> FusionRule:
    """Return how a fusion adds up what lists say, in words."""
    method = METHODS[fusion.method]
    return FusionRule(fusion.method, method.formula, method.missing_rule, fusion.coverage_power)


def row_of(passages: PassagePool, passage_id: str) -> int:
    """Return the row of a passage.

    Raises:
        UnknownPassageError: no passage has this id.
    """
    row = passages.row_of(passage_id)
    if row is None:
        raise UnknownPassageError(f"this index has no passage {passage_id!r}; name one by its id", "passage_id")
    return row
