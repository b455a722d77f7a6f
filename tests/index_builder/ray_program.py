"""What `test_runners` runs in a process of its own: Ray leaves processes and warnings behind that are no test's."""

from __future__ import annotations

import sys
import types
from functools import partial
from pathlib import Path

import numpy as np

from dpr.errors import ModelError
from index_builder.on_ray.cluster import RayOptions, ray_cluster
from index_builder.on_ray.runner import RayRunner
from tests.fakes import WordAnalyzer
from tests.index_builder.runner_contract import MeasuringEncoder, check_count_runner, check_encode_runner
from tests.index_builder.runner_contract import stored_passages as stored


def encode(runner: RayRunner, folder: Path) -> str:
    """Check how passages are encoded, and that nothing is left in the storage."""
    check_encode_runner(runner.encode, MeasuringEncoder(), folder)
    assert not [path for path in (folder / "pieces").rglob("*") if path.is_file()]
    return ""


def count(runner: RayRunner, folder: Path) -> str:
    """Check how terms are counted."""
    check_count_runner(runner.count, folder)
    return ""


def absent(runner: RayRunner, folder: Path) -> str:
    """Return what is said of a worker that cannot import something."""
    only_here = types.ModuleType("only_here")
    only_here.__dict__["Loader"] = type("Loader", (partial,), {"__module__": "only_here"})
    sys.modules["only_here"] = only_here
    loader = RayRunner(runner.options, only_here.Loader(MeasuringEncoder), WordAnalyzer)
    try:
        list(loader.encode(stored(folder), [np.arange(3)], MeasuringEncoder()))
    except ModelError as error:
        return f"{error}\n"
    return "every import was there"


if __name__ == "__main__":
    folder, *names = sys.argv[1:]
    with ray_cluster(RayOptions()):
        runner = RayRunner(RayOptions(storage=f"file://{folder}/pieces"), MeasuringEncoder, WordAnalyzer)
        checks = {"encode": encode, "count": count, "absent": absent}
        messages = [checks[name](runner, Path(folder)) for name in names]
    sys.stdout.write("".join(messages))
