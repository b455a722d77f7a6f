"""The fields of a passage beyond its text: their values, and their JSON form."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime

MetadataValue = str | int | float | bool | date | datetime | list[str]
"""The value of a field. A time without a zone is in UTC."""

Metadata = Mapping[str, MetadataValue]
"""The fields of a passage by name. A field without a value is absent."""

LARGEST_INTEGER = 2**63 - 1
"""The largest whole number that a field holds, and the least one without its sign."""

FIELD_TYPE_NAMES = ("boolean", "integer", "number", "date", "datetime", "string", "strings")
"""The types of fields, in the order in which they are inferred."""


class Cell(str):
    """The text of a table's cell: an index infers the type of its field from all cells of the column."""

    __slots__ = ()


class Text(str):
    """A text of a field of texts, whatever it looks like."""

    __slots__ = ()


EXPORTED_FIELDS = b"dpr.fields"
"""The key of the types of the fields, as JSON by name, in the metadata of an index that was exported to Parquet."""


def in_utc(time: datetime) -> datetime:
    """Return a time in UTC; one without a zone is in UTC already."""
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def json_value(value: MetadataValue) -> object:
    """Return a value as JSON: a date as ``2024-01-31``, a time as ``2024-01-31T09:30:00Z``."""
    if isinstance(value, datetime):
        return in_utc(value).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, Cell | Text) else value


def json_metadata(metadata: Metadata) -> dict[str, object]:
    """Return the fields of a passage as JSON values."""
    return {name: json_value(value) for name, value in metadata.items()}
