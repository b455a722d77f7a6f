"""What a change did to the passages of an index."""

from __future__ import annotations

from pathlib import Path

import pytest

import dpr
from dpr.store.generation import read_current
from index_builder.changes import PassageChanges, passage_changes
from index_builder.summary import show, summary


def row(name: str, text: str) -> dict[str, str]:
    return {"id": name, "text": text}


def test_each_change_is_counted_in_passages(tmp_path: Path) -> None:
    index = tmp_path / "index"
    before = dpr.build_index([row("a", "one"), row("b", "two"), row("c", "three")], index, encoder=None)

    def changes() -> PassageChanges:
        return passage_changes(index, before, read_current(index))

    assert changes() == PassageChanges(added=0, replaced=0, removed=0, unchanged=3, total=3)

    after_add = dpr.add_passages([row("a", "one"), row("d", "four")], index)
    assert changes() == PassageChanges(added=1, replaced=0, removed=0, unchanged=3, total=4)

    dpr.add_passages([row("b", "twice"), row("e", "five")], index, replace=True)
    after_upsert = read_current(index)
    expected = PassageChanges(added=1, replaced=1, removed=0, unchanged=3, total=5)
    assert passage_changes(index, after_add, after_upsert) == expected

    dpr.delete_passages(["c", "e"], index)
    expected = PassageChanges(added=0, replaced=0, removed=2, unchanged=3, total=3)
    assert passage_changes(index, after_upsert, read_current(index)) == expected
    assert changes() == PassageChanges(added=1, replaced=1, removed=1, unchanged=1, total=3)


def test_a_count_of_one_has_no_plural(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "page.md"
    source.write_text("# One\n\nA page.", encoding="utf-8")
    dpr.build_index(source, tmp_path / "index", encoder=None)
    show(summary(read_current(tmp_path / "index")), as_json=False)
    assert "1 passage, 1 document " in capsys.readouterr().out
