"""Whether the first row of a table is its header: by its names, and by how it differs from the rows below."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dpr.data.files import Place
from dpr.data.intake import WholeFileError
from dpr.unicode_form import composed

ROWS_BELOW = 20
"""Rows after the first one that are looked at to tell whether it is a header."""

_LONGEST_NAME_CHARACTERS = 40
_MOST_NAME_WORDS = 4

_ROWS_BELOW_SHORT_NAMES = 2
_ROWS_BELOW_LONG_NAMES = 3
"""Rows that have to differ from one of at most two words in a cell, and from a longer one: fewer may by chance."""

_WORD_BREAK = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Header:
    """How to tell whether the first row of a table is its header.

    Attributes:
        key: the name of the column that a table cannot do without.
        needs: the columns of a header as messages call them, each with its names in lower case.
        headerless: what the columns are called without a header; the first two must be there.
        other_names: of further columns: a first row of names that has one of these, but not what it ``needs``, is a
            header that is refused.
        refuses: whether a first row that only looks like a header is refused, and not read as a row.
        has_short_rows: whether rows of data may look like headers, too: a first row of words without a known name is
            then data, unless these are single words, and the second row has several in a cell.

    A first row of other short names is a header that is refused if two of them are made of known names, such as
    ``question text`` and ``passage text``, or if it differs from the rows below: none of its cells has a digit, and in
    some column no cell below could be a name, because it is a sentence or a number.
    """

    key: str
    needs: Mapping[str, frozenset[str]]
    headerless: Sequence[str]
    other_names: frozenset[str] = frozenset()
    refuses: bool = True
    has_short_rows: bool = False

    def is_header(self, cells: Sequence[str]) -> bool:
        """Tell whether cells are column names, with all that a header needs."""
        return not self._missing(cells) and (self.key in cells or self.looks_like_header(cells))

    def looks_like_header(self, cells: Sequence[str]) -> bool:
        """Tell whether cells are column names: some known ones, or words that no row of data consists of."""
        are_words = all(
            len(cell) != 1 and len(cell.split()) <= 2 and not any(character.isdigit() for character in cell)
            for cell in cells
        )
        return _are_names(cells) and (are_words or not self.other_names.isdisjoint(cells))

    def columns(
        self, cells: Sequence[str], place: Place, rows_below: Sequence[Sequence[str]] = ()
    ) -> tuple[Sequence[str], bool]:
        """Return the names of the columns by the first row, and whether it is a header.

        Raises:
            WholeFileError: it is a header without a known name, or with the same name twice, or may be one.
        """
        names = column_names(cells)
        if self.is_header(names):
            named = [name for name in names if name]
            if twice := sorted({name for name in named if named.count(name) > 1}):
                raise WholeFileError(f"{place}: the header has the column {twice[0]!r} twice; rename one of them")
            return names, True
        if self.refuses and _are_names(names) and self._is_header_of_others(names, cells, rows_below):
            missing = self._missing(names)
            column = repr(missing[0] if missing else self.key)
            raise WholeFileError(
                f"{place}: looks like a header without a column {column} (it has {', '.join(names)}); rename the "
                f"column that is meant to {column}, or put a header before the rows"
            )
        return self.headerless[: max(2, len(cells))], False

    def _is_header_of_others(
        self, names: Sequence[str], cells: Sequence[str], rows_below: Sequence[Sequence[str]]
    ) -> bool:
        """Tell whether a first row of possible names, which lacks what a header needs, is one all the same."""
        if len(self._missing(names)) < len(self.needs) or not self.other_names.isdisjoint(names):
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

    def _missing(self, cells: Sequence[str]) -> list[str]:
        return [column for column, names in self.needs.items() if names.isdisjoint(cells)]


def column_names(cells: Sequence[str]) -> list[str]:
    """Return cells as names of columns: composed, in lower case, without blanks around them."""
    return [composed(cell).strip().lower() for cell in cells]


def _differs(cells: Sequence[str], rows_below: Sequence[Sequence[str]]) -> bool:
    """Tell whether names without a digit stand above a column in which no cell could be one, in enough rows."""
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
    """Tell whether cells could be column names: short, no number and no prose; the first may be empty."""
    return any(cells) and all(
        len(cell) <= _LONGEST_NAME_CHARACTERS
        and len(cell.split()) <= _MOST_NAME_WORDS
        and not re.fullmatch(r"[\d.,-]+|.*\s.*[.?!]", cell)
        and (cell or index == 0)
        for index, cell in enumerate(cells)
    )
