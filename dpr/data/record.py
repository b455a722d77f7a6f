"""A record of a data file with typed fields; errors of absent or wrong fields have their location."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import isnan
from typing import TypeVar, cast

import orjson

from dpr.data.files import Location
from dpr.data.intake import Intake
from dpr.errors import DataError
from dpr.unicode_form import composed

T = TypeVar("T")

_LARGEST_EXACT = 2**53
"""The largest exact whole number in a float; pandas writes whole numbers as floats."""

_LARGEST_ID = 2**64 - 1

_LEAST_LONG_INTEGER = 2**63

_TYPE_NAMES: dict[type, str] = {
    bool: "true or false",
    dict: "an object",
    float: "a number",
    int: "a whole number",
    list: "a list",
    str: "a string",
}


def type_name(value: object) -> str:
    """Return the name of a JSON value's type in plain words."""
    return _TYPE_NAMES.get(type(value), type(value).__name__)


@dataclass(frozen=True, slots=True)
class Record:
    """Named values with their location; ``label`` names the record within its line or file (``question 5a1``).

    A field that is null, or NaN as written by pandas, is absent. The values of a row that ``is_table`` are the text of
    cells, whatever their type.
    """

    fields: Mapping[str, object]
    location: Location
    label: str = ""
    is_table: bool = False

    def error(self, cause: str) -> DataError:
        """Return an error that names the record."""
        return self.location.error(f"{self.label}: {cause}" if self.label else cause)

    def labelled(self, label: str) -> Record:
        """Return the record with a label for its errors."""
        return replace(self, label=label)

    def value(self, name: str) -> object:
        """Return a field's value, None if it is absent."""
        value = self.fields.get(name)
        return None if isinstance(value, float) and isnan(value) else value

    def first_present(self, names: Sequence[str]) -> str:
        """Return the first of the names that has a value, or the first of all."""
        return next((name for name in names if self.value(name) is not None), names[0])

    def optional(self, name: str, expected: type[T], default: T) -> T:
        """Return a field's value, or the default if it is absent; a whole number may be written 1.0.

        Raises:
            DataError: the value has another type.
        """
        value = self.value(name)
        if value is None:
            return default
        if expected is int:
            value = _as_integer(value)
        if type(value) is not expected:  # isinstance would accept true as a whole number
            raise self.error(f"{name!r} is {type_name(value)}; it must be {_TYPE_NAMES[expected]}")
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
        """Return a required string that is not blank."""
        value = self.required(name, str)
        if not value.strip():
            raise self.error(f"the field {name!r} is empty")
        return value

    def identifier(self, *names: str) -> str:
        """Return the first of the fields that is present, as a stripped string in NFC; else empty.

        The number 1.0, which a spreadsheet or pandas makes of 1, becomes ``"1"``. The string ``"1.0"`` stays, since it
        may be the number of a section.

        Raises:
            DataError: it is neither a string nor a whole number, or a number with lost digits.
        """
        for name in names:
            value = self.value(name)
            if value is None:
                continue
            most = _LARGEST_EXACT if isinstance(value, float) else _LARGEST_ID
            if isinstance(value, int | float) and abs(value) > most:
                raise self.error(f"{name!r} is {value}, a number too large to be exact; write it as a string")
            value = _as_integer(value)
            if type(value) not in (str, int):
                raise self.error(f"{name!r} is {type_name(value)}; it must be a string or a whole number")
            return composed(str(value).strip())
        return ""

    def strings(self, name: str) -> tuple[str, ...]:
        """Return a list of strings; empty if it is absent."""
        values = self.optional(name, list, [])
        for value in values:
            if not isinstance(value, str):
                raise self.error(f"{name!r} has {type_name(value)} in it; each item must be a string")
        return tuple(values)

    def integers(self, name: str) -> tuple[int, ...]:
        """Return a list of whole numbers; empty if it is absent."""
        numbers = []
        for value in map(_as_integer, self.optional(name, list, [])):
            if not isinstance(value, int) or isinstance(value, bool):
                raise self.error(f"{name!r} has {type_name(value)} in it; each item must be a whole number")
            numbers.append(value)
        return tuple(numbers)

    def records(self, name: str) -> list[Record]:
        """Return a list of objects, each a record with this location; empty if it is absent."""
        return [self._child(name, value) for value in self.optional(name, list, [])]

    def sifted_records(self, name: str, intake: Intake) -> Iterator[Record]:
        """Yield the objects of a list as `records` does; each item that is no object is a bad row."""
        return intake.sift(partial(self._child, name), self.optional(name, list, []))

    def _child(self, name: str, value: object) -> Record:
        if not isinstance(value, dict):
            raise self.error(f"{name!r} has {type_name(value)} in it; each item must be an object")
        return Record(value, self.location, self.label)


def _as_integer(value: object) -> object:
    """Return a whole number that pandas wrote as a float as what it is."""
    is_whole = isinstance(value, float) and value.is_integer() and abs(value) <= _LARGEST_EXACT
    return int(cast("float", value)) if is_whole else value


def parse_record(text: str, location: Location) -> Record:
    """Parse a JSON object; the names of its fields are composed.

    Raises:
        DataError: it is not JSON, or not an object.
    """
    value = parse_json(text, location)
    if not isinstance(value, dict):
        raise location.error(f"is {type_name(value)}; it must be a JSON object")
    return Record({composed(name): item for name, item in value.items()}, location)


def parse_json(text: str, location: Location) -> object:
    """Parse JSON, also that of Python's json module with NaN for missing values, which become null.

    Raises:
        DataError: it is not JSON.
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        if "NaN" in text:
            try:
                value = json.loads(text, parse_constant=_null_for_nan)
                orjson.dumps(value)  # refuses half of a surrogate pair, as its parser does
            except (ValueError, TypeError, RecursionError):
                pass
            else:
                return value
        raise location.error(f"is not valid JSON ({error.msg}, column {error.colno})") from None
    return _with_long_integers(text, value) if _has_huge_number(value) else value


def _has_huge_number(value: object) -> bool:
    """Tell whether a value, or one of an object's, is a float that may have been an integer of more than 64 bits."""
    if isinstance(value, dict):
        return any(map(_has_huge_number, value.values()))
    return isinstance(value, float) and abs(value) >= _LEAST_LONG_INTEGER


def _with_long_integers(text: str, value: object) -> object:
    """Return a value with all digits of its integers, which orjson cuts to those of a float beyond 64 bits."""
    try:
        return json.loads(text)
    except RecursionError:
        return value


def _null_for_nan(constant: str) -> None:
    if constant != "NaN":
        raise ValueError(constant)
