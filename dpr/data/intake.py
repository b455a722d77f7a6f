"""The encoding of a file, and what happens to rows that cannot be read.

All bad rows of a file are found in one pass. They are then refused together, or skipped and counted.
"""

from __future__ import annotations

import codecs
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from dpr.documents.limits import DEFAULT_LIMITS, DocumentLimits
from dpr.errors import ConfigError, DataError
from dpr.metadata import FIELD_TYPE_NAMES
from dpr.types import Progress, no_progress
from dpr.value_types import check_fields

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
    """A user's options for the sources of a command.

    Attributes:
        encoding: of files of rows; of documents, where they say none and are not UTF-8.
        skip_bad_rows: skip and count rows that cannot be read, instead of refusing them.
        fields: the types of some further fields of the passages by name: ``string``, ``integer``, ``number``,
            ``boolean``, ``date``, ``datetime`` or ``strings``; the types of others are inferred.
        include: patterns of the files of a folder that are read; without any, all. One without a slash is compared with
            each name in the path below the folder, another one with the path.
        exclude: patterns of files that are not read.
        strict: refuse documents that cannot be read, instead of skipping and counting them.
        limits: what a document may take.
        only: the ids of the documents (or rows without a document) that are read; None: all.

    Raises:
        ConfigError: Python has no text encoding of that name, or a type of fields is unknown.
    """

    encoding: str = "utf-8"
    skip_bad_rows: bool = False
    fields: Mapping[str, str] = field(default_factory=dict, hash=False)
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    strict: bool = False
    limits: DocumentLimits = DEFAULT_LIMITS
    only: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        for name, type_name in self.fields.items():
            if type_name not in FIELD_TYPE_NAMES:
                raise ConfigError(
                    f"the field {name!r} is declared as {type_name!r}, which is not a type; choose from "
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


@dataclass(frozen=True, slots=True)
class Unit:
    """What is skipped or refused, and how a message says so."""

    name: str
    correct_one: str
    correct_all: str


_SKIPPING = "(--skip-bad-rows; in Python, ReadRules(skip_bad_rows=True))"
ROWS = Unit("row", f"correct the row, or skip it {_SKIPPING}", f"correct them, or skip them {_SKIPPING}")
DOCUMENTS = Unit(
    "document",
    "correct the document, or leave --strict out to skip it",
    "correct them, or leave --strict out to skip them",
)


@dataclass(slots=True)
class BadRows:
    """The bad rows (or documents) of a source so far: their number and the first errors.

    ``skip`` skips them instead of refusing the file, and ``warns`` logs a warning then.
    """

    skip: bool = False
    warns: bool = True
    count: int = 0
    first_errors: tuple[DataError, ...] = ()
    unit: Unit = ROWS

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
            raise DataError(f"{self.first_errors[0]}; {self.unit.correct_one}")
        raise DataError(f"{self.count:,} {self.unit.name}s are bad; {self.unit.correct_all}{self.listing()}")

    def listing(self) -> str:
        """Return the first errors, each on a line, and the number of others; empty without bad rows."""
        return _listing(self.first_errors, self.count) if self.count else ""

    def log(self, logger: logging.Logger) -> None:
        """Log a warning of the skipped rows."""
        if self.warns and self.count:
            names = f"1 bad {self.unit.name}" if self.count == 1 else f"{self.count:,} bad {self.unit.name}s"
            logger.warning("skipped %s%s", names, self.listing())


@dataclass(slots=True)
class DocumentTally:
    """The documents of a source so far.

    Attributes:
        bad: those that cannot be read.
        converted: the number of the others.
        notes: what is unusual in these.
        other_files: files of folders that no format reads, by ending.
        progress: called with each document.
        total: the number of documents, as far as it is known.
        seen: the number of those that were converted, or failed.
        failed: the hash of each document that cannot be read, by its id.
        path_of: the file of each document by its id.
    """

    bad: BadRows
    converted: int = 0
    notes: list[str] = field(default_factory=list)
    other_files: Counter[str] = field(default_factory=Counter)
    progress: Progress = no_progress
    total: int = 0
    seen: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    path_of: dict[str, Path] = field(default_factory=dict)

    @classmethod
    def from_rules(cls, rules: ReadRules, progress: Progress = no_progress, *, warns: bool = True) -> DocumentTally:
        """Return an empty tally that skips or refuses bad documents as the rules say."""
        return cls(BadRows(not rules.strict, warns, unit=DOCUMENTS), progress=progress)

    def report_one(self) -> None:
        """Report that one more document was seen."""
        self.seen += 1
        self.progress("documents", self.seen, self.total)

    def log(self, logger: logging.Logger) -> None:
        """Log a warning of skipped documents, of what is unusual in others, and of files that are none."""
        self.bad.log(logger)
        if not self.bad.warns:
            return
        if self.notes:
            logger.warning("some documents were not read whole%s", _listing(self.notes[:NAMED_ROWS], len(self.notes)))
        if self.other_files:
            logger.warning("left out files that are no documents: %s", listed_others(self.other_files))


def listed_others(other_files: Mapping[str, int]) -> str:
    """Return the endings of files that no format reads, each with its number of files: ``2 of .exe``."""
    return ", ".join(f"{count:,} of {ending}" for ending, count in sorted(other_files.items()))


def _listing(lines: Iterable[object], count: int) -> str:
    shown = [f"\n  {line}" for line in lines]
    more = count - len(shown)
    return ":" + "".join(shown) + (f"\n  and {more:,} more" if more else "")
