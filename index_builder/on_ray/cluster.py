"""Reach a Ray cluster, or start one on this machine, and plan the actors that it has room for."""

from __future__ import annotations

import io
import logging
import math
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from typing import Any

from dpr.errors import ConfigError, MissingDependencyError, ServerError

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 10.0

_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"}
_ALONE = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # Ray's own switch for a cluster that listens on 127.0.0.1 alone
    "RAY_worker_niceness": "0",
    "RAY_enable_metrics_collection": "0",
}
RUNNER_NAMES = ("local", "ray")

_OBJECT_STORE_BYTES = 128 << 20  # passages and vectors go through files: only names of pieces are objects


@dataclass(frozen=True, slots=True)
class RayOptions:
    """Where and how a build runs on Ray.

    Attributes:
        address: ``HOST:PORT`` of the head of a cluster; empty: Ray is started on this machine, for this build alone.
        storage: the folder or URI that all nodes share; empty: a folder in the index.
        actors: how many workers there are; 0: one for each GPU, or for each CPU but one.
        timeout_s: how many seconds no piece may be finished before the build gives up.

    Raises:
        ConfigError: the address has another form.
    """

    address: str = ""
    storage: str = ""
    actors: int = 0
    timeout_s: float = 1800.0

    def __post_init__(self) -> None:
        host, _, port = self.address.rpartition(":")
        if self.address and not (host and port.isdecimal() and "/" not in host):
            raise ConfigError(
                f"the address {self.address!r} of Ray is not HOST:PORT; give that of the head, such as 10.0.0.1:6379, "
                "on a machine of the cluster"
            )


def parse_runner(
    name: str, address: str | None, storage: str | None, actors: int | None, timeout_s: float | None
) -> RayOptions | None:
    """Return how a build runs on Ray; None: it runs in this process.

    Raises:
        ConfigError: there is no runner of that name, or options of Ray are set for another one.
    """
    if name not in RUNNER_NAMES:
        raise ConfigError(f"unknown runner {name!r}; choose {' or '.join(RUNNER_NAMES)}")
    values: dict[str, Any] = {"address": address, "storage": storage, "actors": actors, "timeout_s": timeout_s}
    ray_values = {key: value for key, value in values.items() if value is not None}
    if name == "ray":
        return replace(RayOptions(), **ray_values)
    if ray_values:
        raise ConfigError("an option of Ray is set, but --runner is local; give --runner ray, or leave it out")
    return None


@dataclass(frozen=True, slots=True)
class ActorPlan:
    """How many actors there are, and the CPUs and GPUs of each."""

    actors: int
    cpus: int
    gpus: int


@contextmanager
def ray_cluster(options: RayOptions) -> Iterator[Any]:
    """Connect this process to a cluster; yield the module ``ray``. A connection of the caller's own is used as it is.

    Ray prints the tracebacks of failed tasks to stdout, which has the summary of a build; they go to the log meanwhile.

    Raises:
        MissingDependencyError: Ray is not installed.
        ServerError: the cluster cannot be reached, or does not take this process.
    """
    ray = _import_ray({} if options.address else _ALONE)
    if ray.is_initialized():
        yield ray
        return
    if options.address:
        _knock(options.address)
    where: dict[str, Any] = (
        {"address": options.address}
        if options.address
        else {"address": "local", "include_dashboard": False, "object_store_memory": _OBJECT_STORE_BYTES}
    )
    with redirect_stdout(_DebugLog()):
        try:
            ray.init(**where, logging_level=logging.ERROR, log_to_driver=False)
        except (OSError, RuntimeError, ValueError, TimeoutError) as error:
            name = options.address or "on this machine"
            cause = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ServerError(
                f"Ray {name} does not take this process ({cause}); run the command on a node of the cluster, with the "
                "same versions of Python and Ray"
            ) from error
        try:
            yield ray
        finally:
            ray.shutdown()


class _DebugLog(io.TextIOBase):
    """A stream that writes each text to the log."""

    def write(self, text: str) -> int:
        if text.strip():
            logger.debug("Ray: %s", text.rstrip())
        return len(text)


def plan_actors(cpus: Sequence[float], gpus: float, actors: int = 0) -> ActorPlan:
    """Plan the actors for nodes of these CPUs, and so many GPUs in all.

    One CPU stays free: Ray runs work of its own beside the actors, and a pool that takes every CPU waits for ever,
    without a word. Actors share the other CPUs evenly, so far as they fit into the nodes.
    """
    if gpus >= 1:
        return ActorPlan(min(actors, int(gpus)) if actors else int(gpus), 1, 1)
    free = max(1, math.floor(sum(cpus)) - 1)
    count = min(actors, free) if actors else free
    largest = max(1, free // count)
    fits = (size for size in range(largest, 0, -1) if sum(int(node // size) for node in cpus) >= count)
    return ActorPlan(count, next(fits, 1), 0)


def resources(ray: Any) -> tuple[list[float], float]:
    """Return the CPUs of each node that is alive, and the number of GPUs of all."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return [node.get("CPU", 0.0) for node in nodes], sum(node.get("GPU", 0.0) for node in nodes)


def _import_ray(environment: dict[str, str]) -> Any:
    for name, value in (_QUIET | environment).items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError:
        raise MissingDependencyError.extra("ray", "ray") from None  # noqa: S610  not Django's
    return ray


def _knock(address: str) -> None:
    """Refuse an address where nobody listens, which Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), CONNECT_TIMEOUT_S).close()
    except (OSError, OverflowError) as error:
        raise ServerError(
            f"no Ray cluster can be reached at {address} ({error}); start its head with: ray start --head"
        ) from None
