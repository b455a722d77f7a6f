"""Sources of passages and questions, each named by one string.

A source is a FILE with an ending of `dpr.data.rows.ROW_FORMATS` or `dpr.documents.formats.FORMATS`, a folder with all
such files below it, a pattern of names, or ``kind:PATH``: the passages and the questions of a data set.
``kind:PATH@FIRST:LAST`` selects those of some articles by their order: ``squad:train.json@:40`` the first forty,
``@40:`` the others.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from dpr.data.beir import read_beir, read_beir_corpus
from dpr.data.boolq import read_boolq
from dpr.data.documents import read_documents
from dpr.data.dpr_json import read_dpr_json
from dpr.data.examples import Articles, Examples
from dpr.data.files import Location
from dpr.data.identity import UniquePassages, with_composed_names
from dpr.data.intake import UTF8_RULES, BadRows, DocumentTally, Intake, LeftOut, ReadRules
from dpr.data.ir_datasets import read_ir_dataset, read_ir_dataset_passages
from dpr.data.pairs import read_pairs
from dpr.data.qed import read_qed
from dpr.data.questions_csv import QUESTIONS_ENDINGS, read_questions_csv
from dpr.data.rows import located_passages
from dpr.data.source_files import SourceFile, source_files
from dpr.data.split import article_of, article_of_question
from dpr.data.squad import read_squad, read_squad_passages
from dpr.data.stores import address_of
from dpr.data.trec import read_trec, read_trec_passages
from dpr.errors import DataError, EmptyCorpusError, shown_path
from dpr.types import Example, Passage
from dpr.unicode_form import as_on_disk, is_there
from dpr.value_types import checks_types

LocatedPassages = Iterator[tuple[Location, Passage]]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kind:
    """Reads a data set format as questions and as passages.

    Passages may repeat. A passage or a question without text is one that the data set refers to but does not have:
    `Examples` and `UniquePassages` skip and count these.
    """

    examples: Callable[[Path, Intake], Iterator[Example]]
    passages: Callable[[Path, Intake], LocatedPassages]


def _squad_passages(path: Path, intake: Intake) -> LocatedPassages:
    return ((Location(path), passage) for passage in read_squad_passages(path, intake))


def _labelled_passages(
    examples: Callable[[Path, Intake], Iterator[Example]],
) -> Callable[[Path, Intake], LocatedPassages]:
    """Read the passages of a format that has them with its questions."""

    def passages(path: Path, intake: Intake) -> LocatedPassages:
        for example in examples(path, intake):
            for passage in (*example.positives, *example.negatives):
                yield Location(path), passage

    return passages


def _read_dpr(path: Path, intake: Intake) -> Iterator[Example]:
    """Read DPR's training files, or its files of questions, which have other endings."""
    read = read_questions_csv if path.name.lower().endswith(QUESTIONS_ENDINGS) else read_dpr_json
    return read(path, intake)


_SQUAD = Kind(read_squad, _squad_passages)

KINDS: dict[str, Kind] = {
    "squad": _SQUAD,
    "korquad": _SQUAD,
    "klue": _SQUAD,
    "beir": Kind(read_beir, read_beir_corpus),
    "dpr": Kind(_read_dpr, _labelled_passages(_read_dpr)),
    "qed": Kind(read_qed, _labelled_passages(read_qed)),
    "boolq": Kind(read_boolq, _labelled_passages(read_boolq)),
    "pairs": Kind(read_pairs, _labelled_passages(read_pairs)),
    "trec": Kind(read_trec, read_trec_passages),
    "ir_datasets": Kind(read_ir_dataset, read_ir_dataset_passages),
}
"""The data set formats before the colon of ``kind:PATH``. A new format is one more entry."""

_ARTICLES = re.compile(r"(.+)@((?:-?[0-9]+)?):((?:-?[0-9]+)?)")
_KIND_AND_PATH = re.compile(r"([A-Za-z][\w.-]*):(.+)")


