"""The further fields of a row are the metadata of its passage."""

from __future__ import annotations

import json
import logging
import unicodedata
from datetime import UTC, date, datetime, timedelta, timezone
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


def test_an_integer_of_more_than_64_bits_is_refused_and_not_cut_to_a_float(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    for fields in ('"n": 123456789012345678901', '"meta": {"n": -123456789012345678901}'):
        path.write_text(f'{{"text": "x", {fields}}}\n', encoding="utf-8")
        with pytest.raises(DataError, match=r"'n' is -?123456789012345678901, a number of more than 64 bits"):
            list(read_passages(str(path)))
    path.write_text('{"text": "x", "n": 6.02e23}\n', encoding="utf-8")
    assert [dict(passage.metadata) for passage in read_passages(str(path))] == [{"n": 6.02e23}]


def test_an_end_without_a_start_is_a_field() -> None:
    assert metadata(end=1) == {"end": 1}
    assert metadata(start=0, end=1) == {}


def test_a_time_out_of_range_is_refused_and_one_that_is_none_is_absent() -> None:
    class NotATime(datetime):
        """As pandas' NaT, which equals nothing."""

        def __ne__(self, other: object) -> bool:
            return True

        __hash__ = datetime.__hash__

    assert metadata(a=NotATime(2024, 1, 31), b=Decimal("NaN")) == {}
    with pytest.raises(DataError, match="'a' is 0001-01-01 00:00:00\\+09:00, which is no time between the years"):
        metadata(a=datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=9))))


@pytest.mark.parametrize(
    ("column", "count"),
    [
        (pa.array([19_753, 2_932_897, None], pa.date32()), 1),
        (pa.array([19_753, -719_163, 2**31 - 1], pa.date32()), 2),
        (pa.array([1_706_659_200_000, 2**50, None], pa.timestamp("ms")), 1),
        (pa.array([1_706_659_200_000_000, 2**62, -(2**62)], pa.timestamp("us", "Asia/Seoul")), 2),
    ],
)
def test_days_and_times_that_python_has_not_are_left_out_and_named(
    column: pa.Array, count: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["x", "y", "z"], "at": column}), path)
    first, *others = [json_metadata(passage.metadata) for passage in read_corpus([str(path)])]
    assert str(first["at"]).startswith("2024-01-31")
    assert others == [{}, {}]
    rows = "1 row" if count == 1 else f"{count} rows"
    assert f"left out the field 'at' of {rows}: its value is of the type {column.type}, before the year" in caplog.text


def test_parquet_of_any_type_of_text_and_of_an_unknown_zone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.parquet"
    text = pa.array(["x"], pa.string_view())
    at = pa.array([1_706_659_200_000_000], pa.timestamp("us", "Nowhere/Else"))
    pq.write_table(pa.table({"text": text, "none": pa.nulls(1), "v": text, "at": at}), path)
    [passage] = read_corpus([str(path)])
    assert json_metadata(passage.metadata) == {"v": "x", "at": "2024-01-31T00:00:00Z"}
    assert not caplog.text


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
