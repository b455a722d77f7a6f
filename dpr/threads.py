"""How many threads compute: one budget for all libraries that have pools of their own.

OpenMP (torch, FAISS), the tokenizers, numba and OpenVINO each make as many threads as there are cores. They compute one
after the other for a request, so each may have the whole budget.
"""

from __future__ import annotations

import os

VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "RAYON_NUM_THREADS",
)
"""What the libraries read when they are loaded; the first one is read here, too."""


def use_threads(threads: int) -> None:
    """Set the budget; call it before a library that computes is loaded."""
    os.environ.update(dict.fromkeys(VARIABLES, str(threads)))


def thread_budget() -> int:
    """Return how many threads compute: as ``OMP_NUM_THREADS`` says, else one for each core of this process."""
    value = os.environ.get(VARIABLES[0], "")
    return int(value) if value.isdecimal() and int(value) else len(os.sched_getaffinity(0))
