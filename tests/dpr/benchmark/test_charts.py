"""The recall picture: a PNG file, or the sentence that says what to install."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from dpr.benchmark.charts import draw_recall, require_charts
from dpr.errors import MissingDependencyError


def test_draws_a_png_of_readable_size(tmp_path: Path) -> None:
    path = tmp_path / "out" / "recall.png"
    curves = {name: np.linspace(low, 1.0, 100) for name, low in (("bm25", 0.79), ("dense", 0.62), ("hybrid", 0.82))}
    draw_recall(path, curves, [20, 1, 5, 100, 5], "10,570 questions, 2,067 passages")
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", data[16:24])
    assert (width, height) == (1050, 675)
    assert list(path.parent.iterdir()) == [path]


def test_one_passage_deep_is_still_a_picture(tmp_path: Path) -> None:
    draw_recall(tmp_path / "recall.png", {"bm25": np.array([0.5])}, [1], "1 question")
    assert (tmp_path / "recall.png").stat().st_size > 1000


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("dpr.benchmark.charts.find_spec", lambda _package: None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'dense-passage-retrieval\[report\]'"):
        require_charts()
    with pytest.raises(MissingDependencyError):
        draw_recall(tmp_path / "recall.png", {}, [1], "")


def test_the_room_is_imported_without_matplotlib() -> None:
    import subprocess

    code = "import dpr.benchmark.retrieval, sys; sys.exit('matplotlib' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
