"""What a router knows of its nodes: which shards of which collections they serve, and which of them are asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from service.shards.wire import NodeAnswerError, ShardState

SLOW_S = 5.0
"""Time for which a node that was late is asked after the other ones of its shard."""

NOT_REACHED = "it was not reached yet"


@dataclass(eq=False)
class Node:
    """One server of a shard, as it was when it was last looked at.

    Attributes:
        url: its address.
        states: the generations that it serves, by their collections, the newest first.
        problem: why it is not asked; empty where it is.
        late_until: the moment until which other nodes are asked first, of ``time.monotonic``.
        late_looks: how many looks in a row it has not answered in time.
        look_now: set where it is to be looked at before its time.
    """

    url: str
    states: dict[str, ShardState] = field(default_factory=dict)
    problem: str = NOT_REACHED
    late_until: float = 0.0
    late_looks: int = 0
    look_now: asyncio.Event = field(default_factory=asyncio.Event)

    def shard_of(self, collection: str) -> int | None:
        """Return the number of the shard that it serves of a collection; None if it serves none."""
        state = self.states.get(collection)
        return None if state is None else state.shard.number


class Nodes:
    """The nodes of a router."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._nodes = [Node(url) for url in urls]
        self._turns = count()

    def __iter__(self) -> Iterator[Node]:
        """Iterate over all nodes, also those that are not asked."""
        return iter(self._nodes)

    def coverage(self) -> dict[str, dict[int, list[Node]]]:
        """Return the nodes that answer, by collection and shard."""
        shards: dict[str, dict[int, list[Node]]] = {}
        for node in self._nodes:
            for collection, state in node.states.items():
                if not node.problem:
                    shards.setdefault(collection, {}).setdefault(state.shard.number, []).append(node)
        return shards

    def collection(self, preferred: str | None = None) -> str | None:
        """Return the collection that most shards of it are served of; None without a node that answers.

        Of equal ones it is one that a node serves as its newest, and of these ``preferred``.
        """
        newest = {next(iter(node.states)) for node in self._nodes if node.states and not node.problem}

        def rank(item: tuple[str, dict[int, list[Node]]]) -> tuple[float, bool, bool, str]:
            name, nodes = item
            total = next(iter(nodes.values()))[0].states[name].shard.shards
            return len(nodes) / total, name in newest, name == preferred, name

        return max(self.coverage().items(), key=rank, default=(None, {}))[0]

    def states(self, collection: str) -> list[ShardState]:
        """Return what the nodes that answer serve of a collection, one state for each shard."""
        of_collection = self.coverage().get(collection, {})
        return [nodes[0].states[collection] for _, nodes in sorted(of_collection.items())]

    def in_turn(self, collection: str, number: int) -> list[Node]:
        """Return the nodes of a shard that answer, in turn; those that were late come last."""
        nodes = [node for node in self._nodes if not node.problem and node.shard_of(collection) == number]
        if not nodes:
            return []
        turn, now = next(self._turns) % len(nodes), time.monotonic()
        return sorted(nodes[turn:] + nodes[:turn], key=lambda node: node.late_until > now)

    def cause(self, collection: str, number: int) -> str:
        """Return why no node of a shard is asked."""
        problems = [node.problem for node in self._nodes if node.shard_of(collection) == number and node.problem]
        return f"no node answers: {'; '.join(sorted(set(problems)))}" if problems else "no node serves it"

    def refuse_contradiction(self, node: Node, states: Mapping[str, ShardState]) -> None:
        """Refuse a node whose shard contradicts those of the nodes that are asked.

        Raises:
            NodeAnswerError: it does.
        """
        for collection, state in states.items():
            for peer in self._nodes:
                peer_state = peer.states.get(collection)
                if peer is node or peer.problem or peer_state is None:
                    continue
                if not (state.agrees_with(peer_state) and _have_right_rows(state, peer_state)):
                    raise NodeAnswerError(
                        f"its {state.shard.title} contradicts that of another node: other models, or rows of both"
                    )


def note_late(nodes: Iterable[Node]) -> None:
    """Let the other nodes of their shard be asked first for a while."""
    for node in nodes:
        node.late_until = time.monotonic() + SLOW_S


def _have_right_rows(state: ShardState, peer: ShardState) -> bool:
    """Tell whether replicas have the same rows, and other shards none in common."""
    rows, peer_rows = state.rows, peer.rows
    if state.shard.number == peer.shard.number:
        return rows == peer_rows
    return rows.stop <= peer_rows.start or peer_rows.stop <= rows.start
