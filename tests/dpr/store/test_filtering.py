"""Filters over columns keep the rows that Python's own comparisons keep, at the edges of numbers and times, too."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from operator import eq, ge, gt, le, lt
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dpr.errors import RequestError
from dpr.filters import Condition
from dpr.store.filtering import mask_of
from dpr.store.metadata import ARROW_TYPES, FieldColumns

COMPARE: dict[str, Callable[[Any, Any], bool]] = {"==": eq, "<": lt, "<=": le, ">": gt, ">=": ge}
BEYOND_INTEGERS = (2**63, -(2**63) - 1, 10**400, -(10**400), 1e300, -1e300, 2.5, -0.5)
EDGES = (0, -1, 1, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63))
integers = st.sampled_from(EDGES) | st.integers(-(2**63), 2**63 - 1)
floats = st.sampled_from((0.0, -0.0, 2.0**53, 1e308, 0.5, -2.5)) | st.floats(allow_nan=False, allow_infinity=False)
numbers = integers | floats | st.sampled_from(BEYOND_INTEGERS)


def columns_of(type_name: str, values: list[Any]) -> FieldColumns:
    batch = pa.record_batch([pa.array(values, ARROW_TYPES[type_name])], names=["n"])
    return FieldColumns([batch], [len(values)])


def kept(type_name: str, values: list[Any], operator: str, value: Any) -> list[bool]:
    mask: list[bool] = mask_of(Condition("n", operator, value), columns_of(type_name, values)).tolist()
    return mask


@pytest.mark.parametrize(("type_name", "values"), [("integer", integers), ("number", floats)])
@given(data=st.data(), operator=st.sampled_from(tuple(COMPARE)), value=numbers)
def test_numbers_compare_exactly(
    type_name: str, values: st.SearchStrategy[Any], data: st.DataObject, operator: str, value: float
) -> None:
    rows = data.draw(st.lists(values | st.none(), min_size=1))
    expected = [row is not None and COMPARE[operator](row, value) for row in rows]
    assert kept(type_name, rows, operator, value) == expected
    if operator == "==":
        assert kept(type_name, rows, "!=", value) == [not passes for passes in expected]


@pytest.mark.parametrize(("type_name", "values"), [("integer", integers), ("number", floats)])
@given(data=st.data(), of=st.lists(numbers, max_size=4))
@example(data=None, of=[-0.0])
@example(data=None, of=[0])
def test_a_number_is_among_others_if_it_equals_one(
    type_name: str, values: st.SearchStrategy[Any], data: st.DataObject | None, of: list[float]
) -> None:
    edges: list[Any] = [0, 2**53 + 1, None] if type_name == "integer" else [0.0, -0.0, 2.0**53, None]
    rows = edges if data is None else data.draw(st.lists(values | st.none(), min_size=1))
    assert kept(type_name, rows, "in", tuple(of)) == [row is not None and row in of for row in rows]


def test_a_field_of_integers_that_became_numbers_is_compared_with_both() -> None:
    batches = [
        pa.record_batch([pa.array(values, ARROW_TYPES[name])], names=["n"])
        for name, values in (("integer", [2**53 + 1, 1]), ("number", [1.5, None]))
    ]
    mask = mask_of(Condition("n", ">", 1.25), FieldColumns(batches, [2, 2]))
    assert mask.tolist() == [True, False, True, False]


def test_a_time_that_is_none_in_utc_is_refused() -> None:
    first_day = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=9)))
    with pytest.raises(RequestError, match=r"compares the field 'n', which is of type datetime, with datetime\."):
        kept("datetime", [datetime(2024, 1, 1, tzinfo=UTC)], "<", first_day)
