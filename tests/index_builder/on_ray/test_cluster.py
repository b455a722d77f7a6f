from __future__ import annotations

import socket
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpr.errors import ConfigError, MissingDependencyError, ServerError
from index_builder.on_ray.cluster import ActorPlan, RayOptions, parse_runner, plan_actors, ray_cluster


@pytest.mark.parametrize("address", ["head", "ray://head:10001", "head:port", ":6379", "auto"])
def test_an_address_is_a_host_and_a_port(address: str) -> None:
    with pytest.raises(ConfigError, match="is not HOST:PORT"):
        RayOptions(address)


def test_an_address_where_nobody_listens_is_said_at_once() -> None:
    pytest.importorskip("ray", reason="needs the ray extra")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with (
        pytest.raises(ServerError, match=rf"no Ray cluster can be reached at {address} .*ray start --head"),
        ray_cluster(RayOptions(address)),
    ):
        raise AssertionError


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingDependencyError, match=r"\[ray\]"), ray_cluster(RayOptions()):
        raise AssertionError


def test_options_of_ray_need_ray() -> None:
    assert parse_runner("local", None, None, None, None) is None
    assert parse_runner("ray", None, None, None, None) == RayOptions()
    assert parse_runner("ray", "head:1", "s3://b", 3, 5.0) == RayOptions("head:1", "s3://b", 3, 5.0)
    with pytest.raises(ConfigError, match="--runner is local"):
        parse_runner("local", None, None, 2, None)
    with pytest.raises(ConfigError, match="unknown runner 'dask'; choose local or ray"):
        parse_runner("dask", None, None, None, None)


@pytest.mark.parametrize(
    ("cpus", "gpus", "actors", "plan"),
    [
        ([2.0], 0, 0, ActorPlan(1, 1, 0)),
        ([1.0], 0, 0, ActorPlan(1, 1, 0)),
        ([2.0, 2.0], 0, 0, ActorPlan(3, 1, 0)),
        ([16.0], 0, 2, ActorPlan(2, 7, 0)),
        ([4.0, 4.0], 0, 1, ActorPlan(1, 4, 0)),
        ([2.0], 0, 8, ActorPlan(1, 1, 0)),
        ([16.0, 16.0], 8, 0, ActorPlan(8, 1, 1)),
        ([16.0], 4, 2, ActorPlan(2, 1, 1)),
    ],
)
def test_plans(cpus: list[float], gpus: float, actors: int, plan: ActorPlan) -> None:
    assert plan_actors(cpus, gpus, actors) == plan


@given(st.lists(st.integers(1, 64), min_size=1, max_size=6), st.integers(0, 100))
def test_actors_fit_into_the_nodes_and_leave_a_cpu(cpus: list[int], actors: int) -> None:
    plan = plan_actors([float(count) for count in cpus], 0, actors)
    assert sum(count // plan.cpus for count in cpus) >= plan.actors >= 1
    assert plan.actors * plan.cpus < sum(cpus) or sum(cpus) == 1
