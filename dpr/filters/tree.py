"""The tree of a filter, and its JSON form.

A condition on a field that a passage does not have is false. So ``!=`` and ``not in`` are true of it, like ``NOT``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from math import isfinite
from typing import Any, ClassVar, get_args

from dpr.errors import RequestError
from dpr.metadata import json_value
from dpr.unicode_form import composed, is_text

Scalar = str | int | float | bool | date | datetime

COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
MEMBERSHIPS = ("in", "not in")
TEXT_TESTS = ("contains", "prefix")
EXISTS = "exists"
OPERATORS = (*COMPARISONS, *MEMBERSHIPS, *TEXT_TESTS, EXISTS)
"""What a condition may test."""

NEGATIONS = {"!=": "==", "not in": "in"}
"""The operators that are true where another one is false."""

RANGES = ("<", "<=", ">", ">=")

MAX_CONDITIONS = 100
MAX_DEPTH = 16
MAX_VALUES = 1_000


def bad_filter(cause: str) -> RequestError:
    """Return the error of a filter."""
    return RequestError(f"the filter {cause}", field="filter")


@dataclass(frozen=True, slots=True)
class Condition:
    """A test of one field: an operator of `OPERATORS`, with its value, or its values for ``in`` and ``not in``.

    ``contains`` tests for a substring of a text, or for an item of a list; ``prefix`` for the beginning of either.
    ``exists`` has no value. Texts and the name of the field are composed (NFC), as those of passages are.

    Raises:
        RequestError: the operator is unknown, or the value has another form than the operator takes.
    """

    field: str
    operator: str
    value: Scalar | tuple[Scalar, ...] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "field", composed(self.field))
        object.__setattr__(self, "value", _composed(self.value))
        if self.operator not in OPERATORS:
            raise bad_filter(
                f"has the operator {self.operator!r:.60} for the field {self.field!r}; choose from "
                f"{', '.join(OPERATORS)}; AND, OR and NOT have conditions and no field"
            )
        if self.operator == EXISTS:
            if self.value is not None:
                raise self._bad_value(self.value, "no value")
        elif self.operator not in MEMBERSHIPS:
            self._refuse_unless_scalar(self.value)
        elif not isinstance(self.value, tuple):
            raise self._bad_value(self.value, "a list of values (in Python, a tuple)")
        else:
            for value in self.value:
                self._refuse_unless_scalar(value)

    def _refuse_unless_scalar(self, value: object) -> None:
        is_endless = isinstance(value, float) and not isfinite(value)
        if not isinstance(value, get_args(Scalar)) or is_endless:
            raise self._bad_value(value, "a string, a number, true, false, or a date")
        if isinstance(value, str) and not is_text(value):
            raise self._bad_value(value, "a text, which has no half of a surrogate pair")

    def _bad_value(self, value: object, expected: str) -> RequestError:
        return bad_filter(f"has {self.operator!r} for the field {self.field!r} with {value!r:.60}; give {expected}")

    def to_json(self) -> dict[str, object]:
        """Return the condition as JSON values."""
        if self.operator == EXISTS:
            return {"field": self.field, "operator": self.operator}
        return {"field": self.field, "operator": self.operator, "value": _json_of(self.value)}


@dataclass(frozen=True, slots=True)
class _Group:
    """Some filters, joined by an operator.

    Raises:
        RequestError: there is none.
    """

    operator: ClassVar[str]
    conditions: tuple[Filter, ...]

    def __post_init__(self) -> None:
        if not self.conditions:
            raise bad_filter(f"has {self.operator} without a list of 'conditions'; give at least one")

    def to_json(self) -> dict[str, object]:
        """Return the filter as JSON values."""
        return {"operator": self.operator, "conditions": [condition.to_json() for condition in self.conditions]}


class AllOf(_Group):
    """Every one of some filters, of which there is at least one."""

    __slots__ = ()
    operator = "AND"


class AnyOf(_Group):
    """At least one of some filters, of which there is at least one."""

    __slots__ = ()
    operator = "OR"


@dataclass(frozen=True, slots=True)
class Not:
    """The passages that a filter leaves out."""

    condition: Filter

    def to_json(self) -> dict[str, object]:
        """Return the filter as JSON values."""
        return {"operator": "NOT", "conditions": [self.condition.to_json()]}


Filter = Condition | AllOf | AnyOf | Not
FILTER_TYPES = (Condition, AllOf, AnyOf, Not)


def refuse_large(condition: Filter) -> None:
    """Refuse a filter of more than `MAX_CONDITIONS`, or of more than `MAX_DEPTH` levels.

    Raises:
        RequestError: it is over one of the limits.
    """
    conditions, left = 0, [(condition, 1)]
    while left:
        inner, depth = left.pop()
        conditions += isinstance(inner, Condition)
        if conditions > MAX_CONDITIONS or depth > MAX_DEPTH:
            raise too_large()
        if isinstance(inner, Not):
            left.append((inner.condition, depth + 1))
        elif not isinstance(inner, Condition):
            left += [(each, depth + 1) for each in inner.conditions]


def too_large() -> RequestError:
    """Return the error of a filter that is over a limit."""
    return bad_filter(f"is over the limit of {MAX_CONDITIONS} conditions in {MAX_DEPTH} levels; make it smaller")


def _composed(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_composed, value))
    return composed(value) if isinstance(value, str) else value


def _json_of(value: Scalar | tuple[Scalar, ...] | None) -> object:
    if isinstance(value, tuple):
        return [json_value(item) for item in value]
    return None if value is None else json_value(value)
