"""What may be changed of an index over HTTP: a document put, or deleted; and the lines that both are kept as."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from dpr.data.files import Location
from dpr.data.intake import LeftOut
from dpr.data.record import Record, type_name
from dpr.data.rows import passage_of
from dpr.errors import DataError, RequestError
from dpr.metadata import Metadata, json_metadata
from dpr.unicode_form import composed
from service.errors import TooManyLinesError
from service.requests import MAX_ID_CHARACTERS

FIELDS = ("id", "title", "text", "metadata")
_HIDDEN = (
    r"\u0000-\u001f\u007f-\u00a0\u00ad\u0600-\u0605\u061c\u06dd\u070f\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f"
    r"\u3000\ue000-\uf8ff\ufeff\ufff9-\uffff"
)
"""What no id has: controls, signs of formatting, blanks but the space, and code points for private use."""

ID_PATTERN = rf"^[^{_HIDDEN} ](?:[^{_HIDDEN}]*[^{_HIDDEN} ])?$"
"""What an id looks like, for schemas too: characters that print, and no blank around them."""

GOOD_ID = re.compile(ID_PATTERN)
MAX_LINES = 50_000
"""Lines of one import; a body of nothing but bad ones takes a second, and seventy times its memory for the answers."""


@dataclass(frozen=True, slots=True)
class Change:
    """A document to put in place of all that the index has of that id; or, without a text, to delete."""

    id: str
    text: str | None = None
    title: str = ""
    metadata: Metadata = field(default_factory=dict, hash=False)

    def to_json(self) -> bytes:
        """Return the change as one line."""
        fields = {"id": self.id, "text": self.text, "title": self.title, "metadata": json_metadata(self.metadata)}
        return orjson.dumps({name: value for name, value in fields.items() if value not in (None, {})}) + b"\n"

    @classmethod
    def from_json(cls, line: bytes) -> Change:
        """Read a line of `to_json`."""
        return cls(**orjson.loads(line))


@dataclass(frozen=True, slots=True)
class Line:
    """A line of an import: its number from 1, and what it asks for, or why it is refused."""

    number: int
    change: Change | None
    error: str = ""


def checked_id(document_id: str) -> str:
    """Return the id of a document as it is stored, in NFC.

    Raises:
        RequestError: it is empty, too long, or has a character that is none of a name.
    """
    if not document_id.strip():
        raise RequestError("the id is empty; give the document an id", "id")
    if len(document_id) > MAX_ID_CHARACTERS:
        raise RequestError(
            f"the id has {len(document_id):,} characters, over the limit of {MAX_ID_CHARACTERS:,}; shorten it", "id"
        )
    if not GOOD_ID.fullmatch(document_id):
        raise RequestError("the id has a character that does not print, or a blank around it; remove it", "id")
    return composed(document_id)


def put_change(document_id: str, title: str, text: str, metadata: Mapping[str, object] | None = None) -> Change:
    """Return the change that puts a document.

    Raises:
        RequestError: the id, the title, the text or a field cannot be indexed.
    """
    fields = {"id": document_id, "title": title, "text": text, "metadata": metadata}
    try:
        return _document(fields, Location(Path("the document"), None))
    except DataError as error:
        raise RequestError(str(error), "text") from None


def read_lines(body: bytes) -> Iterator[Line]:
    """Yield what each line of an import asks for; blank lines are left out.

    Raises:
        TooManyLinesError: there are more than `MAX_LINES`.
    """
    if (lines := body.rstrip(b"\n").count(b"\n") + 1) > MAX_LINES:
        raise TooManyLinesError(
            f"the import has {lines:,} lines, over the limit of {MAX_LINES:,}; send it in several requests", "body"
        )
    for number, line in enumerate(body.split(b"\n"), start=1):
        if not line.strip():
            continue
        location = Location(Path("the import"), number)
        try:
            yield Line(number, _document(_fields(line), location))
        except (DataError, RequestError) as error:
            yield Line(number, None, str(error).removeprefix(f"{location}: "))  # the response has the number beside it


def _fields(line: bytes) -> Mapping[str, Any]:
    try:
        fields = orjson.loads(line)
    except ValueError as error:
        raise DataError(f"it is not JSON in UTF-8 ({error}); write one object with id and text") from None
    if not isinstance(fields, dict):
        raise DataError(f"it is {type_name(fields)} where an object with id and text is expected")
    if unknown := sorted(fields.keys() - set(FIELDS)):
        raise DataError(f"{unknown[0]!r} is no field of a document; use {', '.join(FIELDS)}")
    return fields


def _document(fields: Mapping[str, Any], location: Location) -> Change:
    """Return the change that puts a document, which is checked as a row of a corpus is."""
    record = Record(fields, location)
    document_id = checked_id(record.required("id", str))
    left_out = LeftOut()
    passage = passage_of(Record({**fields, "id": document_id}, location), left_out)
    if left_out.rows:
        name, reason = next(iter(left_out.rows))
        raise DataError(f"the field {name!r} is {reason}; give a string, a number, true, false or a list of strings")
    try:
        f"{passage.title}{passage.text}".encode()
    except UnicodeEncodeError:
        raise DataError("the text or the title has half of a surrogate pair, which is not text; remove it") from None
    return Change(passage.id, passage.text, passage.title, passage.metadata)
