"""A simulation of a sharded service: queues at nodes, stragglers, replicas, and a deadline for each shard.

    python -m benchmarks.simulate_shards --output benchmarks/results/simulate_shards.json

Requests come at random (Poisson). A router asks a node of every shard; a node serves one request after the other, each
for a time that is drawn from a lognormal distribution, and some nodes' answers are stragglers, many times slower. As in
`service/shards/cluster.py`, the replicas of a shard are asked in turn, a second one is asked when the first has taken
half of the deadline, what nobody waits for is dropped from the queue, and a shard that is late is left out. The service
time is a parameter, not a measurement of this program: 10 ms by default.
"""

from __future__ import annotations

import heapq
import json
from collections import deque
from dataclasses import asdict, dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer


@dataclass(frozen=True, slots=True)
class Setup:
    """A service and its load; times in milliseconds, the rate in requests a second."""

    shards: int = 30
    replicas: int = 1
    rate: float = 40.0
    service_ms: float = 10.0
    spread: float = 0.3
    straggler_share: float = 0.005
    straggler_factor: float = 30.0
    deadline_ms: float = 500.0
    requests: int = 20_000


@dataclass(slots=True, eq=False)
class Part:
    """What one request waits for of one shard."""

    started_ms: float
    answered_ms: float = np.inf
    nodes: list[int] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Node:
    """One server: what waits, and what it works on."""

    waiting: deque[Part] = field(default_factory=deque)
    is_busy: bool = False


class Simulation:
    """One run: events in the order of their time, and the nodes that they happen to."""

    def __init__(self, setup: Setup, seed: int) -> None:
        self._setup = setup
        self._dice = np.random.default_rng(seed)
        self._order = count()
        self._events: list[tuple[float, int, str, Any]] = []
        self._nodes = [[Node() for _ in range(setup.replicas)] for _ in range(setup.shards)]

    def run(self) -> list[list[Part]]:
        """Return the parts of each request, when nothing waits any more."""
        setup, requests = self._setup, []
        for moment in np.cumsum(self._dice.exponential(1000 / setup.rate, setup.requests)).tolist():
            self._at(moment, "arrive", None)
        while self._events:
            now, _, kind, content = heapq.heappop(self._events)
            if kind == "arrive":
                requests.append([Part(now) for _ in range(setup.shards)])
                for shard, part in enumerate(requests[-1]):
                    self._ask(shard, len(requests) % setup.replicas, part, now)
                    if setup.replicas > 1:
                        self._at(now + setup.deadline_ms / 2, "hedge", (shard, part))
            elif kind == "finish":
                node, part = content
                part.answered_ms = min(part.answered_ms, now)
                self._begin(node, now)
            else:
                shard, part = content
                if part.answered_ms == np.inf:
                    self._ask(shard, (part.nodes[0] + 1) % setup.replicas, part, now)
        return requests

    def _at(self, moment: float, kind: str, content: Any) -> None:
        heapq.heappush(self._events, (moment, next(self._order), kind, content))

    def _service_ms(self) -> float:
        setup = self._setup
        slow = setup.straggler_factor if self._dice.random() < setup.straggler_share else 1.0
        return float(setup.service_ms * np.exp(setup.spread * self._dice.standard_normal()) * slow)

    def _ask(self, shard: int, replica: int, part: Part, now: float) -> None:
        node = self._nodes[shard][replica]
        part.nodes.append(replica)
        node.waiting.append(part)
        if not node.is_busy:
            self._begin(node, now)

    def _begin(self, node: Node, now: float) -> None:
        """Let a node work on the first part that somebody still waits for."""
        while node.waiting:
            part = node.waiting.popleft()
            if part.answered_ms == np.inf and now <= part.started_ms + self._setup.deadline_ms:
                node.is_busy = True
                self._at(now + self._service_ms(), "finish", (node, part))
                return
        node.is_busy = False


def simulate(setup: Setup, seed: int = 0) -> dict[str, float]:
    """Return the times of answers and the share of partial ones, after a tenth of the requests as a warm-up."""
    requests = Simulation(setup, seed).run()
    took = np.array([[part.answered_ms - part.started_ms for part in parts] for parts in requests])
    took = took[len(took) // 10 :]  # (requests, shards)
    is_partial = (took > setup.deadline_ms).any(axis=1)
    answered = np.minimum(took, setup.deadline_ms).max(axis=1)
    p50, p95, p99 = np.percentile(answered, [50, 95, 99]).tolist()
    load = setup.rate / 1000 * setup.service_ms * np.exp(setup.spread**2 / 2) / setup.replicas
    mean_factor = 1 + setup.straggler_share * (setup.straggler_factor - 1)
    return {
        "load": float(load * mean_factor),
        "mean_ms": float(answered.mean()),
        "p50_ms": p50,
        "p95_ms": p95,
        "p99_ms": p99,
        "partial_share": float(is_partial.mean()),
    }


def scenarios() -> dict[str, Setup]:
    """Return the setups that docs/scale.md shows."""
    calm = Setup(straggler_share=0.0)
    return {
        "1 shard": replace(calm, shards=1),
        "3 shards": replace(calm, shards=3),
        "30 shards": calm,
        "30 shards, load doubled": replace(calm, rate=80.0),
        "1 shard, stragglers": Setup(shards=1),
        "3 shards, stragglers": Setup(shards=3),
        "30 shards, stragglers": Setup(),
        "30 shards, stragglers, deadline 100 ms": Setup(deadline_ms=100.0),
        "30 shards of 2 nodes, stragglers": Setup(replicas=2),
        "30 shards of 2 nodes, stragglers, deadline 100 ms": Setup(replicas=2, deadline_ms=100.0),
        "30 shards of 2 nodes, stragglers, deadline 100 ms, load doubled": Setup(
            replicas=2, deadline_ms=100.0, rate=80.0
        ),
    }


def main(
    requests: Annotated[int, typer.Option(help="Requests of each setup.")] = 20_000, output: Path | None = None
) -> None:
    """Simulate each setup and print what comes out."""
    report = {}
    for name, setup in scenarios().items():
        setup = replace(setup, requests=requests)
        result = simulate(setup)
        report[name] = {"setup": asdict(setup), **result}
        print(name, {key: round(value, 4) for key, value in result.items()}, flush=True)
    if output is not None:
        output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