@checks_types()
def read_passages(source: str, rules: ReadRules = UTF8_RULES) -> Iterator[Passage]:
    """Yield a source's passages as a stream, in order; those of a ``kind:PATH`` without repeats.

    Raises:
        DataError: the source cannot be read or has no passages; a row cannot be read, has no text, or is not UTF-8.
    """
    kind, _ = _parse(_articles(source)[0])
    if kind is not None:
        return read_corpus([source], rules)
    bad_rows = BadRows(rules.skip_bad_rows)
    reading = _Reading(rules, bad_rows, DocumentTally.from_rules(rules))
    return (passage for _, passage in _all_located([source], reading))


def read_corpus(
    sources: Iterable[str],
    rules: ReadRules = UTF8_RULES,
    bad_rows: BadRows | None = None,
    documents: DocumentTally | None = None,
    *,
    rows_only: bool = False,
) -> UniquePassages:
    """Return the passages of all sources as one stream without repeats.

    Args:
        sources: the sources, read one after the other.
        rules: how to read them.
        bad_rows: counts the bad rows, if the caller wants to see or add some.
        documents: counts the documents, those that cannot be read too.
        rows_only: read no documents; a source may then have nothing.

    Raises:
        DataError: during the iteration, as `read_passages`, or if two different passages share an id. Bad rows are
            refused together at the end of the last source.
    """
    bad_rows = bad_rows or BadRows(rules.skip_bad_rows)
    tally = documents or DocumentTally.from_rules(rules, warns=bad_rows.warns)
    reading = _Reading(rules, bad_rows, tally, rows_only=rows_only)
    return UniquePassages(_all_located(sources, reading), reading.intake, rules.only)


@checks_types()
def read_examples(source: str, rules: ReadRules = UTF8_RULES) -> Examples:
    """Return the questions of ``kind:PATH`` or ``kind:PATH@FIRST:LAST`` with their labelled passages, in order.

    Raises:
        DataError: the source cannot be read or has no questions; a question cannot be read, an answer is not at its
            offset, or two different questions share an id. Bad questions are refused together.
    """
    name, articles = _articles(source)
    kind, path = _parse(name)
    if kind is None:
        kinds = ", ".join(f"{name}:" for name in KINDS)
        raise DataError(f"{source}: is not a source of questions; put its kind before it, one of {kinds}")
    bad_rows = BadRows(rules.skip_bad_rows)
    return Examples(kind.examples(path, Intake(rules.encoding, bad_rows.add)), path, articles, bad_rows)


@dataclass(frozen=True, slots=True)
class _Reading:
    """How sources are read, and the counts of what cannot be."""

    rules: ReadRules
    bad_rows: BadRows
    documents: DocumentTally
    left_out: LeftOut = field(default_factory=LeftOut)
    rows_only: bool = False

    @property
    def intake(self) -> Intake:
        return Intake(self.rules.encoding, self.bad_rows.add, self.left_out)

    @property
    def is_partial(self) -> bool:
        """Whether a source may have nothing of what is read."""
        return self.rows_only or self.rules.only is not None


def document_files(source: str, rules: ReadRules = UTF8_RULES) -> list[SourceFile]:
    """Return the documents of a source; a file of rows is none.

    Raises:
        DataError: as `files_of`.
    """
    kind, path = _parse(_articles(source)[0])
    return [] if kind is not None else [file for file in source_files(path, rules) if file.document_ending]


def files_of(source: str, rules: ReadRules = UTF8_RULES) -> list[Path]:
    """Return the files of a source's passages.

    Raises:
        DataError: a kind is unknown, or a folder has no file of passages.
    """
    kind, path = _parse(_articles(source)[0])
    if kind is None:
        return [file.path for file in source_files(path, rules)]
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def _articles(source: str) -> tuple[str, Articles | None]:
    """Return a source without its articles, and the first and the last (exclusive) article if it names some."""
    match = _ARTICLES.fullmatch(source)
    if match is None or is_there(as_on_disk(Path(source))):
        return source, None
    name, *ends = match.groups()
    if _KIND_AND_PATH.fullmatch(name) is None or is_there(as_on_disk(Path(name))):
        raise DataError(f"{source}: only a kind:PATH has articles to select; index the whole file, or split it")
    first, last = (int(end) if end else None for end in ends)
    return name, (first, last)


