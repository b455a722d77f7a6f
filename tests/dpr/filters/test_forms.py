"""The text form and the JSON form of filters, and what is refused of each."""

from __future__ import annotations

import json
import unicodedata
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpr.errors import RequestError
from dpr.filters import AllOf, AnyOf, Condition, Filter, Not, parse

YEAR = Condition("year", "==", 3)
OPEN = Condition("open", "==", True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('category = "인사"', Condition("category", "==", "인사")),
        ("a != 'it\\'s'", Condition("a", "!=", "it's")),
        ("year<>3", Condition("year", "!=", 3)),
        ("score >= -1.5e3", Condition("score", ">=", -1500.0)),
        ("day < 2024-01-31", Condition("day", "<", "2024-01-31")),
        ("at > 2024-01-31T09:30:00+09:00", Condition("at", ">", "2024-01-31T09:30:00+09:00")),
        ("OPEN = TRUE", Condition("OPEN", "==", True)),
        ('tags contains "x"', Condition("tags", "contains", "x")),
        ('name prefix "김"', Condition("name", "prefix", "김")),
        ("page exists", Condition("page", "exists")),
        ("page in (1, 2)", Condition("page", "in", (1, 2))),
        ('page not in ("a")', Condition("page", "not in", ("a",))),
        ("`date of birth` exists", Condition("date of birth", "exists")),
        ("`in` = 3", Condition("in", "==", 3)),
        ("meta.x-y = 3", Condition("meta.x-y", "==", 3)),
        ("year = 3 and open = true or year = 3", AnyOf((AllOf((YEAR, OPEN)), YEAR))),
        ("year = 3 and (open = true or year = 3)", AllOf((YEAR, AnyOf((OPEN, YEAR))))),
        ("not year = 3 and open = true", AllOf((Not(YEAR), OPEN))),
        ("not (year = 3 and not open = true)", Not(AllOf((YEAR, Not(OPEN))))),
    ],
)
def test_a_text_is_a_filter(text: str, expected: Filter) -> None:
    assert repr(parse(text)) == repr(expected)
    as_json = json.dumps(expected.to_json())
    assert repr(parse(json.loads(as_json))) == repr(parse(f" {as_json}")) == repr(expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; leave it out, or write a condition such as year > 2023"),
        (" ", "is empty"),
        (
            '{"field": "a"',
            r"begins as JSON and is none \(Expecting ',' delimiter at position 14\); give an object, such as {",
        ),
        ("{" * 99_999, "begins as JSON and is none"),
        ('{"a":' * 99_999, "begins as JSON and is none"),
        ('{"field": "a", "operator": "=="}', "has '==' for the field 'a' with None; give a string"),
        ("[1]", r"is \[1\]; give a text, such as year > 2020, or an object, such as {"),
        ("not", "ends at position 4, where the name of a field is expected"),
        ("category", "ends at position 9, where one of = != < <= > >= in, not in, contains, prefix, exists"),
        ("category = news", "has 'news' at position 12, where a quoted text, a number, a date, true or false is"),
        ('a = "x" b = 3', "has 'b' at position 9, where 'and' or 'or' is expected"),
        ("(a = 3", r"ends at position 7, where '\)' is expected"),
        ("a in 3", r"has '3' at position 6, where '\(' before the values is expected"),
        ("a in (3", r"ends at position 8, where ',' or '\)' is expected"),
        ("a not 3", "has '3' at position 7, where 'in' is expected"),
        ("3 = a", "has '3' at position 1, where the name of a field is expected"),
        ("and = 3", "has 'and' at position 1, where the name of a field is expected"),
        ('a = "x', "cannot be read at position 5: '\"x'; quote texts"),
        ("a = 인사", "has '인사' at position 5, where a quoted text, .* is expected; put a text in quotes: \"인사\""),
        ("a in (3, b)", "has 'b' at position 10, .*; put a text in quotes: \"b\""),
        ("a = 3 & b = 4", "cannot be read at position 7: '& b = 4'"),
        ("(" * 50 + "a = 3" + ")" * 50, "has more than 16 levels of brackets"),
        ("not " * 5000 + "a = 3", "has more than 16 levels"),
        (" or ".join(["a = 3"] * 101), "has more than 100 conditions"),
        (f"a in ({', '.join(['3'] * 1001)})", "has a list of more than 1,000 values; give fewer"),
    ],
)
def test_a_text_that_cannot_be_read_is_refused_with_the_position(text: str, message: str) -> None:
    with pytest.raises(RequestError, match=f"the filter {message}") as raised:
        parse(text)
    assert raised.value.field == "filter"


