"""What a filter is in Milvus's expressions, and what is left to the vectors file."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from dpr.dense.milvus.conditions import column_name, expression_of
from dpr.filters import AllOf, AnyOf, Condition, Filter, Not

COLUMNS = frozenset(
    {"vector", "integer_n", "number_x", "string_s", "strings_tags", "boolean_open", "date_day", "datetime_at"}
)
NOON = datetime(1970, 1, 3, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("condition", "expression"),
    [
        (Condition("n", "exists"), "integer_n is not null"),
        (Condition("n", "==", 3), "integer_n is not null and (integer_n == 3)"),
        (Condition("n", "!=", 3), "not (integer_n is not null and (integer_n == 3))"),
        (Condition("n", ">", 2.5), "integer_n is not null and (integer_n > 2)"),
        (Condition("n", ">=", -2.5), "integer_n is not null and (integer_n >= -2)"),
        (Condition("n", "<", 2.5), "integer_n is not null and (integer_n < 3)"),
        (Condition("n", "<=", 3.0), "integer_n is not null and (integer_n <= 3)"),
        (Condition("n", "==", 2.5), "integer_n is not null and (vector < 0)"),
        (Condition("n", "in", (1.0, 2.5, 3.0)), "integer_n is not null and (integer_n in [1, 3])"),
        (Condition("n", "not in", ()), "not (integer_n is not null and (vector < 0))"),
        (Condition("n", "<", 1e300), None),
        (Condition("n", ">=", -(2**63)), None),
        (Condition("x", "<", 1e-7), "number_x is not null and (number_x < 1e-07)"),
        (Condition("x", "in", (1.0, 1e16)), "number_x is not null and (number_x in [1.0, 1e+16])"),
        (Condition("x", "in", (-0.0,)), "number_x is not null and (number_x in [-0.0] or number_x == 0.0)"),
        (Condition("open", "in", (True,)), "boolean_open is not null and (boolean_open == true)"),
        (Condition("day", "<", date(1970, 1, 3)), "date_day is not null and (date_day < 2)"),
        (Condition("day", "<", NOON), "date_day is not null and (date_day < 3)"),
        (Condition("day", "==", NOON), "date_day is not null and (vector < 0)"),
        (Condition("at", ">=", NOON), "datetime_at is not null and (datetime_at >= 216000000000)"),
        (Condition("s", "prefix", "a"), 'string_s is not null and (string_s like "a%")'),
        (Condition("s", "contains", ""), "string_s is not null and (vector >= 0)"),
        (Condition("s", "contains", "a_b"), None),
        (Condition("s", "==", "a_b%\\"), 'string_s is not null and (string_s == "a_b%\\\\")'),
        (Condition("tags", "==", "x"), 'strings_tags is not null and (array_contains(strings_tags, "x"))'),
        (Condition("tags", "prefix", "x"), None),
        (Condition("absent", "==", "x"), "vector < 0"),
    ],
)  # fmt: skip
def test_each_condition_is_true_or_false(condition: Filter, expression: str | None) -> None:
    assert expression_of(condition, COLUMNS) == expression


def test_conditions_are_joined() -> None:
    exists, absent = Condition("n", "exists"), Condition("absent", "exists")
    joined = expression_of(AllOf((AnyOf((exists, absent)), Not(exists))), COLUMNS)
    assert joined == "((integer_n is not null) or (vector < 0)) and (not (integer_n is not null))"


def test_one_condition_that_is_not_the_same_leaves_the_whole_filter_out() -> None:
    assert expression_of(AnyOf((Condition("n", "exists"), Condition("tags", "prefix", "x"))), COLUMNS) is None


def test_a_field_without_a_column_is_unknown_where_some_were_left_out() -> None:
    assert expression_of(Condition("absent", "exists"), COLUMNS | {"left_out"}) is None


def test_names_that_milvus_refuses_are_hashed() -> None:
    assert column_name("year", "integer") == "integer_year"
    names = {column_name(field, "string") for field in ("한글", "a b", "a-b", "x" * 300, "")}
    assert len(names) == 5
    assert all(name.isascii() and name.isidentifier() and len(name) < 255 for name in names)
