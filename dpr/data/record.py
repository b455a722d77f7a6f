"""A record of a data file, read field by field: what is absent or of the wrong type is an error with its place."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from math import isnan
from typing import TypeVar

import orjson

from dpr.data.files import Place
from dpr.data.intake import Intake
from dpr.errors import DataError
from dpr.unicode_form import composed

T = TypeVar("T")

_LARGEST_EXACT = 2**53
"""Of the whole numbers in a float; JSON's reader makes one of a number of more than 64 bits."""

_TYPE_NAMES: dict[type, str] = {
    bool: "true or false",
    dict: "an object",
    float: "a number",
    int: "a whole number",
    list: "a list",
    str: "a string",
}


def type_name(value: object) -> str:
    """Name a JSON value's type in plain words."""
    return _TYPE_NAMES.get(type(value), type(value).__name__)


@dataclass(frozen=True, slots=True)
class Record:
    """Named values and where they stand; ``label`` names the record within its line or file (``question 5a1``).

    A field that is null, or NaN as pandas writes what is missing, counts as absent.
    """

    fields: Mapping[str, object]
    place: Place
    label: str = ""

    def error(self, cause: str) -> DataError:
        """Build the error that names the record."""
        return self.place.error(f"{self.label}: {cause}" if self.label else cause)

    def labelled(self, label: str) -> Record:
        """Return the same record under a name for its errors."""
        return Record(self.fields, self.place, label)

    def value(self, name: str) -> object:
        """Return a field's value, None where it is absent."""
        value = self.fields.get(name)
        return None if isinstance(value, float) and isnan(value) else value

    def optional(self, name: str, expected: type[T], default: T) -> T:
        """Return a field's value, or the default where it is absent.

        Raises:
            DataError: the value is of another type.
        """
        value = self.value(name)
        if value is None:
            return default
        if type(value) is not expected:  # isinstance would take true for a whole number
            raise self.error(f"{name!r} is {type_name(value)} where {_TYPE_NAMES[expected]} is expected")
        return value

    def required(self, name: str, expected: type[T]) -> T:
        """Return a field's value.

        Raises:
            DataError: the field is absent or of another type.
        """
        if self.value(name) is None:
            raise self.error(f"the field {name!r} is missing")
        return self.optional(name, expected, expected())

    def text(self, name: str) -> str:
        """Return a required string that is more than white space."""
        value = self.required(name, str)
        if not value.strip():
            raise self.error(f"the field {name!r} is empty")
        return value

    def identifier(self, *names: str) -> str:
        """Return the first of the fields that is there, as a string in NFC without blanks around it; else empty.

        A number is written as a whole one: 1.0, which a spreadsheet or pandas makes of 1, is ``"1"``. A string stays
        as it is: ``"1.0"`` may be the number of a section.

        Raises:
            DataError: it is neither a string nor a whole number, or a number of which digits are lost.
        """
        for name in names:
            value = self.value(name)
            if value is None:
                continue
            if isinstance(value, float) and abs(value) > _LARGEST_EXACT:
                raise self.error(f"{name!r} is {value}, a number too large to be exact; write it as a string")
            if isinstance(value, float) and value.is_integer():
                value = int(value)
            if type(value) not in (str, int):
                raise self.error(f"{name!r} is {type_name(value)} where a string or a whole number is expected")
            return composed(str(value).strip())
        return ""

    def strings(self, name: str) -> tuple[str, ...]:
        """Return a list of strings; empty where it is absent."""
        values = self.optional(name, list, [])
        for value in values:
            if not isinstance(value, str):
                raise self.error(f"{name!r} holds {type_name(value)} where each item is to be a string")
        return tuple(values)

    def integers(self, name: str) -> tuple[int, ...]:
        """Return a list of whole numbers; empty where it is absent."""
        values = self.optional(name, list, [])
        for value in values:
            if type(value) is not int:
                raise self.error(f"{name!r} holds {type_name(value)} where each item is to be a whole number")
        return tuple(values)

    def records(self, name: str) -> list[Record]:
        """Return a list of objects, each a record at the same place; empty where it is absent."""
        return [self._child(name, value) for value in self.optional(name, list, [])]

    def sifted_records(self, name: str, intake: Intake) -> Iterator[Record]:
        """Yield the objects of a list as `records` does; each that is none is a bad row for itself."""
        return intake.sift(partial(self._child, name), self.optional(name, list, []))

    def _child(self, name: str, value: object) -> Record:
        if not isinstance(value, dict):
            raise self.error(f"{name!r} holds {type_name(value)} where each item is to be an object")
        return Record(value, self.place, self.label)


def parse_record(text: str, place: Place) -> Record:
    """Parse a JSON object; the names of its fields are composed.

    Raises:
        DataError: it is not JSON, or not an object.
    """
    value = parse_json(text, place)
    if not isinstance(value, dict):
        raise place.error(f"is {type_name(value)} where a JSON object is expected")
    return Record({composed(name): item for name, item in value.items()}, place)


def parse_json(text: str, place: Place) -> object:
    """Parse JSON; also that of Python's json module, where NaN stands for a missing value, as null.

    Raises:
        DataError: it is not JSON.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        if "NaN" in text:
            try:
                value = json.loads(text, parse_constant=_null_for_nan)
                orjson.dumps(value)  # refuses half of a surrogate pair, as its parser does
            except (ValueError, TypeError, RecursionError):
                pass
            else:
                return value
        raise place.error(f"is not valid JSON ({error})") from None


def _null_for_nan(constant: str) -> None:
    if constant != "NaN":
        raise ValueError(constant)
