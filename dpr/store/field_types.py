"""The types of the further fields of passages: inferred from all values of a field, or declared.

A field has the first type of `FIELD_TYPES` that all of its values have. The text of a table's cell may be of any type;
a JSON string may also be a date or a time. A field whose values share no type is an error that names two of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from math import isinf

from dpr.errors import ConfigError, DataError
from dpr.metadata import LARGEST_INTEGER, Cell, Metadata, MetadataValue, Text, in_utc
from dpr.results import Passage

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_LONGEST_INTEGER_CHARACTERS = len(str(-LARGEST_INTEGER))
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,2})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?"
)
_WRITTEN_DATE = re.compile(
    r"([0-9]{4})(?:[./-]\s?|년\s?)([0-9]{1,2})(?:[./-]\s?|월\s?)([0-9]{1,2})[.일]?|([0-9]{4})([0-9]{2})([0-9]{2})"
)
_BOOLEANS = {"true": True, "false": False}


def _boolean(value: MetadataValue) -> bool | None:
    return (
        value if isinstance(value, bool) else _BOOLEANS.get(value.strip().lower()) if isinstance(value, str) else None
    )


def _integer(value: MetadataValue) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) <= 2**53 else None
    return _integer_of(value.strip()) if isinstance(value, str) else None


def _integer_of(text: str) -> int | None:
    """Return a text as an integer of 64 bits; None for another text."""
    if not _INTEGER.fullmatch(text) or len(text) > _LONGEST_INTEGER_CHARACTERS:
        return None
    value = int(text)
    return value if abs(value) <= LARGEST_INTEGER else None


def _number(value: MetadataValue) -> float | None:
    """Return a value as a number; None for a text of an integer that no float is, for its digits would be lost."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    if not isinstance(value, str) or not _NUMBER.fullmatch(value.strip()):
        return None
    number = float(value)
    is_integer = bool(_INTEGER.fullmatch(value.strip()))
    return None if isinf(number) or (is_integer and str(int(number)) != value.strip()) else number


def _date(value: MetadataValue) -> date | None:
    if isinstance(value, datetime):
        return value.date() if value.timetz() == time(tzinfo=UTC) else None
    if isinstance(value, date):
        return value
    if not isinstance(value, str) or not (match := _WRITTEN_DATE.fullmatch(value.strip())):
        return None
    try:
        year, month, day = (int(digits) for digits in match.groups() if digits)
        return date(year, month, day)
    except ValueError:
        return None


def _in_utc(value: datetime) -> datetime | None:
    try:
        return in_utc(value)
    except OverflowError:  # before the year 1 in UTC, or after the year 9999
        return None


def _datetime(value: MetadataValue) -> datetime | None:
    if isinstance(value, datetime):
        return _in_utc(value)
    if isinstance(value, str) and _TIME.fullmatch(value.strip()):
        try:
            return _in_utc(datetime.fromisoformat(value.strip()))
        except ValueError:
            return None
    day = _date(value)
    return None if day is None else datetime.combine(day, time(), UTC)


def _string(value: MetadataValue) -> str | None:
    if isinstance(value, list):
        return None
    return (
        str(value)
        if isinstance(value, str)
        else json.dumps(value)
        if isinstance(value, int | float)
        else value.isoformat()
    )


def _strings(value: MetadataValue) -> list[str] | None:
    if isinstance(value, list):
        return value
    if not isinstance(value, str):
        return None
    if value.lstrip().startswith("["):
        try:
            items = json.loads(value)
        except (ValueError, RecursionError):
            return None
        return items if all(isinstance(item, str) for item in items) else None
    return [item.strip() for item in value.split(";") if item.strip()]


def _is_read(pattern: re.Pattern[str], read: Callable[[str], object], text: str) -> bool:
    return pattern.fullmatch(text.strip()) is not None and read(text) is not None


def _has_time(text: str) -> bool:
    return _is_read(_TIME, _datetime, text) or _is_read(_DATE, _date, text)


@dataclass(frozen=True, slots=True)
class FieldType:
    """A type of fields.

    Attributes:
        name: its name in manifests and on command lines.
        read: returns a value as this type; None for a value of another type. Declared types are read so.
        has_text: tells whether a text is inferred to be of this type, or of a wider one.
        wider: the names of the types that its values have, too.
    """

    name: str
    read: Callable[[MetadataValue], MetadataValue | None]
    has_text: Callable[[str], bool]
    wider: tuple[str, ...] = ()


FIELD_TYPES: dict[str, FieldType] = {
    field_type.name: field_type
    for field_type in (
        FieldType("boolean", _boolean, lambda text: text.strip().lower() in _BOOLEANS),
        FieldType("integer", _integer, lambda text: _integer_of(text.strip()) is not None, ("number",)),
        FieldType("number", _number, lambda text: _number(text) is not None),
        FieldType("date", _date, lambda text: _is_read(_DATE, _date, text), ("datetime",)),
        FieldType("datetime", _datetime, _has_time),
        FieldType("string", _string, lambda _: True),
        FieldType("strings", _strings, lambda _: False),
    )
}
"""Every type of fields by its name, in the order in which types are inferred."""