def _parse(source: str) -> tuple[Kind | None, Path]:
    if not source.strip():
        raise DataError(f"the source {source!r} is empty; name a file, a folder or kind:PATH")
    match = _KIND_AND_PATH.fullmatch(source)
    if match is None or is_there(as_on_disk(Path(source))):
        return None, _path(source)
    name, path = match.groups()
    if address_of(source) or path == "-":
        raise DataError(
            f"{source.partition('?')[0]}: is no file of this machine; dpr-index build, add, upsert, sync and estimate "
            "read such sources; save it as a file for other commands"
        )
    if name not in KINDS:
        raise DataError(f"{source}: unknown kind {name!r}; use one of {', '.join(KINDS)}, or the path of a file alone")
    return KINDS[name], _path(path)


def _path(name: str) -> Path:
    path = as_on_disk(Path(name))
    try:
        path.exists()
    except (OSError, ValueError) as error:  # such as a name that is too long for the disk
        raise DataError.at(path, None, f"cannot be opened: {getattr(error, 'strerror', None) or error}") from None
    return path


def _all_located(sources: Iterable[str], reading: _Reading) -> LocatedPassages:
    """Yield the passages of all sources with their locations, then refuse the bad rows and documents."""
    bad_rows, documents = reading.bad_rows, reading.documents
    for source in sources:
        before, is_empty = bad_rows.count + documents.bad.count, True
        for location, passage in _read_source(source, reading):
            is_empty = is_empty and not passage.text.strip()
            yield location, passage
        if is_empty and not reading.is_partial:
            bad_rows.refuse()
            documents.bad.refuse()
            bad = bad_rows.count + documents.bad.count - before
            unit = "document" if documents.bad.count else "row"
            left_out = "" if not bad else f"; all of its {bad:,} {unit}s are bad" if bad > 1 else f"; its {unit} is bad"
            listing = bad_rows.listing() or documents.bad.listing()
            raise EmptyCorpusError(
                f"{shown_path(source)}: the corpus is empty; it has no passage to index{left_out}{listing}"
            )
    bad_rows.refuse()
    documents.bad.refuse()
    bad_rows.log(logger)
    documents.log(logger)
    if bad_rows.warns:
        reading.left_out.log(logger)


def _read_source(source: str, reading: _Reading) -> LocatedPassages:
    name, articles = _articles(source)
    kind, path = _parse(name)
    if kind is None:
        return _file_passages(path, reading)
    if articles is None:
        return kind.passages(path, reading.intake)
    return _article_passages(kind, path, articles, reading.intake)


def _article_passages(kind: Kind, path: Path, articles: Articles, intake: Intake) -> LocatedPassages:
    """Yield the passages of some articles, which are numbered in the order of the questions."""
    silent = BadRows(skip=True, warns=False)  # the second reading reports them, or they are questions
    examples = Examples(kind.examples(path, Intake(intake.encoding, silent.add)), path, articles, silent)
    articles_of_questions = set(map(article_of_question, examples))
    for location, passage in kind.passages(path, intake):
        if article_of(with_composed_names(passage)) in articles_of_questions:
            yield location, passage


def _file_passages(path: Path, reading: _Reading) -> LocatedPassages:
    """Yield the rows and the documents of a path, in the order of its files."""
    files = source_files(path, reading.rules, reading.documents.other_files)
    if reading.rows_only:
        files = [file for file in files if not file.document_ending]
    elif reading.rules.only is not None:
        only = frozenset(reading.rules.only)
        files = [file for file in files if not file.document_ending or file.name in only]
    reading.documents.total += sum(bool(file.document_ending) for file in files)
    for are_documents, group in groupby(files, key=lambda file: bool(file.document_ending)):
        if are_documents:
            yield from read_documents(list(group), reading.rules, reading.documents)
            continue
        for file in group:
            yield from located_passages(file.path, reading.intake)
