"""Compilation of the hot loops; the machine code is cached on disk where possible."""

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

    The machine code is cached in NUMBA_CACHE_DIR, else in the ``__pycache__`` beside the source, else in the user's
    cache folder, so that the next process starts in milliseconds. Where none of them can be written (a container
    with a read-only file system), each process compiles again, which takes seconds.

    Numba checks only a function's own source file for changes. So a compiled function calls only compiled functions of
    the same file.
    """
    try:
        return cast("Function", numba.njit(nogil=True, cache=True)(function))
    except RuntimeError:
        _warn_once()
        return cast("Function", numba.njit(nogil=True)(function))


def read_only(array: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
    """View an array as read-only: mapped and owned arrays become one type to Numba, which compiles once for both."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view


@cache
def _warn_once() -> None:
    logger.warning("Numba has no writable folder to cache machine code in; set NUMBA_CACHE_DIR to start faster")
