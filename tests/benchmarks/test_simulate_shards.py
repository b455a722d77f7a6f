"""The simulation of a sharded service against queueing theory, and what replicas and deadlines do in it."""

from __future__ import annotations

import pytest

from benchmarks.simulate_shards import Setup, simulate

STEADY = Setup(shards=1, spread=0.0, straggler_share=0.0, requests=6_000, deadline_ms=1e6)


@pytest.mark.parametrize("rate", [20.0, 50.0, 70.0])
def test_one_node_of_steady_speed_is_an_m_d_1_queue(rate: float) -> None:
    """The mean time in an M/D/1 queue is s + ρ·s / (2·(1 − ρ)) (Pollaczek and Khinchine)."""
    result = simulate(Setup(shards=1, spread=0.0, straggler_share=0.0, requests=30_000, deadline_ms=1e6, rate=rate))
    load = rate * STEADY.service_ms / 1000
    assert result["load"] == pytest.approx(load)
    assert result["mean_ms"] == pytest.approx(STEADY.service_ms * (1 + load / (2 * (1 - load))), rel=0.05)


def test_without_load_an_answer_takes_the_service_time() -> None:
    result = simulate(Setup(shards=5, spread=0.0, straggler_share=0.0, requests=500, rate=0.5))
    assert result["p50_ms"] == pytest.approx(STEADY.service_ms)
    assert result["partial_share"] == 0


def test_more_shards_wait_for_the_slowest_of_more() -> None:
    one, many = (simulate(Setup(shards=shards, requests=3_000)) for shards in (1, 20))
    assert many["p95_ms"] > one["p95_ms"]
    assert many["partial_share"] >= one["partial_share"]


def test_replicas_take_over_from_stragglers() -> None:
    alone, pairs = (simulate(Setup(shards=10, replicas=replicas, requests=3_000)) for replicas in (1, 2))
    assert pairs["p99_ms"] < alone["p99_ms"]
    assert pairs["partial_share"] < alone["partial_share"]


def test_no_answer_takes_longer_than_the_deadline() -> None:
    result = simulate(Setup(shards=10, deadline_ms=60.0, requests=2_000))
    assert result["p99_ms"] <= 60.0
    assert 0 < result["partial_share"] < 1
