"""The encoding of a file, and what happens to rows that cannot be read.

All bad rows of a file are found in one pass. They are then refused together, or skipped and counted.
"""

from __future__ import annotations

import codecs
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from dpr.errors import ConfigError, DataError
from dpr.metadata import FIELD_TYPE_NAMES

NAMED_ROWS = 10
"""The number of bad rows that a message lists; it counts the others."""

Row = TypeVar("Row")
Result = TypeVar("Result")


class WholeFileError(DataError):
    """A file has another format than stated, so that skipping rows is no remedy."""


def raise_at_once(error: DataError) -> None:
    """Raise the error of a bad row immediately."""
    raise error


@dataclass(slots=True)
class LeftOut:
    """The values of further fields that are not kept: the number of rows by field and reason."""

    rows: dict[tuple[str, str], int] = field(default_factory=dict)

    def add(self, name: str, reason: str) -> None:
        """Count a row whose field is not kept."""
        self.rows[name, reason] = self.rows.get((name, reason), 0) + 1

    def log(self, logger: logging.Logger) -> None:
        """Log a warning of each field."""
        for (name, reason), count in self.rows.items():
            rows = "1 row" if count == 1 else f"{count:,} rows"
            logger.warning("left out the field %r of %s: its value is %s", name, rows, reason)


@dataclass(frozen=True, slots=True)
class Intake:
    """The encoding of files, and what to do with the error of a bad row: by default it is raised.

    ``left_out`` counts the values of further fields that are not kept.
    """

    encoding: str = "utf-8"
    on_bad_row: Callable[[DataError], None] = raise_at_once
    left_out: LeftOut = field(default_factory=LeftOut)

    def sift(self, make: Callable[[Row], Result], rows: Iterable[Row]) -> Iterator[Result]:
        """Yield the result of ``make`` for each row; a row on which it fails is bad.

        Raises:
            WholeFileError: the error of a row concerns its whole file.
        """
        for row in rows:
            try:
                result = make(row)
            except WholeFileError:
                raise
            except DataError as error:
                self.on_bad_row(error)
            else:
                yield result


STRICT = Intake()
"""UTF-8; the first bad row raises its error."""


@dataclass(frozen=True, slots=True)
class ReadRules:
    """A user's options for the sources of a command; ``fields`` are the declared types of fields by name.

    Raises:
        ConfigError: Python has no text encoding of that name, or a type of fields is unknown.
    """

    encoding: str = "utf-8"
    skip_bad_rows: bool = False
    fields: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for name, type_name in self.fields.items():
            if type_name not in FIELD_TYPE_NAMES:
                raise ConfigError(
                    f"the field {name!r} is declared as {type_name!r}, which is no type; choose from "
                    f"{', '.join(FIELD_TYPE_NAMES)}"
                )
        try:
            codecs.lookup(self.encoding)
            b"12".decode(self.encoding, "ignore")  # refused by codecs that are not for text, such as base64
        except (LookupError, ValueError):  # ValueError: a NUL in the name
            raise ConfigError(
                f"--encoding is {self.encoding!r}, which is no text encoding; choose one such as utf-8, cp949, euc-kr "
                "or utf-16"
            ) from None


UTF8_RULES = ReadRules()
"""UTF-8; bad rows are refused together."""


@dataclass(slots=True)
class BadRows:
    """The bad rows of a file so far: their number and the first errors.

    ``skip`` skips them instead of refusing the file, and ``warns`` logs a warning then.
    """

    skip: bool = False
    warns: bool = True
    count: int = 0
    first_errors: tuple[DataError, ...] = ()

    def add(self, error: DataError) -> None:
        """Count a bad row."""
        self.count += 1
        if len(self.first_errors) < NAMED_ROWS:
            self.first_errors += (error,)

    def refuse(self) -> None:
        """Refuse the bad rows together, unless they are skipped.

        Raises:
            DataError: there are bad rows; the message lists the first ones.
        """
        if self.skip or not self.count:
            return
        if self.count == 1:
            raise DataError(f"{self.first_errors[0]}; correct the row, or skip it (--skip-bad-rows)")
        raise DataError(f"{self.count:,} rows are bad; correct them, or skip them (--skip-bad-rows){self.listing()}")

    def listing(self) -> str:
        """Return the first errors, each on a line, and the number of others; empty without bad rows."""
        if not self.count:
            return ""
        lines = [f"\n  {error}" for error in self.first_errors]
        more = self.count - len(self.first_errors)
        return ":" + "".join(lines) + (f"\n  and {more:,} more" if more else "")

    def log(self, logger: logging.Logger) -> None:
        """Log a warning of the skipped rows."""
        if self.warns and self.count:
            rows = "1 bad row" if self.count == 1 else f"{self.count:,} bad rows"
            logger.warning("skipped %s%s", rows, self.listing())
