"""Sources to a passages file, in one pass: read, drop repeats, cut long documents, write."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from dpr.data.chunk import chunk
from dpr.data.intake import UTF8_RULES, BadRows, ReadRules
from dpr.data.passages import files_of, read_corpus
from dpr.errors import ConfigError, DataError
from dpr.store.field_types import FieldTyper, have_same_values
from dpr.store.layout import SegmentFiles
from dpr.store.manifest import Provenance, SourceRecord
from dpr.store.metadata import metadata_spill, write_metadata
from dpr.store.passages import write_passages
from dpr.types import Encoder, Passage, PassagePool, Progress, no_progress
from dpr.unicode_form import composed

logger = logging.getLogger(__name__)

REPORT_EVERY = 1000
"""Passages between two calls of the progress callback."""


@dataclass(frozen=True, slots=True)
class ChunkOptions:
    """Documents are cut into passages of at most ``tokens``, of which ``overlap`` are also in the one before.

    Raises:
        ConfigError: a number is out of range.
    """

    tokens: int
    _: KW_ONLY
    overlap: int = 0

    def __post_init__(self) -> None:
        if self.tokens < 1:
            raise ConfigError(f"passages of {self.tokens} tokens are empty; choose at least 1")
        if not 0 <= self.overlap < self.tokens:
            raise ConfigError(
                f"the overlap of passages is {self.overlap} tokens; choose 0 or more, and fewer than the {self.tokens} "
                "of a passage"
            )

    @classmethod
    def from_provenance(cls, provenance: Provenance) -> ChunkOptions | None:
        """Return how the documents of a generation were cut; None if they were not."""
        return (
            None if provenance.chunk_tokens is None else cls(provenance.chunk_tokens, overlap=provenance.overlap_tokens)
        )


@dataclass(frozen=True, slots=True)
class Chunking:
    """How to cut documents, and the counter of their tokens."""

    options: ChunkOptions
    count_tokens: Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Indexed:
    """The passages that an index has already, and the types of all of its fields by name."""

    passages: PassagePool | None = None
    fields: Mapping[str, str] = field(default_factory=dict)


NOTHING_INDEXED = Indexed()


@runtime_checkable
class CountsTokens(Protocol):
    """An encoder that counts the tokens of a text."""

    def count_tokens(self, text: str) -> int:
        """Return a text's number of tokens, special tokens not counted."""


def token_counter(encoder: Encoder | None) -> Callable[[str], int]:
    """Return the encoder's token counter, or a counter of words where it has none."""
    return encoder.count_tokens if isinstance(encoder, CountsTokens) else count_words


def count_words(text: str) -> int:
    """Return the number of words between blanks."""
    return len(text.split())


def source_stamp(source: str) -> list[tuple[str, int, int]]:
    """Return the name, the size in bytes and the time of change in nanoseconds of each file of a source.

    Raises:
        DataError: the source cannot be found.
    """
    return [file_stamp(path) for path in files_of(source)]


def check_sources(sources: Sequence[str]) -> None:
    """Look for the files of all sources, before anything slow is done for them.

    Raises:
        DataError: a source cannot be found.
    """
    for source in sources:
        source_stamp(source)


def file_stamp(path: Path) -> tuple[str, int, int]:
    """Return the name, the size in bytes and the time of change in nanoseconds of a file.

    Raises:
        DataError: the file cannot be found.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise DataError.at(path, None, f"cannot be read ({error.strerror})") from error
    return str(path.resolve()), status.st_size, status.st_mtime_ns


@dataclass(frozen=True, slots=True)
class Corpus:
    """The counts of each source, and the type of each field of the passages by name."""

    sources: tuple[SourceRecord, ...]
    fields: Mapping[str, str]


def write_corpus(
    sources: Sequence[str],
    files: SegmentFiles,
    chunking: Chunking | None = None,
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
    reader = _SourceReader(sources, chunking, indexed, rules)
    with metadata_spill(files.folder) as spill:
        count = write_passages(files.passages, _reported(spill.through(reader.passages()), progress))
        fields = reader.typer.types()
        write_metadata(files.metadata, spill.metadata(), fields)
    progress("corpus", count, count)
    for name in sorted(rules.fields.keys() - fields.keys()):
        logger.warning("no passage has the field %r, whose type was given as %s", name, rules.fields[name])
    records = (
        SourceRecord(tally.source, tally.passages, tally.duplicates, tally.empty, tally.bad_rows)
        for tally in reader.tallies
    )
    return Corpus(tuple(records), fields)


@dataclass(slots=True)
class _Tally:
    source: str
    passages: int = 0
    duplicates: int = 0
    empty: int = 0
    bad_rows: int = 0


class _SourceReader:
    """Reads the sources in turn as one corpus, and counts for the current source."""

    def __init__(self, sources: Sequence[str], chunking: Chunking | None, indexed: Indexed, rules: ReadRules) -> None:
        self.bad_rows = BadRows(rules.skip_bad_rows)
        self.tallies = [_Tally(source) for source in sources]
        self.typer = FieldTyper(rules.fields, indexed.fields)
        self._chunking = chunking
        self._indexed = indexed
        self._skipped_indexed = 0
        self._documents = read_corpus(self._in_turn(), rules, self.bad_rows)
        self._current = _Tally("")

    def passages(self) -> Iterator[Passage]:
        """Yield the passages to index; passages of the index are counted, or are bad rows if their content differs."""
        for document in self._documents:
            for passage in self._cut(document):
                indexed_passage = self._indexed_passage(passage.id)
                if indexed_passage is None:
                    if self._has_types(passage):
                        self._current.passages += 1
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

    def _in_turn(self) -> Iterator[str]:
        for tally in self.tallies:
            self._current = tally
            skipped_before = self._documents.skipped + self._skipped_indexed
            empty_before, bad_before = self._documents.empty, self.bad_rows.count
            yield tally.source  # until the next one is requested, all that is read is of this source
            tally.bad_rows = self.bad_rows.count - bad_before
            tally.duplicates = self._documents.skipped + self._skipped_indexed - skipped_before
            tally.empty = self._documents.empty - empty_before

    def _indexed_passage(self, passage_id: str) -> Passage | None:
        passages = self._indexed.passages
        row = None if passages is None else passages.row_of(passage_id)
        return None if passages is None or row is None else passages[row]

    def _cut(self, document: Passage) -> Sequence[Passage]:
        if self._chunking is None:
            return [document]
        options = self._chunking.options
        return chunk(document, options.tokens, options.overlap, self._chunking.count_tokens)


def _is_same(passage: Passage, indexed_passage: Passage) -> bool:
    names = composed(indexed_passage.title), composed(indexed_passage.text)
    return names == (passage.title, composed(passage.text)) and have_same_values(passage, indexed_passage)


def _conflict(passage: Passage) -> DataError:
    return DataError(
        f"the index has a passage {passage.id!r} with another title, text or field; give the new one an id of its "
        "own, or replace the old one with dpr-index upsert"
    )


def _reported(passages: Iterable[Passage], progress: Progress) -> Iterator[Passage]:
    for count, passage in enumerate(passages, start=1):
        if count % REPORT_EVERY == 0:
            progress("corpus", count, None)
        yield passage
