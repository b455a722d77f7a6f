from __future__ import annotations

from pathlib import Path

import pytest

from dpr.store.layout import IndexLayout, generation_name, is_generation_name, is_segment_name


@pytest.mark.parametrize(("number", "name"), [(1, "000001"), (999_999, "999999"), (1_000_000, "1000000")])
def test_generation_names(number: int, name: str) -> None:
    assert generation_name(number) == name
    assert is_generation_name(name)


@pytest.mark.parametrize("name", ["", "1", "00001", "latest", ".building-000001", "000001-5f0c9a1e", "../000001"])
def test_what_is_no_generation_name(name: str) -> None:
    assert not is_generation_name(name)


@pytest.mark.parametrize("name", ["notes", "000001", ".building-000001-5f0c9a1e", "000001-5f0c9a1", "000001-5F0C9A1E"])
def test_what_is_no_segment_name(name: str) -> None:
    assert is_segment_name("000001-5f0c9a1e")
    assert not is_segment_name(name)


def test_published_numbers_are_those_with_a_manifest(tmp_path: Path) -> None:
    layout = IndexLayout(tmp_path)
    assert layout.published_numbers() == []
    layout.generations.mkdir()
    for name in ("000010.json", "000002.json", "notes.json", ".building-000011.json"):
        (layout.generations / name).touch()
    (layout.generations / "000012").mkdir()
    assert layout.published_numbers() == [2, 10]