_OF_STRINGS = frozenset(("date", "datetime", "string"))
"""The types that a JSON string may have; the text of a cell may have any."""

_TYPE_NAMES: dict[type, str] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    datetime: "datetime",
    date: "date",
    str: "string",
    list: "strings",
}
"""The name of the type of a value in memory; a subclass stands before its base."""


def _with_wider(name: str) -> frozenset[str]:
    return frozenset((name, *FIELD_TYPES[name].wider))


def _type_name(value: MetadataValue) -> str:
    return next(name for value_type, name in _TYPE_NAMES.items() if isinstance(value, value_type))


def _possible_types(value: MetadataValue, among: frozenset[str]) -> frozenset[str]:
    """Return the names of the types that a value has, at least those ``among`` some types."""
    if isinstance(value, Text):
        return among & {"string"}
    if isinstance(value, str):
        names = among if isinstance(value, Cell) else among & _OF_STRINGS
        return frozenset(name for name in names if FIELD_TYPES[name].has_text(value))
    name = _type_name(value)
    loses_digits = isinstance(value, int) and int(float(value)) != value
    return frozenset((name,)) if loses_digits else _with_wider(name)


def merged_types(of_segments: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return the type of each field of several segments, by name: the wider one where they differ."""
    merged: dict[str, str] = {}
    for types in of_segments:
        for name, type_name in types.items():
            before = merged.get(name, type_name)
            merged[name] = type_name if type_name in FIELD_TYPES[before].wider else before
    return dict(sorted(merged.items()))


def have_same_values(passage: Passage, indexed_passage: Passage) -> bool:
    """Tell whether a passage as it was read has the fields of one that an index has, whose values are typed."""
    values, indexed_values = passage.metadata, indexed_passage.metadata
    return values.keys() == indexed_values.keys() and all(
        FIELD_TYPES[_type_name(indexed)].read(values[name]) == indexed for name, indexed in indexed_values.items()
    )


class FieldTyper:
    """Finds the type of each field from the values of all passages."""

    def __init__(self, declared: Mapping[str, str] | None = None, indexed: Mapping[str, str] | None = None) -> None:
        """Type fields.

        Args:
            declared: the types of some fields by name, whose values are converted.
            indexed: the types that fields have in the index already; integers may become numbers, and dates times.

        Raises:
            ConfigError: a declared type is not that of the index.
        """
        self._declared = dict(declared or {})
        for name in self._declared.keys() & (indexed or {}).keys():
            if indexed and self._declared[name] != indexed[name]:
                raise ConfigError(
                    f"the field {name!r} is declared as {self._declared[name]}, but the index has it as "
                    f"{indexed[name]}; leave it out, or build the index anew"
                )
        self._indexed = {
            name: name_of_type for name, name_of_type in (indexed or {}).items() if name not in self._declared
        }
        self._possible: dict[str, frozenset[str]] = {name: _with_wider(of) for name, of in self._indexed.items()}
        self._narrowest: dict[str, tuple[MetadataValue, str]] = {}

    def add(self, metadata: Metadata, location: Callable[[], str]) -> None:
        """Take the values of a passage into account; ``location`` says where it is, for an error.

        Raises:
            DataError: a value does not have a type that the field may have.
        """
        narrowed = {name: self._narrowed(name, value, location) for name, value in metadata.items()}
        for name, types in narrowed.items():
            if name not in self._narrowest or (types and types != self._possible.get(name)):
                self._narrowest[name] = metadata[name], location()
        self._possible.update({name: types for name, types in narrowed.items() if types})

    def types(self) -> dict[str, str]:
        """Return the type of each field that occurred, by name."""
        return {
            name: self._declared.get(name) or next(of for of in FIELD_TYPES if of in self._possible[name])
            for name in sorted(self._narrowest)
        }

    def _narrowed(self, name: str, value: MetadataValue, location: Callable[[], str]) -> frozenset[str]:
        if name in self._declared:
            if FIELD_TYPES[self._declared[name]].read(value) is None:
                raise DataError(
                    f"{location()}: the field {name!r} is {_shown(value)}, which is no {self._declared[name]}; correct "
                    "it, or declare another type"
                )
            return frozenset()
        among = self._possible.get(name, frozenset(FIELD_TYPES))
        types = among & _possible_types(value, among)
        if not types:
            raise DataError(self._conflict(name, value, location()))
        return types

    def _conflict(self, name: str, value: MetadataValue, location: str) -> str:
        if name not in self._narrowest:
            return (
                f"{location}: the field {name!r} is {_shown(value)}, but the index has it as {self._indexed[name]}; "
                f"correct it, or build the index anew with --field {name}:string"
            )
        other_value, other_location = self._narrowest[name]
        return (
            f"{location}: the field {name!r} is {_shown(value)}, but {other_location} has {_shown(other_value)}; write "
            f"values of one type, or declare it (--field {name}:string)"
        )


def _shown(value: MetadataValue) -> str:
    shown = json.dumps(value, ensure_ascii=False, default=str)
    return shown if len(shown) <= 60 else shown[:59] + "…"
