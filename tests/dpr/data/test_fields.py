"""The further fields of a row are the metadata of its passage."""

from __future__ import annotations

import json
import logging
import unicodedata
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dpr.data.files import Location
from dpr.data.passages import read_corpus, read_passages
from dpr.data.record import Record
from dpr.data.rows import passage_of
from dpr.errors import DataError
from dpr.metadata import Cell, json_metadata

PLACE = Location(Path("a.jsonl"), 1)
NOON = datetime(2024, 1, 31, 3, 0, tzinfo=UTC)


def metadata(**fields: object) -> dict[str, object]:
    return dict(passage_of(Record({"text": "x", **fields}, PLACE)).metadata)


def test_strings_numbers_booleans_dates_and_lists_of_strings_are_kept() -> None:
    fields: dict[str, object] = {"a": "x", "b": 3, "c": 1.5, "d": False, "e": date(2024, 1, 31), "f": NOON, "g": ["x"]}
    assert metadata(**fields) == fields
    assert [type(value) for value in metadata(**fields).values()] == [str, int, float, bool, date, datetime, list]


def test_numbers_of_other_libraries_are_numbers() -> None:
    kept = metadata(a=np.int64(3), b=np.float32(0.5), c=Decimal("1.25"))
    assert kept == {"a": 3, "b": 0.5, "c": 1.25}
    assert [type(value) for value in kept.values()] == [int, float, float]


def test_a_value_that_says_nothing_is_absent() -> None:
    assert metadata(a=None, b="", c="  ", d=float("nan")) == {}


def test_texts_are_composed_and_times_are_in_utc() -> None:
    decomposed = unicodedata.normalize("NFD", "인사")
    local = datetime.fromisoformat("2024-01-31T12:00:00+09:00")
    kept = metadata(**{decomposed: decomposed, "tags": [decomposed]}, at=local, plain=datetime(2024, 1, 31, 3))  # noqa: DTZ001
    assert kept == {"인사": "인사", "tags": ["인사"], "at": NOON, "plain": NOON}


def test_an_object_named_metadata_has_fields_of_the_row() -> None:
    assert metadata(year=1999, metadata={"author": "김"}, meta={"page": 3}) == {"year": 1999, "author": "김", "page": 3}
    with pytest.raises(DataError, match="the field 'year' comes twice; rename or remove one of them"):
        metadata(year=1999, metadata={"year": 2000})


@pytest.mark.parametrize("number", [2**63, -(2**63), float("inf")])
def test_a_number_that_does_not_fit_is_refused(number: float) -> None:
    with pytest.raises(DataError, match=r"a\.jsonl, line 1: 'a' is .*(64 bits|finite)"):
        metadata(a=number)


def test_the_passages_own_values_are_no_fields() -> None:
    row = {"_id": "7", "docid": "8", "text": "x", "body": "y", "title": "t", "start": 2, "end": 3, "document_id": "d"}
    passage = passage_of(Record(row, PLACE))
    assert passage.metadata == {"docid": "8", "body": "y"}
    assert passage_of(Record({**row, "end": "2024-01-31"}, PLACE)).metadata["end"] == "2024-01-31"


def test_a_passage_as_json_gives_the_same_passage(tmp_path: Path) -> None:
    fields = {"text": "x", "id": "1", "start": 4, "year": 1999, "tags": ["a", "b"], "open": True}
    passage = passage_of(Record(fields, PLACE))
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(passage.to_dict()), encoding="utf-8")
    assert list(read_passages(str(path))) == [passage]


def test_values_of_other_types_are_left_out_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [{"text": "x", "place": {"city": "서울"}, "sizes": [1, 2], "year": 1999}, {"text": "y", "place": {}}]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        assert [passage.metadata for passage in read_passages(str(path))] == [{"year": 1999}, {}]
    assert "left out the field 'place' of 2 rows: its value is an object" in caplog.text
    assert "left out the field 'sizes' of 1 row: its value is a list of something else than strings" in caplog.text


def test_the_cells_of_a_table_are_text_whose_type_is_inferred_later(tmp_path: Path) -> None:
    for name, row in {"a.csv": "본문,Year,작성자\nx,1999,\n", "a.tsv": "본문\tYear\t작성자\nx\t1999\t\n"}.items():
        path = tmp_path / name
        path.write_text(row, encoding="utf-8")
        (passage,) = read_passages(str(path))
        assert passage.metadata == {"Year": "1999"}
        assert type(passage.metadata["Year"]) is Cell
        assert json_metadata(passage.metadata) == {"Year": "1999"}


def test_a_column_without_a_name_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(",text,year\n0,x,1999\n", encoding="utf-8")
    (passage,) = read_passages(str(path))
    assert passage.metadata == {"year": "1999"}


def test_the_columns_of_parquet_have_their_types(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    columns = {
        "text": pa.array(["x"]),
        "Author": pa.array(["김"]).dictionary_encode(),
        "day": pa.array([date(2024, 1, 31)]),
        "at": pa.array([NOON], pa.timestamp("ns", "Asia/Seoul")),
        "tags": pa.array([["a", "b"]]),
        "price": pa.array([Decimal("1.25")]),
        "metadata": pa.array([{"page": 3}]),
        "vector": pa.array([[0.5, 0.5]]),
    }
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table(columns), path)
    with caplog.at_level(logging.WARNING):
        (passage,) = read_passages(str(path))
    assert passage.metadata == {
        "Author": "김",
        "day": date(2024, 1, 31),
        "at": NOON,
        "tags": ["a", "b"],
        "price": 1.25,
        "page": 3,
    }
    assert "left out the field 'vector' of 1 row: its value is of the type list<" in caplog.text


def test_passages_that_differ_in_a_field_are_no_repeats(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": "1", "text": "x", "year": 1}\n{"id": "1", "text": "x", "year": 2}\n', encoding="utf-8")
    with pytest.raises(DataError, match="passage id '1' occurred before with another title, text or field"):
        list(read_corpus([str(path)]))
