from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from safetensors import SafetensorError

from dpr.durable import make_folder, rename, replacing, sync_tree, write_atomically
from dpr.errors import DiskFullError


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The durable steps, in order: the inode synced or the names renamed."""
    made: list[str] = []
    replace, fsync = os.replace, os.fsync

    def record_replace(source: Path, target: Path) -> None:
        made.append(f"replace {target.name}")
        replace(source, target)

    def record_fsync(descriptor: int) -> None:
        made.append(f"sync {Path(f'/proc/self/fd/{descriptor}').readlink().name}")
        fsync(descriptor)

    monkeypatch.setattr(os, "replace", record_replace)
    monkeypatch.setattr(os, "fsync", record_fsync)
    return made


def test_data_is_durable_before_its_name_and_the_name_before_the_return(tmp_path: Path, calls: list[str]) -> None:
    write_atomically(tmp_path / "CURRENT", "000001\n")
    assert (tmp_path / "CURRENT").read_text() == "000001\n"
    assert calls == ["sync .building-CURRENT", "replace CURRENT", f"sync {tmp_path.name}"]
    assert [path.name for path in tmp_path.iterdir()] == ["CURRENT"]


def test_rename_waits_for_the_folder(tmp_path: Path, calls: list[str]) -> None:
    (tmp_path / "draft").mkdir()
    rename(tmp_path / "draft", tmp_path / "final")
    assert calls == ["replace final", f"sync {tmp_path.name}"]


def test_a_tree_is_synced_whole(tmp_path: Path, calls: list[str]) -> None:
    (tmp_path / "counts").mkdir()
    (tmp_path / "counts" / "rows.npy").touch()
    (tmp_path / "vectors.npy").touch()
    sync_tree(tmp_path)
    assert sorted(calls[:-1]) == ["sync counts", "sync rows.npy", "sync vectors.npy"]
    assert calls[-1] == f"sync {tmp_path.name}"


def test_new_folders_are_durable_in_the_ones_above(tmp_path: Path, calls: list[str]) -> None:
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    assert calls == [f"sync {tmp_path.name}", "sync a"]


def test_the_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    with replacing(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_an_error_keeps_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError), replacing(path) as temporary:
        temporary.write_text("half\ud800", encoding="utf-8")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def write_half(path: Path, error: Exception) -> None:
    path.write_text("half")
    raise error


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_is_one_sentence_and_leaves_the_file_as_it_was(tmp_path: Path, error: Exception) -> None:
    path = tmp_path / "report.json"
    write_atomically(path, "before")
    sentence = rf"there is no space left on the disk of {path}; free some and run the same command again"
    with pytest.raises(DiskFullError, match=sentence), replacing(path) as unfinished:
        write_half(unfinished, error)
    assert path.read_text(encoding="utf-8") == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_another_error_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), replacing(tmp_path / "file"):
        raise PermissionError(errno.EACCES, "Permission denied")
