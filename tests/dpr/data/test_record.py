from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from dpr.data.files import Location
from dpr.data.record import Record, parse_record
from dpr.errors import DataError

PLACE = Location(Path("a.jsonl"), 7)


@pytest.mark.parametrize(
    ("read", "cause"),
    [
        (lambda record: record.text("absent"), "the field 'absent' is missing"),
        (lambda record: record.text("null"), "the field 'null' is missing"),
        (lambda record: record.text("blank"), "the field 'blank' is empty"),
        (lambda record: record.text("number"), "'number' is a whole number; it must be a string"),
        (lambda record: record.required("yes", int), "'yes' is true or false; it must be a whole number"),
        (lambda record: record.optional("list", dict, {}), "'list' is a list; it must be an object"),
        (lambda record: record.identifier("fraction"), "'fraction' is a number; it must be a string or a whole number"),
        (lambda record: record.strings("list"), "'list' has a whole number in it; each item must be a string"),
        (lambda record: record.integers("mixed"), "'mixed' has true or false in it; each item must be a whole"),
        (lambda record: record.records("list"), "'list' has a whole number in it; each item must be an object"),
    ],
)
def test_errors_name_place_label_field_and_type(read: Callable[[Record], object], cause: str) -> None:
    fields = {"null": None, "blank": " ", "number": 1, "yes": True, "list": [1], "fraction": 0.5, "mixed": [True]}
    with pytest.raises(DataError, match=f"^a.jsonl, line 7: question q1: {cause}"):
        read(Record(fields, PLACE, "question q1"))


def test_absent_and_null_fields_take_their_defaults() -> None:
    record = Record({"title": None}, PLACE)
    assert record.optional("title", str, "none") == "none"
    assert record.strings("answers") == ()
    assert record.records("contexts") == []
    assert record.identifier("id", "_id") == ""


def test_an_identifier_is_the_first_that_is_there_as_text() -> None:
    assert Record({"_id": 12, "id": None}, PLACE).identifier("id", "_id") == "12"
    assert Record({"_id": 12, "id": " a "}, PLACE).identifier("id", "_id") == "a"


def test_a_number_is_an_identifier_without_its_point_and_text_stays() -> None:
    assert Record({"id": 1.0}, PLACE).identifier("id") == Record({"id": 1}, PLACE).identifier("id") == "1"
    assert Record({"id": "1.0"}, PLACE).identifier("id") == "1.0"


def test_a_whole_number_may_be_written_as_pandas_does() -> None:
    record = Record({"start": 4.0, "starts": [4.0, 5], "half": 0.5, "large": 1e300}, Location(Path("a")))
    assert (record.required("start", int), record.integers("starts")) == (4, (4, 5))
    for name in ("half", "large"):
        with pytest.raises(DataError, match=f"'{name}' is a number; it must be a whole number"):
            record.optional(name, int, 0)


def test_identifiers_have_one_unicode_form() -> None:
    assert Record({"id": unicodedata.normalize("NFD", "서울.pdf")}, PLACE).identifier("id") == "서울.pdf"


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ('{"a": ', "is not valid JSON"),
        ('{"a": 1 "b"}', r"is not valid JSON \([^:]+, column 9\)$"),
        ("[1]", "is a list; it must be a JSON object"),
        ('{"a": "\\ud800"}', "is not valid JSON"),
        ('{"a": Infinity, "b": NaN}', "is not valid JSON"),
        ('{"a": NaN, "b": "\\ud800"}', "is not valid JSON"),
        ('{"a": NaN', "is not valid JSON"),
    ],
)
def test_what_is_not_a_json_object_is_refused(text: str, cause: str) -> None:
    with pytest.raises(DataError, match=f"^a.jsonl, line 7: {cause}"):
        parse_record(text, PLACE)
