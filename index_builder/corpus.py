"""Sources to a passages file, in one pass: read, drop repeats, cut long documents, write."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dpr.data.intake import UTF8_RULES, BadRows, DocumentTally, ReadRules
from dpr.data.passages import files_of, read_corpus
from dpr.errors import DataError
from dpr.store.field_types import FieldTyper, have_same_values
from dpr.store.layout import SegmentFiles
from dpr.store.ledger import LedgerEntry, write_ledger
from dpr.store.manifest import SourceRecord
from dpr.store.metadata import metadata_spill, write_metadata
from dpr.store.passages import write_passages
from dpr.types import Passage, PassagePool, Progress, no_progress
from dpr.unicode_form import composed
from index_builder.chunking import Cutter
from index_builder.local_sources import Source, name_of, path_of

logger = logging.getLogger(__name__)

REPORT_EVERY = 1000
"""Passages between two calls of the progress callback."""


@dataclass(frozen=True, slots=True)
class Indexed:
    """The passages that an index has already, and the types of all of its fields by name."""

    passages: PassagePool | None = None
    fields: Mapping[str, str] = field(default_factory=dict)


NOTHING_INDEXED = Indexed()


def source_stamp(source: Source, rules: ReadRules = UTF8_RULES) -> list[tuple[str, int, int]]:
    """Return the name, the size in bytes and the time of change in nanoseconds of each file of a source.

    Raises:
        DataError: the source cannot be found.
    """
    return [file_stamp(path) for path in files_of(path_of(source), rules)]


def check_sources(sources: Sequence[Source], rules: ReadRules = UTF8_RULES) -> None:
    """Look for the files of all sources, before anything slow is done for them.

    Raises:
        DataError: a source cannot be found.
    """
    for source in sources:
        source_stamp(source, rules)


def file_stamp(path: Path) -> tuple[str, int, int]:
    """Return the name, the size in bytes and the time of change in nanoseconds of a file; zeros for a broken link.

    Raises:
        DataError: the file cannot be found.
    """
    try:
        status = path.stat()
    except OSError as error:
        if path.is_symlink():  # to nothing, or to itself, which is an error of the document alone
            return str(path.absolute()), 0, 0
        if isinstance(error, FileNotFoundError):
            raise DataError.at(path, None, "no such file or folder; check the path") from error
        raise DataError.at(
            path, None, f"cannot be read ({error.strerror}); check the path and who may read it"
        ) from error
    return str(path.absolute()), status.st_size, status.st_mtime_ns


@dataclass(frozen=True, slots=True)
class Corpus:
    """The counts of each source, and the type of each field of the passages by name."""

    sources: tuple[SourceRecord, ...]
    fields: Mapping[str, str]


def write_corpus(
    sources: Sequence[Source],
    files: SegmentFiles,
    cutter: Cutter | None = None,
    progress: Progress = no_progress,
    indexed: Indexed = NOTHING_INDEXED,
    rules: ReadRules = UTF8_RULES,
) -> Corpus:
    """Write the passages of all sources and their fields to a segment, in order; return what was written.

    A passage (or a document to cut) that was there before with the same id and content, in the sources or among the
    ``indexed`` ones, is skipped and counted, and so is one of a data set that has no text. Bad rows are refused
    together, or skipped and counted, as the rules say.

    Raises:
        DataError: a source cannot be read or is empty, or an id comes again with other content.
    """
    reader = _SourceReader(sources, cutter or Cutter(None, None), indexed, rules, progress)
    with metadata_spill(files.folder) as spill:
        count = write_passages(files.passages, _reported(spill.through(reader.passages()), progress))
        fields = reader.typer.types()
        write_metadata(files.metadata, spill.metadata(), fields)
    write_ledger(files.ledger, reader.entries)
    progress("corpus", count, count)
    for name in sorted(rules.fields.keys() - fields.keys()):
        logger.warning("no passage has the field %r, which is declared as %s", name, rules.fields[name])
    return Corpus(tuple(reader.records), fields)


class _SourceReader:
    """Reads the sources in turn as one corpus, and counts for each of them."""

    def __init__(
        self,
        sources: Sequence[Source],
        cutter: Cutter,
        indexed: Indexed,
        rules: ReadRules,
        progress: Progress,
    ) -> None:
        self.bad_rows = BadRows(rules.skip_bad_rows)
        self.records: list[SourceRecord] = []
        self._sources = sources
        self.typer = FieldTyper(rules.fields, indexed.fields)
        self._cutter = cutter
        self._entries: dict[str, LedgerEntry] = {}
        self._indexed = indexed
        self._passages = self._skipped_indexed = 0
        self._tally = DocumentTally.from_rules(rules, progress)
        self._documents = read_corpus(self._in_turn(), rules, self.bad_rows, self._tally)

    def passages(self) -> Iterator[Passage]:
        """Yield the passages to index; passages of the index are counted, or are bad rows if their content differs."""
        for document in self._documents:
            passages = self._cutter.cut(document)
            if digest := self._cutter.digest(document):
                self._entries[document.id] = LedgerEntry(digest, len(passages))
            for passage in passages:
                indexed_passage = self._indexed_passage(passage.id)
                if indexed_passage is None:
                    if self._has_types(passage):
                        self._passages += 1
                        yield passage
                elif _is_same(passage, indexed_passage):
                    self._skipped_indexed += 1
                else:
                    self.bad_rows.add(_conflict(passage))

    def _has_types(self, passage: Passage) -> bool:
        """Tell whether the fields of a passage have the types of those before; else it is a bad row."""
        if not passage.metadata:
            return True
        try:
            self.typer.add(passage.metadata, lambda: str(self._documents.location or f"passage {passage.id!r}"))
        except DataError as error:
            self.bad_rows.add(error)
            return False
        return True

    @property
    def entries(self) -> dict[str, LedgerEntry]:
        """The hashes of the documents so far, those that cannot be read too."""
        failed = {composed(name): LedgerEntry(digest, 0) for name, digest in self._tally.failed.items()}
        return failed | self._entries

    def _in_turn(self) -> Iterator[str]:
        for source in self._sources:
            before = self._counts()
            yield path_of(source)  # until the next one is requested, all that is read is of this source
            counts = {name: count - before[name] for name, count in self._counts().items()}
            self.records.append(SourceRecord(name_of(source), **counts))

    def _counts(self) -> dict[str, int]:
        """Return what was counted so far, of all sources."""
        return {
            "passages": self._passages,
            "duplicates": self._documents.skipped + self._skipped_indexed,
            "empty": self._documents.empty,
            "bad_rows": self.bad_rows.count,
            "documents": self._tally.converted,
            "bad_documents": self._tally.bad.count,
            "other_files": self._tally.other_files.total(),
        }

    def _indexed_passage(self, passage_id: str) -> Passage | None:
        passages = self._indexed.passages
        row = None if passages is None else passages.row_of(passage_id)
        return None if passages is None or row is None else passages[row]


def _is_same(passage: Passage, indexed_passage: Passage) -> bool:
    names = composed(indexed_passage.title), composed(indexed_passage.text)
    return names == (passage.title, composed(passage.text)) and have_same_values(passage, indexed_passage)


def _conflict(passage: Passage) -> DataError:
    return DataError(
        f"the index has a passage {passage.id!r} with another title, text or field; give the new one an id of its "
        "own, or replace the old one (dpr-index upsert; in Python, replace=True)"
    )


def _reported(passages: Iterable[Passage], progress: Progress) -> Iterator[Passage]:
    for count, passage in enumerate(passages, start=1):
        if count % REPORT_EVERY == 0:
            progress("corpus", count, None)
        yield passage
