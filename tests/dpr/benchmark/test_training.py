"""Questions that a model was trained on are found by the hashes of its training record."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dpr.benchmark.training import read_record, recorded_sources, trained_on
from dpr.data.source_hash import source_hash
from dpr.errors import DataError
from dpr.types import Example, Passage, Question


def example(number: int) -> Example:
    return Example(Question(f"q{number}", f"question {number}"), (Passage(f"p{number}", f"text {number}"),))


ALL = [example(number) for number in range(6)]
FILES = {"squad:data/set.json": ALL, "squad:data/set.json@:4": ALL[:4], "squad:data/set.json@4:": ALL[4:]}


def read(source: str) -> list[Example]:
    if source not in FILES:
        raise DataError(f"{source} selects nothing")
    return FILES[source]


def record(**sources: tuple[str, int]) -> dict[str, object]:
    return {"sources": {name: {"sha256": sha256, "questions": count} for name, (sha256, count) in sources.items()}}


@pytest.mark.parametrize(
    ("trained", "measured", "expected"),
    [
        ("squad:elsewhere/set.json@:4", "squad:data/set.json", {"q0", "q1", "q2", "q3"}),
        ("squad:elsewhere/set.json@:4", "squad:data/set.json@4:", set()),
        ("squad:elsewhere/renamed.json", "squad:data/set.json@4:", {"q4", "q5"}),
    ],
)
def test_a_range_of_articles_is_known_by_its_hash(trained: str, measured: str, expected: set[str]) -> None:
    articles = "@:4" if trained.endswith("@:4") else ""
    sha256 = source_hash(FILES[f"squad:data/set.json{articles}"])
    result = trained_on(record(**{trained: (sha256, 4)}), measured, FILES[measured], read)
    assert result.questions == expected
    assert bool(result.warnings) == bool(expected)


def test_mined_questions_of_the_same_data_set_are_a_warning() -> None:
    [warning] = trained_on(record(**{"dpr:squad.json": ("0" * 64, 11_089)}), "squad:data/set.json", ALL, read).warnings
    assert "may have been trained on some of these questions" in warning.english
    assert "dpr:squad.json (11,089 questions)" in warning.english
    assert "dpr:squad.json (질문 11,089개)" in warning.korean


@pytest.mark.parametrize("name", ["dpr:docs.json", "squad:other.json@:4", "pairs:sentences.jsonl"])
def test_other_data_sets_are_no_warning(name: str) -> None:
    assert trained_on(record(**{name: ("0" * 64, 5)}), "squad:data/set.json", ALL, read).warnings == ()


def test_records_of_averaged_models_are_read_too() -> None:
    averaged = {"average": {"first": {"training": record(a=("1", 1))}, "second": {"training": record(b=("2", 2))}}}
    assert {entry["name"] for entry in recorded_sources(averaged).values()} == {"a", "b"}


@pytest.mark.parametrize("write", [None, lambda path: path.write_text("{"), lambda path: path.write_text("[1]")])
def test_no_record_or_a_broken_one_knows_nothing(tmp_path: Path, write: Callable[[Path], object] | None) -> None:
    if write:
        write(tmp_path / "training.json")
    assert read_record(tmp_path) == {}
    assert trained_on({}, "squad:data/set.json", ALL, read).questions == frozenset()


def test_a_record_comes_back(tmp_path: Path) -> None:
    (tmp_path / "training.json").write_text(json.dumps(record(a=("1", 1))))
    assert read_record(tmp_path) == record(a=("1", 1))
