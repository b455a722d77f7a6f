"""Compilation of the hot loops, with the machine code kept on disk wherever that is possible."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from typing import TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

logger = logging.getLogger(__name__)

Function = TypeVar("Function", bound=Callable[..., object])
Scalar = TypeVar("Scalar", bound=np.generic)


def compiled(function: Function) -> Function:
    """Compile a function with Numba when it is first called; it runs without the interpreter lock.

    The machine code is kept in NUMBA_CACHE_DIR, else in the ``__pycache__`` beside the source, else in the user's
    cache folder, so that the next process starts in milliseconds. Where none of them can be written (a container
    with a read-only file system), each process compiles anew, which takes seconds.

    Numba sees that a cached function is stale by its own source file only: a compiled function calls other compiled
    functions of its own file, never of another one.
    """
    try:
        return cast("Function", numba.njit(nogil=True, cache=True)(function))
    except RuntimeError:
        _tell_once()
        return cast("Function", numba.njit(nogil=True)(function))


def read_only(array: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
    """View an array as read-only: mapped and owned arrays become one type to Numba, which compiles once for both."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view


@cache
def _tell_once() -> None:
    logger.warning("Numba finds no writable folder to keep machine code in; set NUMBA_CACHE_DIR to start faster")
