"""What measurements have in common: the machine, environments of other systems, how figures are told and written."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import psutil


def describe_machine(packages: Sequence[str]) -> dict[str, Any]:
    """Return the CPU, memory, load and system of this machine, and the versions of Python and of packages."""
    cpu_lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    models = [line.partition(":")[2].strip() for line in cpu_lines if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.platform(),
        "load_average": os.getloadavg(),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
    }


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return the median, the least and the greatest of repeated measurements."""
    return {"median": float(np.median(values)), "low": float(min(values)), "high": float(max(values))}


def shown(value: Mapping[str, float]) -> str:
    """Return a `spread` as tables have it."""
    return f"{value['median']:,.2f} ({value['low']:,.2f} to {value['high']:,.2f})"


def write_report(path: Path, report: Mapping[str, Any]) -> None:
    """Write what was measured as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def make_environment(folder: Path, packages: Sequence[str]) -> Path:
    """Return the Python of an environment with packages and this one's torch, made where it is not there yet."""
    python, done = folder / "bin" / "python", folder / ".installed"
    if not done.is_file():
        print(f"making {folder} …", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        # torch first and alone: left to the resolver, a dependency could pull another build
        subprocess.run([*install, f"torch=={version('torch').partition('+')[0]}"], check=True)
        subprocess.run([*install, *packages], check=True)
        done.touch()
    return python
