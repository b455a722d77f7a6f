"""The further fields of a row, which are kept with its passage; values of other types are left out and counted."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from math import isfinite
from numbers import Integral, Real

from dpr.data.intake import LeftOut
from dpr.data.record import Record, type_name
from dpr.metadata import LARGEST_INTEGER, Cell, MetadataValue, Text, in_utc
from dpr.unicode_form import composed

CONTAINERS = ("metadata", "meta")
"""Fields that hold an object of further fields, as other programs write them."""

RESERVED_NAMES = frozenset(("id", "text", "title", "document_id", "start"))
"""The names of a passage's own values, which no further field can have."""


@dataclass(frozen=True, slots=True)
class UnreadValue:
    """A value that was not read from its file, because values of its type are not kept."""

    type_name: str


def metadata_of(
    record: Record, own_names: Collection[str], left_out: LeftOut | None = None
) -> dict[str, MetadataValue]:
    """Return the further fields of a row: strings, numbers, booleans, dates, times and lists of strings.

    The fields of an object ``metadata`` or ``meta`` are fields of the row. A column without a name is no field. A value
    that is null, NaN or blank is absent. Strings are composed (NFC). A time is converted to UTC; one without a zone is
    in UTC.

    Args:
        record: the row.
        own_names: the fields of the row that are the passage's own, such as its text.
        left_out: counts the values that are not kept, because of their type or their name.

    Raises:
        DataError: a number is infinite or has more than 64 bits, a time is out of range, or a field comes twice.
    """
    metadata: dict[str, MetadataValue] = {}
    for name, value in _fields(record, own_names):
        if not name or _is_absent(value):
            continue
        if name in metadata:
            raise record.error(f"the field {name!r} comes twice; rename or remove one of them")
        is_reserved = name in RESERVED_NAMES
        typed_value = None if is_reserved else _typed(record, name, value)
        if typed_value is not None:
            metadata[name] = typed_value
        elif left_out is not None:
            left_out.add(name, "one of the passage's own, and stands elsewhere" if is_reserved else _reason(value))
    return metadata


def _fields(record: Record, own_names: Collection[str]) -> Iterator[tuple[str, object]]:
    for key, value in record.fields.items():
        if key in CONTAINERS and isinstance(value, dict):
            yield from ((composed(str(name)).strip(), item) for name, item in value.items())
        elif key not in own_names:
            yield composed(key).strip(), value


def _is_absent(value: object) -> bool:
    is_blank = isinstance(value, str) and not value.strip()
    is_missing = isinstance(value, float | Decimal | datetime) and value != value  # NaN, pandas' NaT
    return value is None or is_blank or is_missing


def _typed(record: Record, name: str, value: object) -> MetadataValue | None:
    """Return a value as one of the types that are kept; None for a value of another type."""
    match value:
        case bool():
            return value
        case str():
            text = composed(value)
            if isinstance(value, Text):
                return Text(text)
            return Cell(text) if record.is_table or isinstance(value, Cell) else text
        case datetime():
            return _in_utc(record, name, value)
        case date():
            return value
        case Integral():
            if abs(int(value)) > LARGEST_INTEGER:
                raise record.error(f"{name!r} is {value}, a number of more than 64 bits; write it as a string")
            return int(value)
        case Real() | Decimal():
            if not isfinite(value):
                raise record.error(f"{name!r} is {value}; a number must be finite, or absent")
            return float(value)
        case list() | tuple() if all(isinstance(item, str) for item in value):
            return [composed(item) for item in value]
        case _:
            return None


def _in_utc(record: Record, name: str, value: datetime) -> datetime:
    try:
        return in_utc(value)
    except OverflowError:
        raise record.error(f"{name!r} is {value}, which is no time between the years 1 and 9999 in UTC") from None


def _reason(value: object) -> str:
    if isinstance(value, UnreadValue):
        return f"of the type {value.type_name}"
    if isinstance(value, list | tuple):
        return "a list of something else than strings"
    return type_name(value)
