from __future__ import annotations

from pathlib import Path

import pytest

from dpr.store.journal import Journal


def test_what_was_finished_is_known_to_the_next_process(tmp_path: Path) -> None:
    journal = Journal.start(tmp_path / "journal", "build 1", 3)
    journal.finish("corpus", {"passages": 7, "title": "제목"})
    journal.finish("terms")
    again = Journal.read(tmp_path / "journal")
    assert again is not None
    assert (again.build, again.generation, len(again)) == ("build 1", 3, 2)
    assert again["corpus"] == {"passages": 7, "title": "제목"}
    assert "terms" in again
    assert "encode" not in again


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_line_that_a_crash_cut_off_was_not_finished(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "journal"
    journal = Journal.start(path, "build 1", 1)
    journal.finish("corpus")
    journal.finish("terms")
    path.write_bytes(path.read_bytes()[:-cut])
    again = Journal.read(path)
    assert again is not None
    assert "corpus" in again
    assert "terms" not in again
    again.finish("terms", 2)
    last = Journal.read(path)
    assert last is not None
    assert last["terms"] == 2


@pytest.mark.parametrize("content", ["", "{}\n", "no journal\n", '{"build": "1", "generation": 1}\n[]\n', '{"build"'])
def test_what_is_no_journal_is_none(tmp_path: Path, content: str) -> None:
    path = tmp_path / "journal"
    path.write_text(content, encoding="utf-8")
    assert Journal.read(path) is None


def test_there_is_none_at_first_and_none_after_it_was_removed(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    assert Journal.read(path) is None
    Journal.start(path, "build 1", 1).remove()
    assert Journal.read(path) is None


def test_starting_again_forgets_what_stood_there(tmp_path: Path) -> None:
    Journal.start(tmp_path / "journal", "build 1", 1).finish("corpus")
    assert len(Journal.start(tmp_path / "journal", "build 2", 1)) == 0
