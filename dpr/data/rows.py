"""Read files with one record a row as a stream: JSON lines, tables as text, Parquet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path, PurePath

from dpr.data import parquet, tables
from dpr.data.fields import metadata_of
from dpr.data.files import PACKED_ENDINGS, Location, read_lines, with_packed
from dpr.data.identity import content_id
from dpr.data.intake import STRICT, Intake, LeftOut, WholeFileError
from dpr.data.record import Record, parse_record
from dpr.data.table_header import Header
from dpr.documents.formats import FORMATS as DOCUMENT_FORMATS
from dpr.errors import DataError
from dpr.types import Passage

TEXT_NAMES = ("text", "passage", "contents", "content", "body", "본문", "내용")
TITLE_NAMES = ("title", "제목")
ID_NAMES = ("id", "_id", "pid", "docid", "번호")

_POSITION_NAMES = ("document_id", "start")

_PASSAGE_COLUMNS = (*ID_NAMES, *TEXT_NAMES, *TITLE_NAMES, *_POSITION_NAMES)

PASSAGE_HEADER = Header(
    key="text",
    needs={"text": frozenset(TEXT_NAMES)},
    headerless=("id", "text", "title"),
    other_names=frozenset((*ID_NAMES, *TITLE_NAMES, *_POSITION_NAMES)),
)
"""The header of a table of passages; without one, columns are those of DPR's passages."""

_QA_ENDINGS = with_packed((".qa.csv", ".qa.tsv"))


def read_jsonl(path: Path, intake: Intake = STRICT) -> Iterator[Record]:
    """Yield the object of each line."""
    return intake.sift(lambda line: parse_record(line[1], line[0]), read_lines(path, intake))


def read_tsv(path: Path, intake: Intake = STRICT, header: Header = PASSAGE_HEADER) -> Iterator[Record]:
    """Yield each row of tab-separated values under its column names: see `dpr.data.tables.read_tsv`."""
    return tables.read_tsv(path, header, intake)


def read_csv(path: Path, intake: Intake = STRICT, header: Header = PASSAGE_HEADER) -> Iterator[Record]:
    """Yield each row of comma-separated values under its column names: see `dpr.data.tables.read_csv`."""
    return tables.read_csv(path, header, intake)


def read_parquet(path: Path, _intake: Intake = STRICT) -> Iterator[Record]:
    """Yield each row with its column names: see `dpr.data.parquet.read_parquet`."""
    return parquet.read_parquet(path, _PASSAGE_COLUMNS, TEXT_NAMES)


RowReader = Callable[[Path, Intake], Iterator[Record]]

_TEXT_FORMATS: dict[str, RowReader] = {".jsonl": read_jsonl, ".tsv": read_tsv, ".csv": read_csv}

ROW_FORMATS: dict[str, RowReader] = {
    **{packed: read for ending, read in _TEXT_FORMATS.items() for packed in with_packed((ending,))},
    ".parquet": read_parquet,
}
"""The reader of a file by its ending. A new format is one more entry."""


def listed_formats() -> str:
    """Return a phrase with the endings, without those of compressed files: ``.jsonl, .tsv or .csv``."""
    *first_endings, last = [ending for ending in ROW_FORMATS if not ending.endswith(PACKED_ENDINGS)]
    return f"{', '.join(first_endings)} or {last}"


def row_format(path: PurePath) -> str | None:
    """Return the ending of ROW_FORMATS that a file has, or None."""
    return next((ending for ending in ROW_FORMATS if path.name.lower().endswith(ending)), None)


def read_rows(path: Path, intake: Intake = STRICT) -> Iterator[Record]:
    """Yield the records of one file, by the format of its ending.

    Raises:
        DataError: an unknown ending, or a row that cannot be read.
    """
    ending = row_format(path)
    if ending is None:
        endings = ", ".join([*ROW_FORMATS, *DOCUMENT_FORMATS])
        cause = f"unknown file ending; use one of {endings}, or put a kind before a QA file, as in squad:{path.name}"
        raise DataError.at(path, None, cause)
    if path.name.lower().endswith(_QA_ENDINGS):
        raise WholeFileError.at(
            path, None, f"has the name of a file of questions without passages; read it as dpr:{path.name}"
        )
    return ROW_FORMATS[ending](path, intake)


def located_passages(path: Path, intake: Intake) -> Iterator[tuple[Location, Passage]]:
    """Yield the passage of each row of a file with its location; see `read_rows` and `passage_of`."""
    rows = read_rows(path, intake)
    return intake.sift(lambda record: (record.location, passage_of(record, intake.left_out)), rows)


def has_text(record: Record) -> bool:
    """Tell whether a row has a text, under one of `TEXT_NAMES`.

    Raises:
        DataError: it is not a string, or several fields may be the text.
    """
    return bool(record.optional(_text_name(record), str, "").strip())


def passage_of(record: Record, left_out: LeftOut | None = None) -> Passage:
    """Return the passage of a row.

    Only the text is required, as ``text`` or else one of `TEXT_NAMES`. Optional fields are the id and the title
    (`ID_NAMES`, `TITLE_NAMES`), ``document_id`` and ``start``. A row without an id gets that of its content. Further
    fields are the passage's metadata; ``left_out`` counts those of other types: see `dpr.data.fields.metadata_of`.
    """
    text_name = _text_name(record)
    text = record.text(text_name)
    start = _start(record)
    own_names = {text_name, record.first_present(ID_NAMES), record.first_present(TITLE_NAMES), *_POSITION_NAMES}
    has_start = record.value("start") is not None
    if has_start and record.value("end") == start + len(text):  # the end of the passage, as `Passage.to_dict` writes it
        own_names.add("end")
    return Passage(
        id=record.identifier(*ID_NAMES) or content_id(text),
        text=text,
        title=title_of(record),
        document_id=record.identifier("document_id"),
        start=start,
        metadata=metadata_of(record, own_names, left_out),
    )


def title_of(record: Record) -> str:
    """Return the title of a row, under one of `TITLE_NAMES`; empty without one.

    Raises:
        DataError: it is not a string.
    """
    return record.optional(record.first_present(TITLE_NAMES), str, "").strip()


def _text_name(record: Record) -> str:
    first, *alternatives = TEXT_NAMES
    if record.value(first) is not None:
        return first
    names = [name for name in alternatives if record.value(name) is not None]
    if len(names) > 1:
        raise record.error(f"its text may be {' or '.join(map(repr, names))}; rename one of them to {first!r}")
    return names[0] if names else first


def _start(record: Record) -> int:
    """Return the offset, which is text in a table."""
    digits = record.identifier("start") or "0"
    if not digits.isdecimal():
        raise record.error(f"'start' is {digits!r}; it must be a whole number from 0")
    return int(digits)
