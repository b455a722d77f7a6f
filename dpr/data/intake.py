"""How rows are taken in: in which encoding a file is, and what happens to a row that cannot be read.

All bad rows of a reading are found in one pass. They are then refused together, the first of them by name, or left out
and counted.
"""

from __future__ import annotations

import codecs
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from dpr.errors import ConfigError, DataError

NAMED_ROWS = 10
"""Bad rows that a message names; it counts the others."""

Row = TypeVar("Row")
Made = TypeVar("Made")


class WholeFileError(DataError):
    """A file is not what it is said to be, so that none of its rows can be trusted: leaving some out is no remedy."""


def raise_at_once(error: DataError) -> None:
    """Refuse a bad row where it is met."""
    raise error


@dataclass(frozen=True, slots=True)
class Intake:
    """The encoding of the files, and what is to be done with the error of a bad row: by default it is raised."""

    encoding: str = "utf-8"
    on_bad_row: Callable[[DataError], None] = raise_at_once

    def sift(self, make: Callable[[Row], Made], rows: Iterable[Row]) -> Iterator[Made]:
        """Yield what is made of each row; a row of which nothing can be made is a bad one.

        Raises:
            WholeFileError: what is wrong with a row is wrong with its file.
        """
        for row in rows:
            try:
                made = make(row)
            except WholeFileError:
                raise
            except DataError as error:
                self.on_bad_row(error)
            else:
                yield made


STRICT = Intake()
"""UTF-8, and the first bad row is raised."""


@dataclass(frozen=True, slots=True)
class ReadRules:
    """What a user says of the sources of a command.

    Raises:
        ConfigError: Python knows no text encoding of that name.
    """

    encoding: str = "utf-8"
    skip_bad_rows: bool = False

    def __post_init__(self) -> None:
        try:
            codecs.lookup(self.encoding)
            b"12".decode(self.encoding, "ignore")  # a codec that is not of text, such as base64, refuses
        except (LookupError, ValueError):  # a name that holds a NUL, too
            raise ConfigError(
                f"--encoding is {self.encoding!r}, which is no text encoding; choose one such as utf-8, cp949, euc-kr "
                "or utf-16"
            ) from None


UTF8_RULES = ReadRules()
"""UTF-8, and bad rows are refused, all together."""


@dataclass(slots=True)
class BadRows:
    """The bad rows of one reading so far: ``count`` of them, the first by their errors.

    ``skip`` says that they are left out, ``warns`` that this is told.
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
        """Refuse the rows together, unless they are to be skipped.

        Raises:
            DataError: there are some; a single one is told in one line.
        """
        if self.skip or not self.count:
            return
        if self.count == 1:
            raise DataError(f"{self.first_errors[0]}; correct the row, or leave it out (--skip-bad-rows)")
        raise DataError(f"{self.count:,} rows are bad; correct them, or leave them out (--skip-bad-rows){self.named()}")

    def named(self) -> str:
        """Return the first errors, each on a line, and how many more there are; empty where there is none."""
        if not self.count:
            return ""
        lines = [f"\n  {error}" for error in self.first_errors]
        more = self.count - len(self.first_errors)
        return ":" + "".join(lines) + (f"\n  and {more:,} more" if more else "")

    def log(self, logger: logging.Logger) -> None:
        """Warn of the rows that were left out."""
        if self.warns and self.count:
            rows = "1 bad row" if self.count == 1 else f"{self.count:,} bad rows"
            logger.warning("left out %s%s", rows, self.named())
