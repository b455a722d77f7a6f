"""A number of a user that cannot be used: a sentence with its value, for what pydantic says without it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NO_NUMBERS = {
    "int_parsing": "whole number",
    "int_type": "whole number",
    "int_from_float": "whole number",
    "float_parsing": "number",
    "float_type": "number",
}
"""Kinds of errors of pydantic for what is no number at all, or none of the type, with what is expected."""

OUT_OF_RANGE = (
    "greater_than",
    "greater_than_equal",
    "less_than",
    "less_than_equal",
    "finite_number",
    "int_parsing_size",
)


def wrong_number(error: Mapping[str, Any], least: float | None = None, greatest: float | None = None) -> str | None:
    """Return ``'two' is not a number; give a number from 0 to 1``; None for an error that is not about a number.

    Args:
        error: what pydantic says of one value.
        least: the smallest number that is allowed, if there is one.
        greatest: the largest.
    """
    kind, value, bounds = error["type"], error["input"], error.get("ctx", {})
    least, greatest = bounds.get("ge", least), bounds.get("le", greatest)
    if kind in NO_NUMBERS:
        return f"{value!r} is not a {NO_NUMBERS[kind]}; give a {NO_NUMBERS[kind]}{_range(least, greatest)}"
    if kind in OUT_OF_RANGE:
        otherwise = " that is finite" if kind == "finite_number" else " of fewer digits"
        return f"{value} is out of range; give a number{_range(least, greatest) or otherwise}"
    return None


def _range(least: float | None, greatest: float | None) -> str:
    if least is None and greatest is None:
        return ""
    if greatest is None:
        return f" of {_digits(least)} or more"
    if least is None:
        return f" of {_digits(greatest)} or less"
    return f" from {_digits(least)} to {_digits(greatest)}"


def _digits(number: float | None) -> str:
    """Return a number as it is typed: ``0`` for ``0.0``."""
    return str(number).removesuffix(".0")
