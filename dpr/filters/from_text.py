"""The text form of a filter, for command lines.

    category = "인사" and date >= 2024-01-01
    not (author in ("김", "이") or tags contains "draft") and page exists

``and`` binds more tightly than ``or``, ``not`` most tightly. A name with blanks or signs stands in backquotes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dpr.filters.tree import (
    COMPARISONS,
    EXISTS,
    MAX_CONDITIONS,
    MAX_DEPTH,
    MAX_VALUES,
    TEXT_TESTS,
    AllOf,
    AnyOf,
    Condition,
    Filter,
    Not,
    Scalar,
    bad_filter,
)
from dpr.unicode_form import composed

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<quoted>`[^`]+`)
    |(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9:.]+(?:Z|[+-][0-9:]+)?)?)
    |(?P<number>-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)(?![\w.])
    |(?P<sign>==|!=|<>|<=|>=|<|>|=|\(|\)|,)
    |(?P<word>[\w.-]+)
    )""",
    re.VERBOSE,
)
_SPELLINGS = {"=": "==", "<>": "!="}
_CONSTANTS = {"true": True, "false": False}
_KEYWORDS = frozenset(("and", "or", "not", "in", EXISTS, *TEXT_TESTS, *_CONSTANTS))


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: int

    @property
    def keyword(self) -> str:
        """The word in lower case if it is a keyword; else empty."""
        return self.text.lower() if self.kind == "word" and self.text.lower() in _KEYWORDS else ""


def filter_of_text(text: str) -> Filter:
    """Return the filter of a text.

    Raises:
        RequestError: it cannot be read; the message has the position.
    """
    parser = _Parser([*_tokens(composed(text)), _Token("end", "", len(text))])
    result = parser.any_of(1)
    parser.expect("end", "", "'and' or 'or'")
    return result


def _tokens(text: str) -> Iterator[_Token]:
    position = 0
    while text[position:].strip():
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            start = position + len(text[position:]) - len(text[position:].lstrip())
            raise bad_filter(f"cannot be read at position {start + 1}: {text[start : start + 20]!r}; quote texts")
        yield _Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup))
        position = match.end()


class _Parser:
    """Reads tokens by recursive descent."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._next = 0
        self._conditions = 0

    def any_of(self, depth: int) -> Filter:
        """Read filters between ``or``."""
        if depth > MAX_DEPTH:
            raise bad_filter(f"has more than {MAX_DEPTH} levels of brackets; make it smaller")
        filters = [self._all_of(depth)]
        while self._takes("or"):
            filters.append(self._all_of(depth))
        return filters[0] if len(filters) == 1 else AnyOf(tuple(filters))

    def expect(self, kind: str, text: str, wish: str) -> _Token:
        """Take a token of a kind, or with a text.

        Raises:
            RequestError: another token is next.
        """
        token = self._tokens[self._next]
        if token.kind != kind or (text and token.text != text):
            shown = repr(token.text) if token.text else "the end"
            raise bad_filter(f"has {shown} at position {token.position + 1}, where {wish} is expected")
        self._next += 1
        return token

    def _all_of(self, depth: int) -> Filter:
        filters = [self._negation(depth)]
        while self._takes("and"):
            filters.append(self._negation(depth))
        return filters[0] if len(filters) == 1 else AllOf(tuple(filters))

    def _negation(self, depth: int) -> Filter:
        if self._takes("not"):
            if depth > MAX_DEPTH:
                raise bad_filter(f"has more than {MAX_DEPTH} levels; make it smaller")
            return Not(self._negation(depth + 1))
        if self._tokens[self._next].text == "(" and self._tokens[self._next].kind == "sign":
            self._next += 1
            inner = self.any_of(depth + 1)
            self.expect("sign", ")", "')'")
            return inner
        return self._condition()

    def _condition(self) -> Filter:
        self._conditions += 1
        if self._conditions > MAX_CONDITIONS:
            raise bad_filter(f"has more than {MAX_CONDITIONS} conditions; make it smaller")
        field = self._field()
        operator = self._tokens[self._next]
        spelling = _SPELLINGS.get(operator.text, operator.text)
        if operator.kind == "sign" and spelling in COMPARISONS:
            self._next += 1
            return Condition(field, spelling, self._value())
        if self._takes(EXISTS):
            return Condition(field, EXISTS)
        for test in TEXT_TESTS:
            if self._takes(test):
                return Condition(field, test, self._value())
        if self._takes("in"):
            return Condition(field, "in", self._values())
        if self._takes("not"):
            if not self._takes("in"):
                self.expect("keyword", "in", "'in'")
            return Condition(field, "not in", self._values())
        self.expect("operator", "", "one of = != < <= > >= in, not in, contains, prefix, exists")
        raise AssertionError

    def _field(self) -> str:
        token = self._tokens[self._next]
        if token.kind == "quoted":
            self._next += 1
            return token.text[1:-1]
        if token.kind in ("number", "day") or token.keyword:
            self.expect("word", "\0", "the name of a field")
        return self.expect("word", "", "the name of a field").text

    def _values(self) -> tuple[Scalar, ...]:
        self.expect("sign", "(", "'(' before the values")
        values = [self._value()]
        while self._tokens[self._next].text == "," and len(values) < MAX_VALUES:
            self._next += 1
            values.append(self._value())
        self.expect("sign", ")", "',' or ')'")
        return tuple(values)

    def _value(self) -> Scalar:
        token = self._tokens[self._next]
        self._next += 1
        if token.kind == "string":
            return re.sub(r"\\(.)", r"\1", token.text[1:-1])
        if token.kind == "day":
            return token.text
        if token.kind == "number":
            return float(token.text) if re.search(r"[.eE]", token.text) else int(token.text)
        if token.keyword in _CONSTANTS:
            return _CONSTANTS[token.keyword]
        self._next -= 1
        self.expect("value", "", "a quoted text, a number, a date, true or false")
        raise AssertionError

    def _takes(self, keyword: str) -> bool:
        """Take a keyword if it is next."""
        is_next = self._tokens[self._next].keyword == keyword
        self._next += is_next
        return is_next
