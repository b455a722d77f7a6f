"""Documents as a source: each file becomes one `Document`, whose text `dpr.data.document_chunks` cuts into passages."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from dpr.data.digests import file_digest
from dpr.data.files import PACKED_ENDINGS, Location, reading
from dpr.data.intake import DocumentTally, ReadRules
from dpr.data.source_files import SourceFile
from dpr.documents.document import BlockSpan, Converted, Value, first_heading, outline
from dpr.documents.formats import require_packages
from dpr.documents.pool import Request, convert_all
from dpr.durable import naming_a_full_disk
from dpr.errors import DataError, DocumentError, shown_path
from dpr.metadata import MetadataValue
from dpr.types import Passage
from dpr.unicode_form import composed

SOURCE, PAGE, LAST_PAGE, SECTION = LOCATION_FIELDS = ("source", "page", "last_page", "section")
"""The fields that say where a passage of a document stands: its file, pages, and headings."""

_OWN_NAMES = frozenset(("id", "text", "title", "document_id", "start", *LOCATION_FIELDS))

_BLOCK_BYTES = 1 << 20

_ISO_DATE_CHARACTERS = len("2026-01-31")


@dataclass(frozen=True, slots=True, repr=False)
class Document(Passage):
    """The whole text of a file as one passage, its blocks in order with pages and headings, and the file's hash."""

    spans: tuple[BlockSpan, ...] = ()
    digest: str = ""


def read_documents(
    files: Sequence[SourceFile], rules: ReadRules, tally: DocumentTally
) -> Iterator[tuple[Location, Document]]:
    """Yield the documents of files in their order; one that cannot be read is counted, with the reason.

    Raises:
        MissingDependencyError: a package that a file needs is not installed.
    """
    require_packages(file.document_ending for file in files)
    digests: dict[SourceFile, str] = {}
    with tempfile.TemporaryDirectory(prefix="dpr-documents-") as folder:
        unpacked = _Unpacked(Path(folder), rules.limits.mib << 20)

        def requests() -> Iterator[Request[SourceFile]]:
            for file in _without_namesakes(files, tally):
                digests[file] = file_digest(file.path)  # before it is read: a file that changes then is read again
                yield Request(file, unpacked.path(file), file.document_ending, rules.encoding)

        for file, result in convert_all(requests(), rules.limits):
            error = unpacked.release(file) or (result if isinstance(result, DocumentError) else None)
            digest = digests.pop(file)
            if error is not None:
                tally.failed[file.name] = digest
                tally.bad.add(DataError.at(file.path, None, str(error)))
            elif isinstance(result, Converted):
                tally.converted += 1
                tally.notes += [f"{shown_path(file.path)}: {note}" for note in result.notes]
                yield Location(file.path), document_of(file.name, result, digest)
            tally.report_one()


def _without_namesakes(files: Sequence[SourceFile], tally: DocumentTally) -> Iterator[SourceFile]:
    """Yield the files whose name in the index no other file had before; one with other content is a bad document."""
    for file in files:
        path = tally.path_of.setdefault(file.name, file.path)
        if path == file.path or file_digest(path) == file_digest(file.path):
            yield file
            continue
        remedy = "rename it, or name a folder above both as the source"
        cause = f"would be {file.name} in the index, as {shown_path(path)} is; {remedy}"
        tally.bad.add(DataError.at(file.path, None, cause))
        tally.report_one()


class _Unpacked:
    """Compressed files, decompressed into a folder for as long as each is converted."""

    def __init__(self, folder: Path, largest_bytes: int) -> None:
        self._folder = folder
        self._largest_bytes = largest_bytes
        self._paths: dict[SourceFile, Path] = {}
        self._errors: dict[SourceFile, DataError] = {}

    def path(self, file: SourceFile) -> Path:
        """Return the path of the decompressed file; why it cannot be had, `release` tells."""
        if file.path.suffix.lower() not in PACKED_ENDINGS:
            return file.path
        path = self._folder / f"{len(self._paths)}{file.document_ending}"
        self._paths[file] = path
        try:
            self._write(file.path, path)
        except DataError as error:
            self._errors[file] = error
        return path

    def release(self, file: SourceFile) -> DataError | None:
        """Remove the decompressed file; return the error of decompressing it, if there was one."""
        if file in self._paths:
            self._paths[file].unlink(missing_ok=True)
        error = self._errors.pop(file, None)
        return error and DataError(str(error).removeprefix(f"{shown_path(file.path)}: "))

    def _write(self, packed: Path, path: Path) -> None:
        with reading(packed) as source:
            size_bytes = 0
            with naming_a_full_disk(path), path.open("wb") as target:
                while block := source.read(_BLOCK_BYTES):
                    size_bytes += target.write(block)
                    if size_bytes > self._largest_bytes:
                        limit = f"{self._largest_bytes >> 20:,} MiB"
                        raise DataError.at(packed, None, f"has more than {limit} unpacked; split it")


def document_of(name: str, converted: Converted, digest: str = "") -> Document:
    """Return the document of a name with its text joined; its title is its own, its first heading's, or its name's."""
    whole = outline(converted.blocks)
    title = converted.title or first_heading(converted.blocks) or _stem(name)
    metadata = {**_metadata(converted.fields), SOURCE: name}
    return Document(name, whole.text, composed(title), name, metadata=metadata, spans=whole.spans, digest=digest)


def _stem(name: str) -> str:
    stem = name.rpartition("/")[2]
    for ending in PACKED_ENDINGS:
        stem = stem.removesuffix(ending)
    return stem.rpartition(".")[0] or stem


def _metadata(fields: Mapping[str, Value]) -> dict[str, MetadataValue]:
    """Return a document's fields as metadata, dates as dates, without those that a passage has anyway."""
    return {
        composed(name): _typed(value)
        for name, value in fields.items()
        if name not in _OWN_NAMES and value not in ("", [])
    }


def _typed(value: Value) -> MetadataValue:
    if isinstance(value, list):
        return [composed(item) for item in value]
    if not isinstance(value, str):
        return value
    if len(value) == _ISO_DATE_CHARACTERS:
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    return composed(value)
