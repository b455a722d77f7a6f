from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numba
import numpy as np
import pytest

from dpr.sparse.compiled import compiled, read_only

PROGRAM = """
from dpr.sparse.compiled import compiled

@compiled
def double(number):
    return 2 * number

assert double(21) == 42
print(sum(double.stats.cache_hits.values()))
"""


def test_machine_code_is_kept_for_the_next_process(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": str(Path.cwd())}
    hits = [
        subprocess.run([sys.executable, program], env=environment, check=True, capture_output=True, text=True).stdout
        for _ in range(2)
    ]
    assert [int(count) for count in hits] == [0, 1]


def test_without_a_folder_to_write_it_compiles_all_the_same_and_tells_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    njit: Callable[..., Callable[..., object]] = numba.njit

    def refuse_to_cache(**options: bool) -> Callable[..., object]:
        if "cache" in options:
            raise RuntimeError("cannot cache function 'double': no locator available for file 'double.py'")
        return njit(**options)

    with monkeypatch.context() as patch:
        patch.setattr(numba, "njit", refuse_to_cache)
        functions = [compiled(double), compiled(triple)]
    assert [function(7) for function in functions] == [14, 21]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "set NUMBA_CACHE_DIR" in caplog.text


def double(number: int) -> int:
    return 2 * number


def triple(number: int) -> int:
    return 3 * number


def test_a_read_only_view_shares_the_memory_and_leaves_the_array_writeable() -> None:
    array = np.arange(3)
    view = read_only(array)
    assert np.shares_memory(view, array)
    assert array.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 7
