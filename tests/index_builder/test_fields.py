"""The fields of passages in an index: typed at the build, kept by every change, returned with passages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from dpr.data.intake import ReadRules
from dpr.errors import ConfigError, DataError, IndexFormatError
from dpr.metadata import MetadataValue
from dpr.search.open import open_index
from dpr.store.layout import IndexLayout
from dpr.store.manifest import Manifest, signed
from dpr.types import Passage
from index_builder.build import BuildOptions, build
from index_builder.from_python import IndexOptions, add_passages, build_index
from index_builder.update import AddOptions, add, compact, delete
from index_builder.verify import verify_index
from tests.fakes import WordAnalyzer
from tests.small_index import content

ANALYZER = WordAnalyzer()
ROWS: list[dict[str, object]] = [
    {"id": "a", "text": "one", "category": "인사", "year": 2023, "score": 1, "day": "2024-01-31", "tags": ["x", "y"]},
    {"id": "b", "text": "two", "category": "총무", "year": 2024, "score": 0.5, "open": True},
    {"id": "c", "text": "three", "day": "2023-12-01", "at": "2024-01-31T12:00:00+09:00"},
]
TYPES = {
    "at": "datetime",
    "category": "string",
    "day": "date",
    "open": "boolean",
    "score": "number",
    "tags": "strings",
    "year": "integer",
}


def rows_file(path: Path, rows: list[dict[str, object]]) -> str:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def built(root: Path, rows: list[dict[str, object]] = ROWS, fields: Mapping[str, str] | None = None) -> Manifest:
    source = rows_file(root.with_suffix(".jsonl"), rows)
    rules = ReadRules(fields=fields or {})
    return build(BuildOptions(sources=(source,), output=root, rules=rules), None, ANALYZER)


def added(root: Path, rows: list[dict[str, object]]) -> Manifest:
    return add(AddOptions(sources=(rows_file(root.with_name("more.jsonl"), rows),), index=root), None, ANALYZER)


def fields_of(root: Path) -> dict[str, dict[str, object]]:
    return {passage.id: dict(passage.metadata) for passage in open_index(root, analyzer=ANALYZER).passages}


def test_types_are_inferred_and_values_come_back_typed(tmp_path: Path) -> None:
    manifest = built(tmp_path / "index")
    assert manifest.fields == TYPES
    passages = open_index(tmp_path / "index", analyzer=ANALYZER).passages
    expected = {"category": "인사", "year": 2023, "score": 1.0, "day": date(2024, 1, 31), "tags": ["x", "y"]}
    assert passages[0].metadata == expected
    assert passages[2].metadata == {"day": date(2023, 12, 1), "at": datetime(2024, 1, 31, 3, tzinfo=UTC)}
    assert list(passages) == [passages[row] for row in range(3)]
    assert verify_index(tmp_path / "index", ANALYZER).checks["fields"] == ", ".join(
        f"{name} ({type_name})" for name, type_name in TYPES.items()
    )


def test_cells_of_a_table_get_the_type_that_all_of_them_have(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    lines = ["text,year,price,zip,day,paid,note", "x,2023,1,01234,2024-01-31,true,3", "y,2024,2.5,56789,,FALSE,none"]
    path.write_text("\n".join(lines), encoding="utf-8")
    manifest = build(BuildOptions(sources=(str(path),), output=tmp_path / "index"), None, ANALYZER)
    assert manifest.fields == {
        "day": "date",
        "note": "string",
        "paid": "boolean",
        "price": "number",
        "year": "integer",
        "zip": "string",
    }
    assert [dict(passage.metadata) for passage in open_index(tmp_path / "index").passages] == [
        {"day": date(2024, 1, 31), "note": "3", "paid": True, "price": 1.0, "year": 2023, "zip": "01234"},
        {"note": "none", "paid": False, "price": 2.5, "year": 2024, "zip": "56789"},
    ]


def test_no_digit_of_an_integer_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    lines = ["text,tweet,huge,far", f"x,1234567890123456789,12345678901234567890,{'9' * 400}", "y,1,2,3"]
    path.write_text("\n".join(lines), encoding="utf-8")
    manifest = build(BuildOptions(sources=(str(path),), output=tmp_path / "index"), None, ANALYZER)
    assert manifest.fields == {"tweet": "integer", "huge": "string", "far": "string"}
    [passage, _] = open_index(tmp_path / "index").passages
    assert passage.metadata["tweet"] == 1234567890123456789
    rows: list[dict[str, object]] = [{"text": "a", "n": 1}, {"text": "b", "n": 2**53 + 1}, {"text": "c", "n": 1.5}]
    with pytest.raises(DataError, match=r"line 3: the field 'n' is 1.5, but .*line 2 has 9007199254740993"):
        built(tmp_path / "mixed", rows)


def test_rows_from_python_that_cannot_be_kept_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    row: dict[Any, object] = {"text": "one", "place": {"floor": 3}}
    build_index([row], tmp_path / "index", encoder=None)
    assert "left out the field 'place' of 1 row: its value is an object" in caplog.text
    for bad in ({"text": "a\ud800"}, {"text": "a", "note": "\ud800"}, {"text": "a", "\ud800": 1}):
        with pytest.raises(DataError, match="the passages, row 1: has half of a surrogate pair"):
            build_index([bad], tmp_path / "bad", encoder=None)
    with pytest.raises(DataError, match="has the field 5, whose name is a whole number"):
        build_index([{"text": "a", 5: "x"}], tmp_path / "bad", encoder=None)  # type: ignore[arg-type]


def test_two_types_in_one_field_are_refused_with_both_places(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"text": "one", "year": 2023}, {"text": "two", "year": "unknown"}]
    with pytest.raises(
        DataError,
        match=r'jsonl, line 2: the field \'year\' is "unknown", but .*jsonl, line 1 has 2023; write values of',
    ):
        built(tmp_path / "index", rows)
    built(tmp_path / "index", rows, {"year": "string"})
    assert [fields["year"] for fields in fields_of(tmp_path / "index").values()] == ["2023", "unknown"]


def test_a_declared_type_reads_other_ways_to_write_a_value(tmp_path: Path) -> None:
    days: list[dict[str, object]] = [
        {"text": f"passage {number}", "day": day, "tags": "a; b"}
        for number, day in enumerate(["2024.1.31", "2024년 1월 31일", "20240131", "2024/01/31"])
    ]
    built(tmp_path / "index", days, {"day": "date", "tags": "strings"})
    assert {fields["day"] for fields in fields_of(tmp_path / "index").values()} == {date(2024, 1, 31)}
    assert all(fields["tags"] == ["a", "b"] for fields in fields_of(tmp_path / "index").values())
    with pytest.raises(DataError, match=r'line 1: the field \'day\' is "2024.13.1", which is no date'):
        built(tmp_path / "other", [{"text": "x", "day": "2024.13.1"}], {"day": "date"})
    with pytest.raises(ConfigError, match="declared as 'dates', which is not a type; choose from boolean, integer"):
        built(tmp_path / "other", days, {"day": "dates"})


def test_later_passages_may_bring_fields_and_wider_types(tmp_path: Path) -> None:
    root = tmp_path / "index"
    built(root)
    manifest = added(root, [{"id": "d", "text": "four", "year": 1.5, "author": "김"}])
    assert manifest.fields == {**TYPES, "author": "string", "year": "number"}
    assert fields_of(root)["d"] == {"author": "김", "year": 1.5}
    assert fields_of(root)["a"]["year"] == 2023
    with pytest.raises(DataError, match=r"the field 'category' is 3, but the index has it as string; correct it"):
        added(root, [{"id": "e", "text": "five", "category": 3}])


def test_a_passage_with_another_field_is_not_the_one_of_the_index(tmp_path: Path) -> None:
    root = tmp_path / "index"
    built(root)
    with pytest.raises(DataError, match="has all passages of the sources already; nothing was added"):
        added(root, ROWS)
    with pytest.raises(DataError, match="has a passage 'a' with another title, text or field"):
        added(root, [{**ROWS[0], "year": 2022}])


def test_a_compacted_index_has_the_fields_of_what_is_left(tmp_path: Path) -> None:
    root = tmp_path / "index"
    built(root)
    added(root, [{"id": "d", "text": "four", "author": "김"}])
    delete(root, ["b"], ANALYZER)
    before = fields_of(root)
    manifest = compact(root, ANALYZER)
    assert len(manifest.segments) == 1
    assert fields_of(root) == before
    assert sorted(before) == ["a", "c", "d"]
    verify_index(root, ANALYZER)


def test_a_damaged_file_of_fields_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "index"
    manifest = built(root)
    path = IndexLayout(root).segment(manifest.segments[0].id).metadata
    path.write_bytes(path.read_bytes()[:-100] + bytes(100))
    with pytest.raises(IndexFormatError, match=r"metadata\.arrow has changed"):
        open_index(root)
    path.unlink()
    with pytest.raises(IndexFormatError, match=r"metadata\.arrow is missing"):
        open_index(root)


def test_an_index_without_fields_has_no_file_of_them(tmp_path: Path) -> None:
    built(tmp_path / "index", [{"id": "a", "text": "one"}])
    assert not [name for name in content(tmp_path / "index") if "metadata" in name or "spill" in name]


def test_an_index_of_the_version_before_fields_opens_and_grows(tmp_path: Path) -> None:
    root = tmp_path / "index"
    built(root, [{"id": "a", "text": "one"}])
    path = IndexLayout(root).manifest(1)
    document = json.loads(path.read_text(encoding="utf-8"))
    document["format_version"] = 6
    for segment in document["segments"]:
        del segment["fields"]
    path.write_text(json.dumps(signed(document)), encoding="utf-8")
    assert fields_of(root) == {"a": {}}
    verify_index(root, ANALYZER)
    added(root, [{"id": "b", "text": "two", "year": 3}])
    assert fields_of(root) == {"a": {}, "b": {"year": 3}}


def test_passages_from_python_have_fields(tmp_path: Path) -> None:
    root = tmp_path / "index"
    options = IndexOptions(analyzer="words", rules=ReadRules(fields={"code": "string"}))
    build_index(
        [{"text": "one", "day": date(2024, 1, 31), "code": 7, "metadata": {"author": "김"}}],
        root,
        encoder=None,
        options=options,
    )
    later: dict[str, MetadataValue] = {"day": date(2024, 2, 1), "at": datetime(2024, 2, 1, tzinfo=UTC)}
    add_passages([Passage("b", "two", metadata=later)], root)
    first, second = (dict(passage.metadata) for passage in open_index(root).passages)
    assert first == {"author": "김", "code": "7", "day": date(2024, 1, 31)}
    assert second == later
