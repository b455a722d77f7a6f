"""Decide whether the first row of a table is its header, by its names and by the rows below."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dpr.data.files import Location
from dpr.data.intake import WholeFileError
from dpr.unicode_form import composed

ROWS_BELOW = 20
"""The number of rows to compare the first row with."""

_LONGEST_NAME_CHARACTERS = 40
_MOST_NAME_WORDS = 4

_ROWS_BELOW_SHORT_NAMES = 2
_ROWS_BELOW_LONG_NAMES = 3
"""The least number of rows that must differ from a header with at most two words in a cell, and from a longer one."""

_WORD_BREAK = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Header:
    """The columns of a format, and how to recognize a header.

    Attributes:
        key: the name of the most important column.
        needs: the required columns as messages name them, each with its possible names in lower case.
        headerless: the names of the columns without a header; the first two are required.
        other_names: names of further columns. A first row of names with one of these, but without a column that it
            ``needs``, is refused as a wrong header.
        refuses: whether to refuse a first row that only looks like a header, instead of reading it as data.
        has_short_rows: whether data may look like a header, too: a first row of words without a known name is then
            data, unless these are single words and the second row has several in a cell.

    A first row of other short names is refused as a wrong header if two of them contain known names, such as ``question
    text`` and ``passage text``, or if it differs from the rows below: none of its cells has a digit, and in some column
    no cell below could be a name, because each is a sentence or a number.
    """

    key: str
    needs: Mapping[str, frozenset[str]]
    headerless: Sequence[str]
    other_names: frozenset[str] = frozenset()
    refuses: bool = True
    has_short_rows: bool = False

    def is_header(self, cells: Sequence[str]) -> bool:
        """Tell whether cells are column names with all required columns."""
        return not self._absent_columns(cells) and (self.key in cells or self.looks_like_header(cells))

    def looks_like_header(self, cells: Sequence[str]) -> bool:
        """Tell whether cells are column names: a known name, or words that are unlikely in data."""
        are_words = all(
            len(cell) != 1 and len(cell.split()) <= 2 and not any(character.isdigit() for character in cell)
            for cell in cells
        )
        return _are_names(cells) and (are_words or not self.other_names.isdisjoint(cells))

    def columns(
        self, cells: Sequence[str], location: Location, rows_below: Sequence[Sequence[str]] = ()
    ) -> tuple[Sequence[str], bool]:
        """Return the names of the columns by the first row, and whether it is a header.

        Known names are in lower case, and other names of a header as they are written.

        Raises:
            WholeFileError: it is, or may be, a header without a required name, or has a name twice.
        """
        names = column_names(cells)
        if self.is_header(names):
            non_empty = [name for name in names if name]
            if twice := sorted({name for name in non_empty if non_empty.count(name) > 1}):
                raise WholeFileError(f"{location}: the header has the column {twice[0]!r} twice; rename one of them")
            known_names = {self.key, *self.headerless, *self.other_names}.union(*self.needs.values())
            columns = [composed(cell).strip() for cell in cells]
            return [name if name in known_names else column for name, column in zip(names, columns, strict=True)], True
        if self.refuses and _are_names(names) and self._is_header_of_others(names, cells, rows_below):
            absent = self._absent_columns(names)
            column = repr(absent[0] if absent else self.key)
            raise WholeFileError(
                f"{location}: looks like a header without a column {column} (it has {', '.join(names)}); rename a "
                f"column to {column}, or put a header before the rows"
            )
        return self.headerless[: max(2, len(cells))], False

    def _is_header_of_others(
        self, names: Sequence[str], cells: Sequence[str], rows_below: Sequence[Sequence[str]]
    ) -> bool:
        """Tell whether a first row of possible names without all required columns is a header nevertheless."""
        if len(self._absent_columns(names)) < len(self.needs) or not self.other_names.isdisjoint(names):
            return True
        if self._has_known_words(names) or _differs(cells, rows_below):
            return True
        if not self.has_short_rows:
            return self.looks_like_header(names)
        are_words = self.looks_like_header(names) and not any(" " in name for name in names)
        return are_words and any(" " in cell.strip() for cell in (rows_below[0] if rows_below else ()))

    def _has_known_words(self, names: Sequence[str]) -> bool:
        words = self.other_names.union(*self.needs.values())
        return sum(not words.isdisjoint(_WORD_BREAK.split(name)) for name in names) > 1

    def _absent_columns(self, cells: Sequence[str]) -> list[str]:
        return [column for column, names in self.needs.items() if names.isdisjoint(cells)]


def column_names(cells: Sequence[str]) -> list[str]:
    """Return cells as names of columns: composed, in lower case, stripped."""
    return [composed(cell).strip().lower() for cell in cells]


def _differs(cells: Sequence[str], rows_below: Sequence[Sequence[str]]) -> bool:
    """Tell whether names without a digit are above a column in which no cell could be a name, in enough rows."""
    words = [cell.split() for cell in cells]
    is_long = any(len(cell_words) > _MOST_NAME_WORDS // 2 for cell_words in words)
    is_capitalized = all(word[0].isupper() for cell_words in words for word in cell_words)
    least_rows = _ROWS_BELOW_LONG_NAMES if is_long else 1 if is_capitalized else _ROWS_BELOW_SHORT_NAMES
    columns = list(zip(*(row for row in rows_below if len(row) == len(cells)), strict=True))
    return not any(re.search(r"\d", cell) for cell in cells) and any(
        len(column) >= least_rows and not any(_are_names([cell.strip()]) or not cell.strip() for cell in column)
        for column in columns
    )


def _are_names(cells: Sequence[str]) -> bool:
    """Tell whether cells could be column names: short, neither numbers nor prose; the first may be empty."""
    return any(cells) and all(
        len(cell) <= _LONGEST_NAME_CHARACTERS
        and len(cell.split()) <= _MOST_NAME_WORDS
        and not re.fullmatch(r"[\d.,-]+|.*\s.*[.?!]", cell)
        and (cell or index == 0)
        for index, cell in enumerate(cells)
    )
