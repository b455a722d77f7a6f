"""The JSON form of a filter, which is that of Haystack.

    {"field": "category", "operator": "==", "value": "인사"}
    {"operator": "AND", "conditions": [...]}         also OR, and NOT: not all of the conditions

A field may be written ``meta.category``, as Haystack does, if there is no field of that name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dpr.filters.tree import (
    EXISTS,
    MAX_CONDITIONS,
    MAX_DEPTH,
    MAX_VALUES,
    AllOf,
    AnyOf,
    Condition,
    Filter,
    Not,
    bad_filter,
    too_large,
)

EXAMPLE = '{"field": "year", "operator": ">", "value": 2020}'

_GROUPS: dict[str, Callable[[tuple[Filter, ...]], Filter]] = {
    "AND": AllOf,
    "OR": AnyOf,
    "NOT": lambda conditions: Not(conditions[0] if len(conditions) == 1 else AllOf(conditions)),
}


def decoded(text: str) -> object:
    """Return the value of a JSON text.

    Raises:
        RequestError: it is none.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        cause = f"{error.msg} at position {error.pos + 1}"
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets in brackets
        cause = str(error)
    raise bad_filter(f"begins as JSON and is none ({cause}); give an object, such as {EXAMPLE}")


def filter_of_json(form: object) -> Filter:
    """Return the filter of a JSON value; values may also be Python's dates and times.

    Raises:
        RequestError: it has another form, or is too large.
    """
    remaining = [MAX_CONDITIONS]
    return _filter(form, remaining, 1)


def _filter(form: object, remaining: list[int], depth: int) -> Filter:
    if not isinstance(form, Mapping):
        if depth == 1:
            raise bad_filter(f"is {form!r:.60}; give a text, such as year > 2020, or an object, such as {EXAMPLE}")
        raise bad_filter(f"has {form!r:.60} where an object with 'operator' is expected; give one, such as {EXAMPLE}")
    if depth > MAX_DEPTH:
        raise too_large()
    operator = form.get("operator")
    if isinstance(operator, str) and operator.upper() in _GROUPS:
        return _group(form, operator.upper(), remaining, depth)
    remaining[0] -= 1
    if remaining[0] < 0:
        raise too_large()
    return _condition(form, operator)


def _group(form: Mapping[Any, Any], operator: str, remaining: list[int], depth: int) -> Filter:
    _refuse_unknown(form, ("operator", "conditions"))
    conditions = form.get("conditions")
    if not isinstance(conditions, Sequence) or isinstance(conditions, str) or not conditions:
        raise bad_filter(f"has {operator} without a list of 'conditions'; give at least one")
    return _GROUPS[operator](tuple(_filter(condition, remaining, depth + 1) for condition in conditions))


def _condition(form: Mapping[Any, Any], operator: Any) -> Filter:
    """Return a condition, which checks its operator and value itself."""
    _refuse_unknown(form, ("field", "operator", "value"))
    field: Any = form.get("field")
    value: Any = form.get("value")
    if not isinstance(field, str) or not field:
        raise bad_filter("has a condition without a 'field'; name one")
    if operator == EXISTS and isinstance(value, bool):
        exists = Condition(field, EXISTS)
        return exists if value else Not(exists)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        if len(value) > MAX_VALUES:
            raise bad_filter(
                f"has {len(value):,} values for the field {field!r}, over the limit of {MAX_VALUES:,}; give fewer"
            )
        return Condition(field, operator, tuple(value))
    return Condition(field, operator, value)


def _refuse_unknown(form: Mapping[Any, Any], names: Sequence[str]) -> None:
    if unknown := [key for key in form if key not in names]:
        raise bad_filter(f"has an unknown key {unknown[0]!r:.60}; use {', '.join(names)}")
