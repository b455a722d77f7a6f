"""The text form of a filter, for command lines.

    category = "인사" and date >= 2024-01-01
    not (author in ("김", "이") or tags contains "draft") and page exists

``and`` binds more tightly than ``or``, ``not`` most tightly. A name with blanks or signs stands in backquotes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dpr.errors import RequestError
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
_LONGEST_NUMBER_CHARACTERS = 1000

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
    if not text.strip():
        raise bad_filter("is empty; leave it out, or write a condition such as year > 2023")
    parser = _Parser([*_tokens(composed(text)), _Token("end", "", len(text))])
    result = parser.any_of(1)
    parser.expect_end()
    return result


def _tokens(text: str) -> Iterator[_Token]:
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            start = end - len(text[position:end].lstrip())
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

    def expect_end(self) -> None:
        """Refuse what follows a whole filter.

        Raises:
            RequestError: a token is left.
        """
        if self._tokens[self._next].kind != "end":
            raise self._unexpected("'and' or 'or'")

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
        if self._takes_sign("("):
            inner = self.any_of(depth + 1)
            if not self._takes_sign(")"):
                raise self._unexpected("')'")
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
                raise self._unexpected("'in'")
            return Condition(field, "not in", self._values())
        raise self._unexpected("one of = != < <= > >= in, not in, contains, prefix, exists")

    def _field(self) -> str:
        token = self._tokens[self._next]
        if token.kind not in ("quoted", "word") or token.keyword:
            raise self._unexpected("the name of a field")
        self._next += 1
        return token.text[1:-1] if token.kind == "quoted" else token.text

    def _values(self) -> tuple[Scalar, ...]:
        if not self._takes_sign("("):
            raise self._unexpected("'(' before the values")
        values = [self._value()]
        while self._takes_sign(","):
            values.append(self._value())
            if len(values) > MAX_VALUES:
                raise bad_filter(f"has a list of more than {MAX_VALUES:,} values; give fewer")
        if not self._takes_sign(")"):
            raise self._unexpected("',' or ')'")
        return tuple(values)

    def _value(self) -> Scalar:
        token = self._tokens[self._next]
        self._next += 1
        if token.kind == "string":
            return re.sub(r"\\(.)", r"\1", token.text[1:-1])
        if token.kind == "day":
            return token.text
        if token.kind == "number" and len(token.text) <= _LONGEST_NUMBER_CHARACTERS:
            return float(token.text) if re.search(r"[.eE]", token.text) else int(token.text)
        if token.keyword in _CONSTANTS:
            return _CONSTANTS[token.keyword]
        self._next -= 1
        remedy = f'; put a text in quotes: "{token.text}"' if token.kind == "word" and not token.keyword else ""
        raise self._unexpected("a quoted text, a number, a date, true or false", remedy)

    def _takes(self, keyword: str) -> bool:
        """Take a keyword if it is next."""
        is_next = self._tokens[self._next].keyword == keyword
        self._next += is_next
        return is_next

    def _takes_sign(self, sign: str) -> bool:
        """Take a sign if it is next."""
        token = self._tokens[self._next]
        is_next = (token.kind, token.text) == ("sign", sign)
        self._next += is_next
        return is_next

    def _unexpected(self, expected: str, remedy: str = "") -> RequestError:
        """Return the error of the next token, which says what is expected in its place, and a remedy."""
        token = self._tokens[self._next]
        found = f"has {token.text!r}" if token.text else "ends"
        return bad_filter(f"{found} at position {token.position + 1}, where {expected} is expected{remedy}")