@given(st.text(alphabet="ab=<>!()'\"`,.- 0123456789innotorexistscontains가", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(RequestError):
        assert parse(json.loads(json.dumps(parse(text).to_json()))) == parse(text)


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ([], r'is \[\]; give a text, such as year > 2020, or an object, such as {"field": "year", "operator": ">"'),
        (5, "is 5; give a text, such as year > 2020, or an object"),
        (
            {"operator": "AND", "conditions": [5]},
            "has 5 where an object with 'operator' is expected; give one, such as {",
        ),
        ({}, "has a condition without a 'field'; name one"),
        ({"field": "a", "operator": "~"}, "has the operator '~' for the field 'a'; choose from ==, !="),
        ({"field": "a", "operator": "==", "values": 1}, "has an unknown key 'values'; use field, operator, value"),
        ({"field": "a", "operator": "=="}, "has '==' for the field 'a' with None; give a string, a number"),
        ({"field": "a", "operator": "==", "value": [1]}, r"has '==' for the field 'a' with \(1,\); give a string"),
        ({"field": "a", "operator": "==", "value": float("nan")}, "has '==' for the field 'a' with nan; give a"),
        ({"field": "a", "operator": "in", "value": "x"}, "has 'in' for the field 'a' with 'x'; give a list of values"),
        (
            {"field": "a", "operator": "in", "value": b"x"},
            "has 'in' for the field 'a' with b'x'; give a list",
        ),
        ({"field": "a", "operator": "in", "value": [1, None]}, "has 'in' for the field 'a' with None; give a string"),
        ({"field": "a", "operator": ["x"]}, r"has the operator \['x'\] for the field 'a'; choose from"),
        ({"field": "a", "operator": "in", "value": [1] * 1001}, "has 1,001 values for the field 'a', over the limit"),
        ({"field": "a", "operator": "exists", "value": 3}, "has 'exists' for the field 'a' with 3; give no value"),
        ({"field": "a", "operator": "exists", "value": 0}, "has 'exists' for the field 'a' with 0; give no value"),
        ({"operator": "AND", "conditions": []}, "has AND without a list of 'conditions'; give at least one"),
        ({"operator": "or", "conditions": "x"}, "has OR without a list of 'conditions'"),
    ],
)
def test_json_of_another_form_is_refused(form: Any, message: str) -> None:
    with pytest.raises(RequestError, match=f"the filter {message}"):
        parse(form)


def test_filters_that_are_too_large_are_refused() -> None:
    form: dict[str, Any] = {"field": "a", "operator": "exists"}
    hundred = parse({"operator": "AND", "conditions": [form] * 100})
    assert hundred == parse(" and ".join(["a exists"] * 100)) == parse(hundred)
    tree: Filter = Condition("a", "exists")
    for _ in range(20_000):
        tree = Not(tree)
    for large in (tree, AllOf((hundred, Condition("a", "exists")))):
        with pytest.raises(RequestError, match="over the limit of 100 conditions in 16 levels"):
            parse(large)
    with pytest.raises(RequestError, match="over the limit of 100 conditions in 16 levels"):
        parse({"operator": "AND", "conditions": [form] * 101})
    for _ in range(20):
        form = {"operator": "NOT", "conditions": [form]}
    with pytest.raises(RequestError, match="over the limit of 100 conditions in 16 levels"):
        parse(form)


@pytest.mark.parametrize(
    ("operator", "value", "message"),
    [
        ("~", 3, "has the operator '~' for the field 'a'; choose from ==, !="),
        ("==", None, "has '==' for the field 'a' with None; give a string, a number, true, false, or a date"),
        ("==", ("x", "y"), r"has '==' for the field 'a' with \('x', 'y'\); give a string"),
        ("<", float("inf"), "has '<' for the field 'a' with inf; give a string, a number"),
        ("not in", (1, None), "has 'not in' for the field 'a' with None; give a string, a number"),
        ("in", "x", "has 'in' for the field 'a' with 'x'; give a list of values"),
        ("exists", False, "has 'exists' for the field 'a' with False; give no value"),
    ],
)
def test_a_condition_of_another_form_is_refused(operator: str, value: Any, message: str) -> None:
    with pytest.raises(RequestError, match=f"the filter {message}"):
        Condition("a", operator, value)


def test_exists_may_be_false_and_not_has_several_conditions() -> None:
    exists = Condition("a", "exists")
    assert parse({"field": "a", "operator": "exists", "value": False}) == Not(exists)
    assert parse({"operator": "NOT", "conditions": [exists.to_json(), YEAR.to_json()]}) == Not(AllOf((exists, YEAR)))


def test_a_group_of_nothing_is_refused() -> None:
    for group, name in ((AllOf, "AND"), (AnyOf, "OR")):
        with pytest.raises(RequestError, match=f"the filter has {name} without a list of 'conditions'"):
            group(())


def test_a_long_text_is_read_or_refused_at_once() -> None:
    with pytest.raises(RequestError, match="has a list of more than 1,000 values"):
        parse(f"a in ({','.join(['1'] * 100_000)})")
    with pytest.raises(RequestError, match="where a quoted text, a number"):
        parse(f"a = {'9' * 5000}")


@pytest.mark.parametrize(
    "form",
    [
        {"field": "a", "operator": "==", "value": "\ud800"},
        {"field": "a", "operator": "in", "value": ["x", "\ud800"]},
        'a = "\ud800"',
    ],
)
def test_half_of_a_surrogate_pair_is_no_text(form: Any) -> None:
    with pytest.raises(RequestError, match="give a text, which has no half of a surrogate pair"):
        parse(form)


def test_texts_of_either_unicode_form_are_one() -> None:
    decomposed = unicodedata.normalize("NFD", "분류")
    assert parse(f'{decomposed} = "{decomposed}"') == Condition("분류", "==", "분류")
    assert parse({"field": decomposed, "operator": "==", "value": decomposed}) == Condition("분류", "==", "분류")
    assert Condition(decomposed, "in", (decomposed,)) == Condition("분류", "in", ("분류",))
