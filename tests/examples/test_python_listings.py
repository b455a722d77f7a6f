"""The listings of docs/python.md and the cells of the notebook run as they stand, with the bundled models."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import dpr
from dpr.config import DEFAULT_ENCODER, DEFAULT_READER
from dpr.integrations import __path__ as INTEGRATIONS
from dpr.models import encoders
from dpr.reader.extractive import reader as readers

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
NOTEBOOK = json.loads((ROOT / "examples" / "python.ipynb").read_text(encoding="utf-8"))


@cache
def encoder_once(name: str) -> encoders.DualEncoder:
    return encoders.load_encoder(name, "fp32", "torch")


@cache
def reader_once(name: Path) -> readers.ExtractiveReader:
    return readers.load_reader(name, "fp32", backend="torch")


@pytest.fixture(autouse=True)
def each_model_is_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Load the models before their loaders are replaced, and with torch, which compiles nothing."""
    encoder, reader = encoder_once(DEFAULT_ENCODER), reader_once(DEFAULT_READER)
    monkeypatch.setattr(dpr, "load_encoder", lambda *_, **__: encoder)
    monkeypatch.setattr(encoders, "load_encoder", lambda *_, **__: encoder)
    monkeypatch.setattr(readers, "load_reader", lambda *_, **__: reader)


def run(listings: list[str], names: dict[str, Any]) -> None:
    """Run listings one after the other, each seeing what the ones before it made."""
    for number, listing in enumerate(listings, start=1):
        exec(compile(listing, f"<listing {number}>", "exec"), names)  # noqa: S102 - our own pages


def test_the_listings_of_the_page_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    run(re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL), names)
    shown = capsys.readouterr().out
    assert "the passages, row 2: the field 'text' is missing" in shown
    assert names["answered"].answers[0].text == "IBM"
    assert [result.answers[0].text for result in names["many"]] == ["King Sejong", "백록담"]
    assert names["hits"][0].passage_id == "halla"
    assert names["explanation"].rank == 1
    assert names["changed"].generation == "000004"
    assert names["evaluation"].retrieval["recall@1"] == 1.0


def test_the_notebook_runs_and_holds_no_outputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    cells = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
    assert (NOTEBOOK["nbformat"], NOTEBOOK["nbformat_minor"]) == (4, 5)
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells)
    assert len({cell["id"] for cell in NOTEBOOK["cells"]}) == len(NOTEBOOK["cells"])
    names: dict[str, Any] = {}
    run(["".join(cell["source"]) for cell in cells], names)
    assert names["manifest"].passages == 3
    assert re.search(r"^1 hangul ", capsys.readouterr().out, re.MULTILINE)


def test_the_page_names_every_public_name_and_every_adapter() -> None:
    results = {"QA", "Answer", "Answered", "Hit", "Reading", "Evaluation", "__version__"}
    readers_of_data = {"read_examples", "read_passages"}
    for name in set(dpr.__all__) - results - readers_of_data:
        assert re.search(rf"\b{name}\b", PAGE), f"docs/python.md does not name {name}"
    adapters = {path.stem for path in Path(next(iter(INTEGRATIONS))).glob("*.py")} - {"__init__", "metadata"}
    for adapter in adapters:
        assert f"dpr.integrations.{adapter}." in PAGE
