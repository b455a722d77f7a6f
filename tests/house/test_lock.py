"""requirements.lock: one pin for each package, with the hashes of its files, and a check of what an image installs."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PROGRAM = ROOT / "deploy" / "check_hashes.py"


@pytest.fixture(scope="module")
def check_hashes() -> ModuleType:
    specification = importlib.util.spec_from_file_location("check_hashes", PROGRAM)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_every_pin_but_torch_has_hashes(check_hashes: ModuleType) -> None:
    hashes = check_hashes.hashes_of(LOCK)
    assert [name for name, files in hashes.items() if not files] == ["torch"], "run: make hashes"
    pins = re.findall(r"^[^#\s].*?==", LOCK, re.MULTILINE)
    assert len(pins) == len(hashes)
    entries = [line for line in LOCK.splitlines() if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==\S+( \\)?|    --hash=sha256:[0-9a-f]{64}( \\)?", line) for line in entries)


def test_what_the_project_needs_is_pinned(check_hashes: ModuleType) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    own = check_hashes.normalized(project["name"])
    every = [*project["dependencies"], *chain.from_iterable(project["optional-dependencies"].values())]
    names = {check_hashes.normalized(re.split(r"[\[<>=!~ ]", requirement)[0]) for requirement in every}
    assert names - {own} <= set(check_hashes.hashes_of(LOCK))


def test_the_pins_of_the_service_are_those_installed(check_hashes: ModuleType) -> None:
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)", LOCK, re.MULTILINE))
    for name in ("fastapi", "uvicorn", "prometheus-client", "opentelemetry-sdk"):
        [pin] = [version for pinned, version in pins.items() if check_hashes.normalized(pinned) == name]
        assert distribution(name).version == pin


def report(name: str, sha256: str | None) -> dict[str, Any]:
    archive = {"archive_info": {"hashes": {"sha256": sha256}}} if sha256 else {"dir_info": {}}
    return {"install": [{"metadata": {"name": name}, "download_info": archive}]}


@pytest.mark.parametrize(
    ("name", "sha256", "is_refused"),
    [
        ("Some.Package", "a" * 64, False),
        ("some_package", "b" * 64, False),
        ("some-package", "c" * 64, True),
        ("some-package", None, True),
        ("unknown", "a" * 64, True),
        ("torch", "c" * 64, False),
        ("nvidia-cublas-cu12", "c" * 64, False),
        ("torchvision", "c" * 64, True),
    ],
)
def test_a_file_without_its_hash_in_the_lock_stops_the_image(
    tmp_path: Path, name: str, sha256: str | None, is_refused: bool
) -> None:
    lock, installed = tmp_path / "lock", tmp_path / "report.json"
    hashes = f" \\\n    --hash=sha256:{'a' * 64} \\\n    --hash=sha256:{'b' * 64}"
    lock.write_text(
        f"# head\nother==1 \\\n    --hash=sha256:{'c' * 64}\nsome-package==1.0{hashes}\ntorch==2\n", "utf-8"
    )
    installed.write_text(json.dumps(report(name, sha256)), encoding="utf-8")
    run = subprocess.run(
        [sys.executable, str(PROGRAM), str(lock), str(installed)], capture_output=True, text=True, check=False
    )
    assert (run.returncode == 1) is is_refused, run.stderr
    assert not is_refused or "make hashes" in run.stderr
