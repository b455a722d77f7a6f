"""Passages from Python as a file, which is indexed like any other.

The file is named by its content, so that a stopped build continues when it gets the same passages again.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from reprlib import repr as short_repr
from typing import BinaryIO

import orjson

from dpr.data.files import Location
from dpr.data.identity import UniquePassages
from dpr.data.intake import BadRows, Intake, LeftOut, ReadRules
from dpr.data.record import Record, type_name
from dpr.data.rows import passage_of
from dpr.durable import make_folder
from dpr.errors import DataError, IndexLockedError, naming_copies
from dpr.types import Passage
from dpr.value_types import described
from index_builder.corpus import source_stamp
from index_builder.local_sources import LocalSource, Source, local_sources, shown_names

logger = logging.getLogger(__name__)

Row = Passage | Mapping[str, object]
Corpus = str | Path | Iterable[str | Path] | Iterable[Row]
"""A source, several of them, or passages; a mapping has the fields of a row of a file: ``text``, ``id``, ``title``."""

LONGEST_NAME = 300
"""Characters of a source, or of what is wrong with it, beyond which it is no name of a file."""

ORIGIN = Path("the passages")
"""The name of passages from Python in error messages, instead of a file's name."""


@contextmanager
def sources_of(corpus: Corpus, index: Path, rules: ReadRules) -> Iterator[tuple[Source, ...]]:
    """Yield the sources of a corpus; passages are written to a file beside the index, which is removed afterwards.

    Raises:
        DataError: the corpus is neither, there is no passage, or one cannot be indexed: see `write_rows`.
    """
    _refuse_no_corpus(corpus)
    rows = iter((corpus,) if isinstance(corpus, str | Path) else corpus)
    first = next(rows, None)
    if isinstance(first, str | Path):
        named = tuple(chain([first], rows))
        strings = {source for source in named if isinstance(source, str)}
        with local_sources(tuple(map(_source, named)), index, rules) as sources:
            for source in sources:
                if isinstance(source, str) and source in strings:
                    _refuse_text(source, rules)
            yield sources
        return
    path = _spool(chain([] if first is None else [first], rows), index, rules)
    sources = (LocalSource(str(path), str(ORIGIN)),)
    try:
        with naming_copies(shown_names(sources)):
            yield sources
    except IndexLockedError:
        raise  # the process that writes the index may be reading the same passages
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    path.unlink(missing_ok=True)


def _refuse_no_corpus(corpus: object) -> None:
    if isinstance(corpus, Mapping):
        raise DataError("the corpus is one dict; give a list of passages, such as [{'text': '…'}]")
    if isinstance(corpus, bytes | bytearray) or not isinstance(corpus, Path | Iterable):
        raise DataError(f"the corpus is {described(corpus)}; give a file, a folder, kind:PATH, or a list of passages")


def _refuse_text(source: str, rules: ReadRules) -> None:
    """Refuse a string that names nothing: it may be meant as a text."""
    with suppress(OSError, ValueError):
        if Path(source).exists():
            return
    remedy = "a string names a file, a folder, kind:PATH or a pattern; give a text as {'text': '…'}"
    shown = repr(source) if len(source) < LONGEST_NAME else short_repr(source)
    try:
        source_stamp(source, rules)
    except (OSError, ValueError):
        raise DataError(f"{shown} names no file: {remedy}") from None
    except DataError as error:
        cause = str(error).removeprefix(f"{source}: ")
        is_absent = isinstance(error.__cause__, FileNotFoundError) or len(cause) >= LONGEST_NAME
        raise DataError(f"{shown} names no file{'' if is_absent else f' ({cause})'}: {remedy}") from None


def write_rows(rows: Iterable[object], file: BinaryIO, rules: ReadRules) -> int:
    """Write passages as JSON lines, and return how many there are.

    Raises:
        DataError: a row is not a passage, has no text, or repeats an id with other content. Bad rows are refused
            together, each named by its number from 1, or left out.
    """
    bad_rows = BadRows(rules.skip_bad_rows)
    intake = Intake(on_bad_row=bad_rows.add)

    def read(numbered: tuple[int, object]) -> tuple[Location, Passage, bytes]:
        location = Location(ORIGIN, numbered[0], unit="row")
        try:
            passage = _passage_at(location, numbered[1], intake.left_out)
            return location, passage, orjson.dumps(asdict(passage), option=orjson.OPT_APPEND_NEWLINE)
        except (TypeError, UnicodeEncodeError):  # TypeError: of orjson
            raise location.error("has half of a surrogate pair in a text or a name, which is no text") from None

    def write_each() -> Iterator[tuple[Location, Passage]]:
        for location, passage, line in intake.sift(read, enumerate(rows, start=1)):
            file.write(line)
            yield location, passage

    count = sum(1 for _ in UniquePassages(write_each(), intake))
    bad_rows.refuse()
    bad_rows.log(logger)
    intake.left_out.log(logger)
    if not count:
        raise DataError(f"there is no passage to index; give at least one{bad_rows.listing()}")
    return count


def _spool(rows: Iterable[object], index: Path, rules: ReadRules) -> Path:
    index = index.absolute()
    folder = index.parent
    make_folder(folder)
    descriptor, name = tempfile.mkstemp(prefix=f".{index.name}-", suffix=".jsonl", dir=folder)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            write_rows(rows, file, rules)
            file.seek(0)
            content = hashlib.file_digest(file, "sha256").hexdigest()
        os.utime(name, ns=(0, 0))  # the name identifies the content, whenever it was written
        return Path(name).replace(folder / f".{index.name}-passages-{content[:32]}.jsonl")
    finally:
        with suppress(FileNotFoundError):
            Path(name).unlink()


def _source(source: object) -> str:
    if not isinstance(source, str | Path):
        raise DataError(f"the sources hold {type_name(source)} where each is to be the name of a source")
    return str(source)


def _passage_at(location: Location, row: object, left_out: LeftOut) -> Passage:
    if isinstance(row, Passage):
        row = asdict(row)
    if not isinstance(row, Mapping):
        raise location.error(f"is {type_name(row)} where a dpr.Passage or a dict is expected")
    if others := [name for name in row if not isinstance(name, str)]:
        raise location.error(f"has the field {others[0]!r}, whose name is {type_name(others[0])}; give it a string")
    return passage_of(Record(row, location), left_out)
