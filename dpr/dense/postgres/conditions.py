"""Filters in SQL: the conditions of a `dpr.filters.Filter` over the columns of a table.

Each condition is true or false, never null: what a row lacks fails, and ``NOT`` is the complement.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from dpr.filters.tree import EXISTS, NEGATIONS, AllOf, AnyOf, Condition, Filter, Not

SQL_TYPES = {
    "boolean": "bool",
    "integer": "int8",
    "number": "float8",
    "date": "date",
    "datetime": "timestamptz",
    "string": "text",
    "strings": "text[]",
}
"""The type of a column for each type of a field."""

LONGEST_NAME = 63
"""Bytes of a name in PostgreSQL; it cuts longer ones."""

_TEMPLATES = {
    "==": "{column} = %s::{type}",
    "<": "{column} < %s::{type}",
    "<=": "{column} <= %s::{type}",
    ">": "{column} > %s::{type}",
    ">=": "{column} >= %s::{type}",
    "in": "{column} = ANY(%s::{type}[])",
    "contains": "strpos({column}, %s::text) > 0",
    "prefix": "starts_with({column}, %s::text)",
}
_LIST_TEMPLATES = {
    "==": "%s::text = ANY({column})",
    "contains": "%s::text = ANY({column})",
    "in": "{column} && %s::text[]",
    "prefix": "EXISTS (SELECT FROM unnest({column}) AS item WHERE starts_with(item, %s::text))",
}

NEVER = "false"


def column_name(field: str) -> str:
    """Return the name of a field's column: the field's own after ``f_``, or a hash where that is too long."""
    name = f"f_{field}"
    if len(name.encode()) <= LONGEST_NAME and "\0" not in name and "%" not in name:
        return name
    return f"f_{hashlib.sha256(field.encode()).hexdigest()[:16]}"


def condition_sql(condition: Filter, types: Mapping[str, str]) -> tuple[Any, list[Any]]:
    """Return a filter as SQL with its parameters.

    Args:
        condition: the filter, in the names and types of the index, as ``typed_filter`` gives it.
        types: the type of each column's field, by the field's name. A field that is not among them is absent.
    """
    from psycopg import sql

    match condition:
        case AllOf(conditions) | AnyOf(conditions):
            pieces = [condition_sql(inner, types) for inner in conditions]
            word = sql.SQL(" AND " if isinstance(condition, AllOf) else " OR ")
            joined = sql.SQL("({})").format(word.join([text for text, _ in pieces]))
            return joined, [value for _, values in pieces for value in values]
        case Not(inner):
            text, values = condition_sql(inner, types)
            return sql.SQL("(NOT {})").format(text), values
        case Condition(field, operator, value) if operator in NEGATIONS:
            return condition_sql(Not(Condition(field, NEGATIONS[operator], value)), types)
        case Condition():
            return _test_sql(condition, types)


def _test_sql(condition: Condition, types: Mapping[str, str]) -> tuple[Any, list[Any]]:
    from psycopg import sql

    if condition.field not in types:
        return sql.SQL(NEVER), []
    type_name, operator, value = types[condition.field], condition.operator, condition.value
    name = sql.Identifier(column_name(condition.field))
    if operator == EXISTS:
        return sql.SQL("({} IS NOT NULL)").format(name), []
    values = list(value) if isinstance(value, tuple) else [value]
    column: Any = name
    # A later segment may have widened the field: integers to numbers, days to times.
    if type_name == "integer" and any(isinstance(item, float) for item in values):
        column, type_name = sql.SQL("{}::float8").format(name), "number"
    elif type_name == "date" and any(isinstance(item, datetime) for item in values):
        column, type_name = sql.SQL("({}::timestamp AT TIME ZONE 'UTC')").format(name), "datetime"
    templates = _LIST_TEMPLATES if type_name == "strings" else _TEMPLATES
    test = sql.SQL(templates[operator]).format(column=column, type=sql.SQL(SQL_TYPES[type_name]))
    return sql.SQL("({} IS NOT NULL AND {})").format(name, test), [values if operator == "in" else value]
