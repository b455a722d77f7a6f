"""What one request asks of the nodes: the hits of lists, merged, passages, what lists say of one, counts of fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from dpr.errors import DPRError
from dpr.filters import Filter
from dpr.results import Passage
from dpr.store.filtering import Facet
from dpr.topk import no_hits
from dpr.types import DoubleArray, FloatArray, IntArray, ListExplanation, TopK
from service.errors import ShardsLostError
from service.shards import wire
from service.shards.cluster import Cluster, LostShard, ShardCall


class ShardLostError(DPRError):
    """A shard whose hits were merged does not give their passages any more; the search is to be merged again."""


class Search(NamedTuple):
    """What is asked of every shard."""

    lists: tuple[str, ...]
    questions: tuple[str, ...]
    k: int
    filter: Filter | None


class Session:
    """One request over one collection: the passages that its hits name, in place of a store of them, and their fields.

    Attributes:
        lost_shards: the numbers of the shards that did not answer, each with the cause.
    """

    def __init__(self, cluster: Cluster, state: wire.ShardState) -> None:
        """Ask the nodes of the collection of ``state``, a shard of it."""
        self.lost_shards: dict[int, str] = {}
        self._cluster = cluster
        self._shard = state.shard
        self._ids: dict[int, str] = {}
        self._shard_of: dict[int, int] = {}  # by row, as `_ids`
        self._answers: dict[tuple[object, ...], dict[int, dict[str, wire.ListOfShard]]] = {}

    def id(self, row: int) -> str:
        """Return the id of a row that was among the hits."""
        return self._ids[row]

    def search(self, search: Search, vectors: FloatArray | None) -> dict[str, TopK]:
        """Return the hits of each list over all shards that answer, (Q, k); ``vectors`` (Q, D) are the questions'.

        Raises:
            ShardsLostError: no shard answers.
            RequestError: the filter does not suit the fields of the passages.
        """
        key = search[:3]  # a request has one filter
        if key not in self._answers:
            self._answers[key] = self._ask(search, vectors)
        answers = {number: lists for number, lists in self._answers[key].items() if number not in self.lost_shards}
        if not answers:
            raise self._all_lost()
        return {
            name: self._merged({number: lists[name] for number, lists in answers.items()}, search)
            for name in search.lists
        }

    def __len__(self) -> int:
        return self._shard.passages

    def __getitem__(self, row: int) -> Passage:
        """Return the passage of a row that a hit or `row_of` named."""
        return self.get([row])[0]

    def get(self, rows: Sequence[int]) -> list[Passage]:
        """Return the passages of some hits' rows, in the order of ``rows``.

        Raises:
            ShardLostError: a shard does not answer any more; ``lost_shards`` has it.
        """
        rows_of: dict[int, list[int]] = {}
        for row in dict.fromkeys(rows):
            rows_of.setdefault(self._shard_of[row], []).append(row)
        calls = {
            number: ShardCall(
                wire.PASSAGES_PATH,
                {"rows": of_shard},
                partial(wire.read_passages, ids=[self._ids[row] for row in of_shard]),
            )
            for number, of_shard in rows_of.items()
        }
        passage_of: dict[int, Passage] = {}
        for number, answer in self._cluster.ask(self._shard.collection, calls).items():
            if isinstance(answer, LostShard):
                self.lost_shards[number] = answer.cause
            else:
                passage_of |= zip(rows_of[number], answer, strict=True)
        if lost := rows_of.keys() & self.lost_shards.keys():
            raise ShardLostError(f"shard {min(lost)} was lost: {self.lost_shards[min(lost)]}")
        return [passage_of[row] for row in rows]

    def explanation(
        self, names: Sequence[str], question: str, row: int, vectors: FloatArray | None
    ) -> Mapping[str, ListExplanation]:
        """Return what lists say of a hit, without its rank; ``vectors`` (1, D) are the question's.

        Raises:
            ShardLostError: its shard does not answer any more; ``lost_shards`` has it.
        """
        number = self._shard_of[row]
        body: dict[str, object] = {"questions": [question], "lists": names, "row": row}
        if vectors is not None:
            body["vectors"] = wire.vectors_to_text(vectors)
        call = ShardCall(wire.EXPLANATION_PATH, body, partial(wire.read_explanation, names=names))
        answer = self._cluster.ask(self._shard.collection, {number: call})[number]
        if isinstance(answer, LostShard) or answer.row != row:
            cause = answer.cause if isinstance(answer, LostShard) else "it does not have the passage any more"
            self.lost_shards[number] = cause
            raise ShardLostError(f"shard {number} was lost: {cause}")
        return answer.lists

    def row_of(self, passage_id: str) -> int | None:
        """Return the row of a passage; None if no shard that answers has it."""
        body = {"questions": [""], "lists": [], "id": passage_id}
        call = ShardCall(wire.EXPLANATION_PATH, body, partial(wire.read_explanation, names=()))
        calls = dict.fromkeys(range(1, self._shard.shards + 1), call)
        for number, answer in self._cluster.ask(self._shard.collection, calls).items():
            if isinstance(answer, LostShard):
                self.lost_shards[number] = answer.cause
            elif answer.row is not None and answer.id == passage_id:
                self._ids[answer.row], self._shard_of[answer.row] = passage_id, number
                return answer.row
        return None

    def facets(self, _condition: None, limit: int) -> dict[str, Facet]:
        """Return what all passages have in each field, with at most ``limit`` values; each shard has these counts.

        Raises:
            ShardsLostError: no shard answers.
        """
        for number in range(1, self._shard.shards + 1):
            call = ShardCall(wire.FACETS_PATH, {}, wire.read_facets)
            answer = self._cluster.ask(self._shard.collection, {number: call})[number]
            if not isinstance(answer, LostShard):
                return {name: replace(facet, values=facet.values[:limit]) for name, facet in answer.items()}
            self.lost_shards[number] = answer.cause
        raise self._all_lost()

    def refuse_lost(self) -> None:
        """Refuse to go on without a shard, where ranks would be others.

        Raises:
            ShardsLostError: a shard did not answer.
        """
        if self.lost_shards:
            raise ShardsLostError(
                f"an explanation needs every shard, and not all answer ({self._causes()}); ask again soon"
            )

    def _causes(self) -> str:
        return "; ".join(f"shard {number}: {cause}" for number, cause in sorted(self.lost_shards.items()))

    def _all_lost(self) -> ShardsLostError:
        return ShardsLostError(f"none of the {self._shard.shards} shards answers ({self._causes()}); ask again soon")

    def _ask(self, search: Search, vectors: FloatArray | None) -> dict[int, dict[str, wire.ListOfShard]]:
        body: dict[str, object] = {"questions": search.questions, "lists": search.lists, "k": search.k}
        if vectors is not None:
            body["vectors"] = wire.vectors_to_text(vectors)
        if search.filter is not None:
            body["filter"] = search.filter.to_json()
        reads = partial(wire.read_lists, names=search.lists, questions=len(search.questions), k=search.k)
        calls = dict.fromkeys(range(1, self._shard.shards + 1), ShardCall(wire.LISTS_PATH, body, reads))
        answers: dict[int, dict[str, wire.ListOfShard]] = {}
        for number, answer in self._cluster.ask(self._shard.collection, calls).items():
            if isinstance(answer, LostShard):
                self.lost_shards[number] = answer.cause
            else:
                answers[number] = answer
        return answers

    def _merged(self, lists: Mapping[int, wire.ListOfShard], search: Search) -> TopK:
        """Return the best hits of the lists of shards, by number; equal scores are ordered by id, as in one index."""
        top = no_hits(len(search.questions), search.k)
        windows: IntArray = np.full((*top.rows.shape, 2), -1, dtype=np.int64)
        coverage: DoubleArray = np.zeros(len(search.questions))
        for question in range(len(search.questions)):
            hits = sorted(
                (-score, passage_id, row, number, column)
                for number, of_shard in lists.items()
                for column, (score, passage_id, row) in enumerate(
                    zip(of_shard.scores[question], of_shard.ids[question], of_shard.rows[question], strict=True)
                )
            )[: search.k]
            for position, (score, passage_id, row, number, column) in enumerate(hits):
                top.rows[question, position], top.scores[question, position] = row, -score
                self._ids[row], self._shard_of[row] = passage_id, number
                spans = lists[number].windows
                if spans is not None:
                    windows[question, position] = spans[question][column]
            if hits and (of_best := lists[hits[0][3]].coverage) is not None:
                coverage[question] = of_best[question]
        has_windows = any(of_shard.windows is not None for of_shard in lists.values())
        measures = any(of_shard.coverage is not None for of_shard in lists.values())
        return TopK(top.rows, top.scores, windows if has_windows else None, coverage if measures else None)
