"""Run pieces through a pool of actors with Ray Data."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from dpr.errors import DPRError, ModelError, ServerError
from index_builder.on_ray.cluster import ActorPlan, RayOptions, plan_actors, ray_cluster, resources
from index_builder.on_ray.work import PieceWorker, Work

logger = logging.getLogger(__name__)

Row = Mapping[str, Any]
"""What a worker returns of a piece: its position, and what went wrong."""


def run_pieces(pieces: Mapping[int, str], work: Work, location: str, options: RayOptions) -> Iterator[int]:
    """Work on pieces in the storage at ``location``; yield the position of each when its result is there.

    ``pieces`` are the names of pieces by their positions. Ray restarts actors that die and runs their tasks again, on
    other nodes where a node is lost.

    Raises:
        ModelError: a worker cannot load its model, or import this package.
        ServerError: the cluster cannot be reached, or no piece was finished for ``options.timeout_s``.
    """
    with ray_cluster(options) as ray:
        plan = plan_actors(*resources(ray), options.actors)
        logger.info("%d pieces for %d actors of %d CPUs and %d GPUs", len(pieces), plan.actors, plan.cpus, plan.gpus)
        rows = _rows(pieces, (work, location), plan, options.timeout_s)
        while (row := _next(rows, plan, options)) is not None:
            if row["error"]:
                raise ModelError(row["error"])
            yield int(row["position"])


def _next(rows: Iterator[Row], plan: ActorPlan, options: RayOptions) -> Row | None:
    try:
        return next(rows, None)
    except Exception as error:  # Ray's own have no common class
        raise _sentence(error, plan, options) from error


def _rows(pieces: Mapping[int, str], arguments: tuple[Work, str], plan: ActorPlan, timeout_s: float) -> Iterator[Row]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Ray Data warns of the defaults of its own settings
        import ray.data

        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        context.execution_no_progress_timeout_s = timeout_s
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)
        items = [{"position": position, "name": name} for position, name in pieces.items()]
        dataset = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
            PieceWorker,
            fn_constructor_args=arguments,
            batch_size=1,  # a piece is a task, so that one is encoded as it is without Ray
            num_cpus=plan.cpus,
            num_gpus=plan.gpus or None,
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=plan.actors),
        )
    yield from dataset.iter_rows()


def _sentence(error: Exception, plan: ActorPlan, options: RayOptions) -> DPRError:
    """Return what went wrong in Ray as one sentence."""
    import ray.data.exceptions

    name = options.address or "on this machine"
    if isinstance(error, ray.data.exceptions.ExecutionTimeoutError):
        total, free = (f"{of().get('CPU', 0):g}" for of in (ray.cluster_resources, ray.available_resources))
        return ServerError(
            f"no piece was finished on Ray {name} for {options.timeout_s:g} s: {free} of its {total} CPUs are free, "
            f"and an actor needs {plan.cpus} ({plan.gpus} GPUs); add nodes, end other work, or give a longer "
            "--ray-timeout; the same command continues"
        )
    if absent := re.search(r"No module named '?([\w.]+)", str(error)):
        return ModelError(
            f"a worker of Ray {name} cannot import {absent[1]}; install on every node what is installed "
            "here, the extra ray included"
        )
    lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return ServerError(f"Ray {name} stopped the build ({lines[-1].strip()}); the same command continues")
