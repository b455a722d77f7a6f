"""Filters over the columns of an index: the rows that a filter keeps, and how many passages have each value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import reduce
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from pyarrow import compute

from dpr.filters.tree import EXISTS, NEGATIONS, RANGES, AllOf, AnyOf, Condition, Filter, Not, Scalar, bad_filter
from dpr.metadata import in_utc
from dpr.store.field_types import FIELD_TYPES
from dpr.store.filter_numbers import exact_number, number_condition
from dpr.types import BoolArray

META_PREFIX = "meta."
"""What Haystack puts before the names of fields."""


class Columns(Protocol):
    """The columns of fields over all rows, by name."""

    @property
    def types(self) -> Mapping[str, str]:
        """The type of each field, a name in `FIELD_TYPES`."""

    def column(self, name: str) -> Any:
        """Return the values of a field as an Arrow chunked array."""


def warm_up() -> None:
    """Import what Arrow imports for its first value: pandas, where it is installed, takes half a second or more."""
    pa.scalar(True)


def typed_filter(condition: Filter, types: Mapping[str, str]) -> Filter:
    """Return a filter that keeps the same passages, in the names and types of an index's fields.

    A number is an ``int`` of 64 bits for a field of integers, and a ``float`` for one of numbers; a test with another
    number becomes one of these (`dpr.store.filter_numbers`). For a field of times, a day is its beginning in UTC.

    Raises:
        RequestError: a field is unknown, or an operator or a value does not suit its type.
    """
    match condition:
        case AllOf(conditions) | AnyOf(conditions):
            return type(condition)(tuple(typed_filter(inner, types) for inner in conditions))
        case Not(inner):
            return Not(typed_filter(inner, types))
        case Condition():
            return _typed_condition(condition, types)


def mask_of(condition: Filter, columns: Columns) -> BoolArray:
    """Return which rows a filter keeps, (P,).

    Raises:
        RequestError: a field is unknown, or an operator or a value does not suit its type.
    """
    return _mask_of(typed_filter(condition, columns.types), columns)


def _mask_of(condition: Filter, columns: Columns) -> BoolArray:
    match condition:
        case AllOf(conditions):
            return reduce(np.logical_and, [_mask_of(inner, columns) for inner in conditions])
        case AnyOf(conditions):
            return reduce(np.logical_or, [_mask_of(inner, columns) for inner in conditions])
        case Not(inner):
            return ~_mask_of(inner, columns)
        case Condition():
            return _condition_mask(condition, columns)


def _typed_condition(condition: Condition, types: Mapping[str, str]) -> Condition:
    name, operator = _known_name(condition.field, types), condition.operator
    if operator == EXISTS:
        return Condition(name, operator)
    type_name = types[name]
    if NEGATIONS.get(operator, operator) not in _OPERATORS_OF[type_name]:
        raise bad_filter(
            f"has {operator!r} for the field {name!r}, which is of type {type_name}; use "
            f"{', '.join((*_OPERATORS_OF[type_name], '!=', 'not in', EXISTS))}"
        )
    if isinstance(condition.value, tuple):
        values = [_read(name, type_name, value) for value in condition.value]
        if type_name in _NUMBERS:
            exact_values = [exact_number(type_name, value) for value in values]
            values = [value for value in exact_values if value is not None]
        return Condition(name, operator, tuple(values))
    value = _read(name, type_name, condition.value)
    if type_name in _NUMBERS:
        return number_condition(name, type_name, operator, value)
    return Condition(name, operator, value)


def _condition_mask(condition: Condition, columns: Columns) -> BoolArray:
    name, operator = condition.field, condition.operator
    column = columns.column(name)
    if operator == EXISTS:
        return _as_mask(column.is_valid())
    if operator in NEGATIONS:
        return ~_condition_mask(Condition(name, NEGATIONS[operator], condition.value), columns)
    is_list = columns.types[name] == "strings"
    test = _TESTS["==" if is_list and operator == "contains" else operator]
    values: list[Any] = [*condition.value] if isinstance(condition.value, tuple) else [condition.value]
    if not is_list:
        return _as_mask(test(column, values))
    mask = np.zeros(len(column), dtype=np.bool_)
    first = 0
    for chunk in column.chunks:
        items = _as_mask(test(compute.list_flatten(chunk), values))
        mask[first + compute.list_parent_indices(chunk).to_numpy(zero_copy_only=False)[items]] = True
        first += len(chunk)
    return mask


def _known_name(field: str, types: Mapping[str, str]) -> str:
    for name in (field, field.removeprefix(META_PREFIX)):
        if name in types:
            return name
    listing = ", ".join(f"{name} ({type_name})" for name, type_name in types.items())
    raise bad_filter(f"names the field {field!r}, which no passage has; the fields are {listing}")


def _read(name: str, type_name: str, value: Scalar | None) -> Any:
    """Return a value of a filter as one of a field's type; see `typed_filter`."""
    is_fitting = isinstance(value, _VALUE_TYPES[type_name]) and (type_name == "boolean") == isinstance(value, bool)
    typed: Any = value if is_fitting else None
    if type_name in ("date", "datetime") and is_fitting:
        typed = FIELD_TYPES[type_name].read(value)  # type: ignore[arg-type]  # fitting values are dates or texts
    if typed is None or (type_name == "date" and isinstance(value, datetime)):
        raise bad_filter(
            f"compares the field {name!r}, which is of type {type_name}, with {value!r:.60}; give "
            f"{_EXAMPLES[type_name]}"
        )
    return in_utc(typed) if isinstance(typed, datetime) else typed


