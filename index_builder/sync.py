"""Bring an index to the state of its sources: what is new, what has changed, what is gone.

A document has changed if the hash of its file (or row) is another than when it was indexed. A row that is a passage
as it is, is compared with the passage itself.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from dpr.data.digests import file_digest, row_digest
from dpr.data.intake import UTF8_RULES, BadRows, ReadRules
from dpr.data.passages import document_files, read_corpus
from dpr.durable import replacing
from dpr.errors import ConfigError, EmptyCorpusError
from dpr.store.field_types import have_same_values
from dpr.store.layout import IndexLayout
from dpr.store.ledger import LedgerEntry, read_ledgers, write_ledger
from dpr.store.manifest import Manifest
from dpr.types import Encoder, Passage, Progress, no_progress
from dpr.unicode_form import composed
from index_builder.chunking import ChunkOptions
from index_builder.current import Current, RecordedEncoder
from index_builder.local_sources import Source, path_of
from index_builder.update import AddOptions, add, delete

logger = logging.getLogger(__name__)

REPORT_EVERY = 1000


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """The ids of documents to add, to replace and to delete, and the number of those that stay.

    ``indexed`` are those of the changed and gone ones that have passages in the index, ``digests`` the hashes of the
    documents among the new and the changed ones.
    """

    new: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    unchanged: int = 0
    indexed: tuple[str, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    @property
    def is_empty(self) -> bool:
        """Whether the index is as the sources are."""
        return not (self.new or self.changed or self.gone)


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """What to bring an index to.

    Attributes:
        sources: all sources of the index: what none of them has is deleted.
        index: the folder of the index.
        rules: how sources are read.
        command: the command line, for the record.

    Raises:
        ConfigError: there is no source.
    """

    sources: tuple[Source, ...]
    index: Path
    rules: ReadRules = UTF8_RULES
    command: str = ""

    def __post_init__(self) -> None:
        if not self.sources:
            raise ConfigError("there is no source to compare the index with; name at least one")


def plan_sync(options: SyncOptions, progress: Progress = no_progress) -> SyncPlan:
    """Compare an index with its sources; nothing is converted, encoded or changed.

    Raises:
        DataError: a source cannot be read.
        IndexFormatError: there is no published index, or a file of it cannot be used.
    """
    state = _IndexState(Current.read(options.index), options.index)
    seen: dict[str, bool] = {}  # whether a document is unchanged, by id
    digests: dict[str, str] = {}
    for count, (name, is_same, digest) in enumerate(_compared(options, state), start=1):
        seen[name] = seen.get(name, True) and is_same
        if digest is not None and not is_same:
            digests[name] = digest
        if count % REPORT_EVERY == 0:
            progress("compare", count, None)
    progress("compare", len(seen), len(seen))
    known = state.alive.keys()
    fewer = {name for name in seen.keys() & known if state.has_fewer_rows(name)}
    new = [name for name, is_same in seen.items() if not is_same and name not in known]
    changed = [name for name, is_same in seen.items() if name in known and (not is_same or name in fewer)]
    gone = sorted(known - seen.keys())
    return SyncPlan(
        tuple(new),
        tuple(changed),
        tuple(gone),
        len(seen) - len(new) - len(changed),
        tuple(sorted([*changed, *gone])),
        digests,
    )


def sync(
    options: SyncOptions,
    encoder: Encoder | RecordedEncoder | None,
    progress: Progress = no_progress,
    plan: SyncPlan | None = None,
) -> Manifest | None:
    """Bring an index to the state of its sources; return the manifest of its next generation, None if it is there.

    Only what has changed is read whole, converted and encoded. A killed sync goes on where it stopped.

    Raises:
        DataError: a source cannot be read, or the index would be empty.
        IndexLockedError: another process is writing the index.
    """
    plan = plan or plan_sync(options, progress)
    if plan.is_empty:
        return None
    if plan.new or plan.changed:
        only = frozenset((*plan.new, *plan.changed))
        add_options = AddOptions(
            sources=options.sources,
            index=options.index,
            deletes=plan.indexed,
            rules=replace(options.rules, only=tuple(sorted(only))),
            command=options.command,
        )
        try:
            return add(add_options, encoder, progress=progress)
        except EmptyCorpusError as error:
            logger.warning("nothing new can be read: %s", error)
            _note_unread(options.index, plan.digests)
    if not plan.indexed:
        return None
    return delete(options.index, plan.indexed, progress=progress, command=options.command)


def _note_unread(index: Path, digests: Mapping[str, str]) -> None:
    """Note the hashes of documents of which none can be read, so that each is tried again only when it changes."""
    path = IndexLayout(index).unread
    entries = {**read_ledgers([path]), **{name: LedgerEntry(digest, 0) for name, digest in digests.items()}}
    if entries:
        with replacing(path) as unfinished:
            write_ledger(unfinished, entries)


class _IndexState:
    """What an index has: the passages of each document, and the hashes of those that were cut or could not be read."""

    def __init__(self, current: Current, index: Path) -> None:
        self.passages = current.passages
        self.entries = read_ledgers(segment.files.ledger for segment in current.segments)
        self._unread = read_ledgers([IndexLayout(index).unread])
        chunk = ChunkOptions.from_provenance(current.manifest.provenance)
        self.cuts_rows = chunk is not None and chunk.tokens is not None
        self.alive: Counter[str] = Counter()
        self._row_of: dict[str, int] = {}
        for row, (passage_id, document_id) in zip(self.passages.alive.tolist(), self.passages.names(), strict=True):
            self.alive[document_id or passage_id] += 1
            self._row_of[passage_id] = row
        self._seen_rows: Counter[str] = Counter()

    def has_digest(self, name: str, digest: str) -> bool:
        """Tell whether the index has a document of this content, or knows that it cannot be read."""
        entry = self.entries.get(name)
        is_known = entry is not None and entry.digest == digest and (not entry.passages or name in self.alive)
        return is_known or (name not in self.alive and self._unread.get(name) == LedgerEntry(digest, 0))

    def has_row(self, row: Passage) -> bool:
        """Tell whether a row is a passage of the index."""
        self._seen_rows[row.document_id or row.id] += 1
        index_row = self._row_of.get(row.id)
        if index_row is None:
            return False
        passage = self.passages[index_row]
        places = passage.document_id, passage.start
        texts = composed(passage.title), composed(passage.text)
        is_same = (row.document_id, row.start) == places and (row.title, composed(row.text)) == texts
        return is_same and have_same_values(row, passage)

    def has_fewer_rows(self, name: str) -> bool:
        """Tell whether the source has lost rows of a document, whose other rows are the same."""
        return bool(self._seen_rows[name]) and self._seen_rows[name] != self.alive[name] and not self.cuts_rows


def _compared(options: SyncOptions, state: _IndexState) -> Iterator[tuple[str, bool, str | None]]:
    """Yield the id of the document of each file and row, whether the index has it as it is, and the hash of a file."""
    paths = [path_of(source) for source in options.sources]
    names = set[str]()
    for path in paths:
        for file in document_files(path, options.rules):
            if file.name not in names:  # of several files of a name, the first one is indexed
                names.add(file.name)
                digest = file_digest(file.path)
                yield file.name, state.has_digest(file.name, digest), digest
    bad_rows = BadRows(options.rules.skip_bad_rows, warns=False)  # the reading that indexes them warns
    for row in read_corpus(paths, options.rules, bad_rows, rows_only=True):
        if state.cuts_rows:
            yield row.id, state.has_digest(row.id, row_digest(row)), None
        else:
            yield row.document_id or row.id, state.has_row(row), None
