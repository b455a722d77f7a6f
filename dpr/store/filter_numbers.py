"""Numbers in filters: tests of a field's numbers that are exact, whatever number a filter has.

A field has integers of 64 bits, or floats. A test with a number that is none of these becomes one with the nearest
number that is: an integer is below 2.5 if it is at most 2.
"""

from __future__ import annotations

from math import ceil, floor, inf

from dpr.filters.tree import EXISTS, Condition

LEAST_INTEGER, LARGEST_INTEGER = -(2**63), 2**63 - 1

UPPER = ("<", "<=")
"""The ranges that a number bounds from above."""

_NEGATED = {"==": "in", "!=": "not in"}


def exact_number(type_name: str, value: float) -> float | None:
    """Return a number as one of a field of this type, ``integer`` or ``number``; None if the field cannot have it."""
    if type_name == "integer":
        is_whole = isinstance(value, int) or value.is_integer()
        return int(value) if is_whole and _is_stored(int(value)) else None
    return _as_float(value) if _as_float(value) == value else None


def number_condition(name: str, type_name: str, operator: str, value: float) -> Condition:
    """Return the comparison of a field with a number, in a number that the field can have.

    Args:
        name: the field.
        type_name: its type, ``integer`` or ``number``.
        operator: one of `dpr.filters.tree.COMPARISONS`.
        value: a finite number.
    """
    exact = exact_number(type_name, value)
    if exact is not None:
        return Condition(name, operator, exact)
    if operator in _NEGATED:
        return Condition(name, _NEGATED[operator], ())
    is_upper = operator in UPPER
    if type_name == "integer":
        bound: float = floor(value) if is_upper else ceil(value)
        if _is_stored(int(bound)):
            return Condition(name, "<=" if is_upper else ">=", bound)
    else:
        bound = _as_float(value)
        if abs(bound) != inf:
            is_strict = (bound > value) == is_upper
            return Condition(name, ("<" if is_upper else ">") + ("" if is_strict else "="), bound)
    return Condition(name, EXISTS) if (value > 0) == is_upper else Condition(name, "in", ())


def _is_stored(value: int) -> bool:
    return LEAST_INTEGER <= value <= LARGEST_INTEGER


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an int above all floats
        return inf if value > 0 else -inf
