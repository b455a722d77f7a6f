"""Filters in Milvus's expressions, where they say exactly the same.

Milvus has three truth values, and its ``not`` leaves out rows whose field is null. Here each condition tests for null
first, and so is true or false; then ``not`` is the complement.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Set
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

from dpr.filters.tree import EXISTS, NEGATIONS, AllOf, AnyOf, Condition, Filter, Not, Scalar
from dpr.metadata import FIELD_TYPE_NAMES

ALWAYS, NEVER = "vector >= 0", "vector < 0"

LEFT_OUT = "left_out"
"""A column of a collection that lacks the columns of some fields."""

LONGEST_NAME = 200
"""Characters of a column's name; Milvus takes 255."""

EXACT_INTEGER = 2**53
"""Whole numbers below it are exact as floating-point numbers."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


class _InexactError(Exception):
    """An expression of Milvus would not say the same as a condition."""


def column_name(field: str, type_name: str) -> str:
    """Return the name of a field's column: its type, and its own name, or a hash where Milvus does not take that."""
    is_name = field.isascii() and re.fullmatch(r"\w+", field) and len(field) <= LONGEST_NAME
    return f"{type_name}_{field if is_name else hashlib.sha256(field.encode()).hexdigest()[:16]}"


def expression_of(condition: Filter, columns: Set[str]) -> str | None:
    """Return a filter as an expression that keeps exactly the same rows; None if there is none.

    Args:
        condition: the filter, in the names and types of the index, as ``typed_filter`` gives it.
        columns: the columns of the collection. A field that is not among them is absent, unless `LEFT_OUT` is.
    """
    try:
        return _expression(condition, columns)
    except _InexactError:
        return None


def _expression(condition: Filter, columns: Set[str]) -> str:
    match condition:
        case AllOf(conditions):
            return " and ".join(f"({_expression(inner, columns)})" for inner in conditions)
        case AnyOf(conditions):
            return " or ".join(f"({_expression(inner, columns)})" for inner in conditions)
        case Not(inner):
            return f"not ({_expression(inner, columns)})"
        case Condition(field, operator, value) if operator in NEGATIONS:
            return f"not ({_expression(Condition(field, NEGATIONS[operator], value), columns)})"
        case Condition():
            return _test(condition, columns)


def _test(condition: Condition, columns: Set[str]) -> str:
    names = {type_name: column_name(condition.field, type_name) for type_name in FIELD_TYPE_NAMES}
    type_name = next((name for name, column in names.items() if column in columns), None)
    if type_name is None:
        if LEFT_OUT in columns:
            raise _InexactError
        return NEVER
    column, operator, value = names[type_name], condition.operator, condition.value
    exists = f"{column} is not null"
    if operator == EXISTS:
        return exists
    if isinstance(value, tuple):
        return f"{exists} and ({_among(column, type_name, value)})"
    return f"{exists} and ({_compare(column, type_name, operator, value)})"


def _compare(column: str, type_name: str, operator: str, value: Scalar | None) -> str:
    if type_name in _WHOLE:
        return _compare_whole(column, operator, _WHOLE[type_name](value))
    if type_name in ("number", "boolean"):
        return f"{column} {operator} {_literal(type_name, value)}"
    text = _text(value)
    if type_name == "strings" and operator in ("==", "contains"):
        return f"array_contains({column}, {_quoted(text)})"
    if type_name == "strings":
        raise _InexactError
    if operator not in ("contains", "prefix"):
        return f"{column} {operator} {_quoted(text)}"
    if not text:
        return ALWAYS
    if re.search(r"[%_\\]", text):  # wildcards, which not every Milvus lets one escape
        raise _InexactError
    return f"{column} like {_quoted(f'%{text}%' if operator == 'contains' else f'{text}%')}"


def _among(column: str, type_name: str, values: tuple[Scalar, ...]) -> str:
    if type_name in _WHOLE:
        numbers = [_WHOLE[type_name](value) for value in values]
        literals = [str(int(number)) for number in numbers if number.denominator == 1]
    elif type_name in ("string", "strings"):
        literals = [_quoted(_text(value)) for value in values]
    else:
        literals = [_literal(type_name, value) for value in values]
    if not literals:
        return NEVER
    if type_name == "boolean":
        return " or ".join(f"{column} == {literal}" for literal in literals)
    listing = f"[{', '.join(literals)}]"
    if type_name == "strings":
        return f"array_contains_any({column}, {listing})"
    is_zero_among = type_name == "number" and 0.0 in values  # 0.0 and -0.0 are equal, but may be two members
    return f"{column} in {listing}" + (f" or {column} == 0.0" if is_zero_among else "")


def _compare_whole(column: str, operator: str, value: Fraction) -> str:
    """Compare a column of whole numbers with any number, which Milvus would not do exactly."""
    if operator == "==":
        return f"{column} == {int(value)}" if value.denominator == 1 else NEVER
    bound = math.ceil(value) if operator in ("<", ">=") else math.floor(value)
    return f"{column} {operator} {bound}"


def _integer(value: Scalar | None) -> Fraction:
    """Return a number exactly; a later segment may have widened the field, so that the value is a float."""
    if not isinstance(value, int | float) or not abs(value) < (EXACT_INTEGER if isinstance(value, float) else 2**63):
        raise _InexactError
    return Fraction(value)


def _days(value: Scalar | None) -> Fraction:
    """Return days since 1970; a later segment may have widened the field, so that the value is a time."""
    if isinstance(value, datetime):
        return Fraction(microseconds(value), DAY // timedelta(microseconds=1))
    if not isinstance(value, date):
        raise _InexactError
    return Fraction((value - EPOCH.date()).days)


def _microseconds(value: Scalar | None) -> Fraction:
    if not isinstance(value, datetime):
        raise _InexactError
    return Fraction(microseconds(value))


_WHOLE: dict[str, Callable[[Scalar | None], Fraction]] = {
    "integer": _integer,
    "date": _days,
    "datetime": _microseconds,
}
"""The types whose columns are whole numbers, each with what makes one of a value."""


def _literal(type_name: str, value: Scalar | None) -> str:
    if type_name == "boolean":
        return "true" if value else "false"
    if not isinstance(value, int | float):
        raise _InexactError
    return repr(float(value))


def microseconds(time: datetime) -> int:
    """Return the microseconds since 1970 of a time with a zone."""
    return (time - EPOCH) // timedelta(microseconds=1)


def _text(value: Scalar | None) -> str:
    if not isinstance(value, str):
        raise _InexactError
    return value


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    for character, escape in (("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        escaped = escaped.replace(character, escape)
    return f'"{escaped}"'
