from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from dpr.models import openvino_cache as room
from dpr.models.openvino import _convert, import_openvino, is_available
from dpr.models.openvino_cache import default_folder, entry_name, load_graph, save_graph

# not importorskip, which would import the package with its telemetry
pytestmark = pytest.mark.skipif(not is_available(), reason="the extra openvino is not installed")


@pytest.fixture(scope="module")
def openvino() -> Any:
    return import_openvino()


@pytest.fixture(scope="module")
def graph(openvino: Any) -> Any:
    torch.manual_seed(0)
    return _convert(openvino, nn.Embedding(50, 8), {"input": torch.ones((2, 4), dtype=torch.long)})


def test_an_entry_is_the_graph_that_was_written(openvino: Any, graph: Any, tmp_path: Path) -> None:
    save_graph(openvino, graph, tmp_path / "folder" / "entry")
    found = load_graph(openvino, tmp_path / "folder" / "entry")
    assert found is not None
    assert [parameter.any_name for parameter in found.inputs] == ["input"]
    assert list((tmp_path / "folder").iterdir()) == [tmp_path / "folder" / "entry"]


def test_there_is_none_at_first(openvino: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert load_graph(openvino, tmp_path / "entry") is None
    assert not caplog.records


@pytest.mark.parametrize("name", ["model.xml", "model.bin", "checksums.json"])
@pytest.mark.parametrize("damage", ["removed", "cut", "changed"])
def test_a_damaged_entry_is_none_and_written_anew(
    openvino: Any, graph: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, damage: str
) -> None:
    entry = tmp_path / "entry"
    save_graph(openvino, graph, entry)
    file = entry / name
    whole = file.read_bytes()
    if damage == "removed":
        file.unlink()
    else:
        file.write_bytes(whole[:-9] if damage == "cut" else bytes([whole[0] ^ 1]) + whole[1:])
    assert load_graph(openvino, entry) is None
    assert "is damaged" in caplog.text
    save_graph(openvino, graph, entry)
    assert load_graph(openvino, entry) is not None


def test_a_folder_that_cannot_be_written_is_a_line_in_the_log(
    openvino: Any, graph: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    with caplog.at_level(logging.WARNING):
        save_graph(openvino, graph, tmp_path / "file" / "entry")
    assert "converted at each start; set DPR_OPENVINO_CACHE to a writable folder" in caplog.text


def test_the_entries_of_longest_ago_are_removed(
    openvino: Any, graph: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "ENTRIES_KEPT", 2)
    for second, name in enumerate(("used again", "forgotten")):
        save_graph(openvino, graph, tmp_path / name)
        os.utime(tmp_path / name, (second, second))
    load_graph(openvino, tmp_path / "used again")
    save_graph(openvino, graph, tmp_path / "new")
    assert {path.name for path in tmp_path.iterdir()} == {"used again", "new"}


def test_a_name_depends_on_every_part() -> None:
    assert entry_name("a", "b") == entry_name("a", "b")
    assert len({entry_name("a", "b"), entry_name("ab"), entry_name("b", "a"), entry_name("a", "b", "")}) == 4


def test_the_folder_is_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DPR_OPENVINO_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_folder() == tmp_path / ".cache" / "dpr" / "openvino"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    assert default_folder() == tmp_path / "caches" / "dpr" / "openvino"
    monkeypatch.setenv("DPR_OPENVINO_CACHE", str(tmp_path / "chosen"))
    assert default_folder() == tmp_path / "chosen"
