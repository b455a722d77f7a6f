"""An output that cannot be written is refused first: nothing else that the commands name exists here."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dpr.cli import app
from dpr.cli.options import show
from dpr.errors import ConfigError

FILES = ["mine --index ix --questions squad:q.json", "tune --index ix --questions squad:q.json", "cloze --text t.txt"]
FOLDERS = [
    "benchmark --index ix --questions squad:q.json",
    "evaluate --index ix --questions squad:q.json",
    "evaluate-reader --data squad:q.json",
    "inspect --encoder absent --questions squad:q.json",
]


@pytest.mark.parametrize(
    ("command", "output", "cause"),
    [(command, "folder", "is a folder; choose a file") for command in FILES]
    + [(command, "file", "is a file; choose a folder") for command in FOLDERS]
    + [(command, "file/below/it", "because .* is a file; choose another") for command in (*FILES, *FOLDERS)],
)
def test_an_output_that_cannot_be_written_is_refused_first(
    command: str, output: str, cause: str, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    result = CliRunner().invoke(app, [*shlex.split(command), "--output", str(tmp_path / output)])
    assert isinstance(result.exception, ConfigError)
    with pytest.raises(ConfigError, match=cause):
        raise result.exception


def test_a_table_holds_no_python(capsys: pytest.CaptureFixture[str]) -> None:
    training = {"seed": 13, "hard": None, "rates": [0.1, 2000], "sources": {"squad:a.json": {"questions": 12345}}}
    show({"training": training, "is_tied": True, "nothing": {}}, as_json=False)
    printed = capsys.readouterr().out
    assert not set("{}'[]") & set(printed)
    assert "training: sources: squad:a.json: questions" in printed
    for shown in ("12,345", "0.1, 2,000", "none", "yes"):
        assert shown in printed