def _as_mask(result: Any) -> BoolArray:
    mask: BoolArray = compute.fill_null(result, False).to_numpy(zero_copy_only=False)
    return mask.astype(np.bool_, copy=False)


def _compares(function: Callable[[Any, Any], Any]) -> Callable[[Any, list[Any]], Any]:
    return lambda column, values: function(column, pa.scalar(values[0], column.type))


def _is_in(column: Any, values: list[Any]) -> Any:
    if pa.types.is_floating(column.type) and 0.0 in values:
        values = [*values, 0.0, -0.0]  # equal, but two values to Arrow
    return compute.is_in(column, value_set=pa.array(values, column.type))


_TESTS: dict[str, Callable[[Any, list[Any]], Any]] = {
    "==": _compares(compute.equal),
    "<": _compares(compute.less),
    "<=": _compares(compute.less_equal),
    ">": _compares(compute.greater),
    ">=": _compares(compute.greater_equal),
    "in": _is_in,
    "contains": lambda column, values: compute.match_substring(column, values[0]),
    "prefix": lambda column, values: compute.starts_with(column, values[0]),
}

_NUMBERS = ("integer", "number")

_ORDERED = ("==", *RANGES, "in")
_OPERATORS_OF: dict[str, tuple[str, ...]] = {
    "boolean": ("==", "in"),
    "integer": _ORDERED,
    "number": _ORDERED,
    "date": _ORDERED,
    "datetime": _ORDERED,
    "string": ("==", "in", "contains", "prefix"),
    "strings": ("==", "in", "contains", "prefix"),
}
"""What a condition may test of each type, and the opposites."""

_VALUE_TYPES: dict[str, tuple[type, ...]] = {
    "boolean": (bool,),
    "integer": (int, float),
    "number": (int, float),
    "date": (str, date),
    "datetime": (str, date),
    "string": (str,),
    "strings": (str,),
}

_EXAMPLES = {
    "boolean": "true or false",
    "integer": "a number",
    "number": "a number",
    "date": "a day, such as 2024-01-31",
    "datetime": "a day or a time, such as 2024-01-31T09:30:00Z",
    "string": "a text",
    "strings": "a text",
}


@dataclass(frozen=True, slots=True)
class Facet:
    """What passages have in one field.

    Attributes:
        type: the type of the field.
        passages: how many passages have it.
        values: its most frequent values with their numbers of passages; of a list, its items. Empty for the
            types number, date and datetime.
        distinct: how many different values there are; None for these types.
        least: the least number, date or time; None without one, and for other types.
        greatest: the greatest one.
    """

    type: str
    passages: int
    values: tuple[tuple[Any, int], ...] = ()
    distinct: int | None = None
    least: Any = None
    greatest: Any = None


def facet_of(column: Any, type_name: str, is_counted: BoolArray, limit: int) -> Facet:
    """Return what the counted rows have in a field.

    Args:
        column: the values of all rows.
        type_name: the type of the field.
        is_counted: the rows that count, (P,).
        limit: the most values.
    """
    values = column.filter(pa.array(is_counted)).drop_null()
    passages = len(values)
    if type_name in ("number", "date", "datetime"):
        return Facet(type_name, passages, **_range(values))
    if type_name == "strings":
        values = compute.list_flatten(values)
    counts = compute.value_counts(values)
    table = pa.table({"value": counts.field("values"), "count": counts.field("counts")})
    best = table.sort_by([("count", "descending"), ("value", "ascending")])[:limit]
    pairs = tuple(zip(best["value"].to_pylist(), best["count"].to_pylist(), strict=True))
    return Facet(type_name, passages, pairs, len(counts), **(_range(values) if type_name == "integer" else {}))


def _range(values: Any) -> dict[str, Any]:
    bounds = compute.min_max(values)
    return {"least": bounds["min"].as_py(), "greatest": bounds["max"].as_py()}
