"""Charts: what to install, and nothing loaded before it is needed."""

from __future__ import annotations

import sys

import pytest

from dpr.benchmark.charts import require_charts
from dpr.errors import MissingDependencyError


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dpr.benchmark.charts.find_spec", lambda _package: None)
    with pytest.raises(MissingDependencyError, match=r"pip install .*\[report\]"):
        require_charts()


def test_the_room_is_imported_without_matplotlib() -> None:
    import subprocess

    heavy = "{'matplotlib', 'torch', 'vl_convert', 'jinja2'}"
    code = f"import dpr.benchmark.retrieval, sys; sys.exit(bool({heavy} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
