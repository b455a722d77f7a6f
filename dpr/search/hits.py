"""Rows and scores dressed as hits, for every retriever."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from dpr.errors import RequestError
from dpr.search.fusion import Fused, FusedList
from dpr.types import DoubleArray, Hit, ListScore, PassageWindow, TopK, Weighing

PassageId = Callable[[int], str]
"""The id of a row, such as ``PassageStore.id`` or the ``__getitem__`` of a list of ids."""


def refuse_bad_k(k: int) -> None:
    """Raise RequestError unless k is at least 1."""
    if k < 1:
        raise RequestError(f"k is {k}: ask for at least 1 passage", field="k")


def hits_of_list(name: str, top: TopK, passage_id: PassageId) -> list[list[Hit]]:
    """Return the hits of one list; a list's score is all of its hits' score."""
    hits = [
        [
            Hit(row, passage_id(row), rank, score, {name: ListScore(rank, score, score)})
            for rank, (row, score) in enumerate(zip(rows, scores, strict=True), start=1)
            if row >= 0
        ]
        for rows, scores in zip(top.rows.tolist(), top.scores.tolist(), strict=True)
    ]
    return with_windows(hits, [top])


def with_windows(hits: Sequence[Sequence[Hit]], lists: Iterable[TopK]) -> list[list[Hit]]:
    """Return the hits of each question, each with the window that a list matched in it."""
    matched: list[dict[int, PassageWindow]] = [{} for _ in hits]
    for top in lists:
        if top.windows is None:
            continue
        for windows, rows, spans in zip(matched, top.rows.tolist(), top.windows.tolist(), strict=True):
            windows.update((row, PassageWindow(*span)) for row, span in zip(rows, spans, strict=True) if span[0] >= 0)
    return [
        [replace(hit, window=windows[hit.row]) if hit.row in windows else hit for hit in of_question]
        for of_question, windows in zip(hits, matched, strict=True)
    ]


def hits_of_fusion(fused: Fused, coverage: Mapping[str, DoubleArray], passage_id: PassageId) -> list[list[Hit]]:
    """Return the fused hits, each with what every list said of it, and how much each list counted."""
    lists = {name: _list_scores(part) for name, part in fused.lists.items()}
    found: list[list[Hit]] = []
    for question, (rows, scores) in enumerate(zip(fused.rows.tolist(), fused.scores.tolist(), strict=True)):
        weighing = Weighing(_of_question(fused.weights, question), _of_question(coverage, question))
        found.append(
            [
                Hit(
                    row,
                    passage_id(row),
                    place + 1,
                    score,
                    {name: lists[name][question][place] for name in lists},
                    weighing,
                )
                for place, (row, score) in enumerate(zip(rows, scores, strict=True))
                if row >= 0
            ]
        )
    return found


def _of_question(values: Mapping[str, DoubleArray], question: int) -> dict[str, float]:
    return {name: float(of_list[question]) for name, of_list in values.items()}


def _list_scores(part: FusedList) -> list[list[ListScore]]:
    return [
        [
            ListScore(rank, score, contribution) if rank else ListScore(None, None, contribution)
            for rank, score, contribution in zip(*question, strict=True)
        ]
        for question in zip(part.ranks.tolist(), part.scores.tolist(), part.contributions.tolist(), strict=True)
    ]
