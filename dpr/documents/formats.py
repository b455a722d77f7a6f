"""The formats of documents: a format is a line of the table. Its reader is imported where it is used, in the worker."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import cast

from dpr.documents.document import Converted, Value, clean, clean_blocks
from dpr.errors import DocumentError, MissingDependencyError

EXTRA = "documents"
"""The optional extra with the packages of all formats."""

_ZIP, _OLE, _PDF = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"%PDF-"

_MAGICS: Mapping[bytes, str] = {
    _PDF: "a PDF document; let its name end in .pdf",
    _ZIP: "a ZIP archive, as office files are; let its name end in .docx, .pptx or .hwpx",
    _OLE: "an office file that is encrypted or of an old program; save it without a password, as .docx, .pptx or .hwpx",
    b"\x1f\x8b": "gzip data; let its name end in .gz",
    b"\x28\xb5\x2f\xfd": "zstd data; let its name end in .zst",
    b"\x89PNG": "an image; recognize its text first (OCR)",
    b"\xff\xd8\xff": "an image; recognize its text first (OCR)",
}
"""What a file is by its first bytes, with the remedy."""

_MAGIC_WITHIN = 1024
"""Bytes in which a PDF may begin."""


@dataclass(frozen=True, slots=True)
class DocumentFormat:
    """How files of an ending are read.

    Attributes:
        reader: the module and the function that reads them: ``(path, encoding) -> Converted``.
        package: the importable package that it needs; empty for those that are always there.
        magic: what such a file begins with; empty for text.
    """

    reader: str
    package: str = ""
    magic: bytes = b""


_HTML = DocumentFormat("html:read_html", "selectolax")
_MARKDOWN = DocumentFormat("markdown:read_markdown")

FORMATS: dict[str, DocumentFormat] = {
    ".txt": DocumentFormat("plain:read_plain"),
    ".md": _MARKDOWN,
    ".markdown": _MARKDOWN,
    ".html": _HTML,
    ".htm": _HTML,
    ".pdf": DocumentFormat("pdf:read_pdf", "pypdfium2", _PDF),
    ".docx": DocumentFormat("docx:read_docx", "docx", _ZIP),
    ".pptx": DocumentFormat("pptx:read_pptx", "pptx", _ZIP),
    ".hwpx": DocumentFormat("hwp:read_hwpx", "unhwp", _ZIP),
    ".hwp": DocumentFormat("hwp:read_hwp", "unhwp", _OLE),
}
"""The formats by the endings of names. A new format is a module, and a line here."""


def require_packages(endings: Iterable[str]) -> None:
    """Look for the packages that files of these endings need.

    Raises:
        MissingDependencyError: one is not installed.
    """
    for ending in sorted(set(endings)):
        package = FORMATS[ending].package
        if package and find_spec(package) is None:
            raise MissingDependencyError.extra(package, EXTRA)  # noqa: S610  # not Django's


def convert(path: Path, ending: str, encoding: str) -> Converted:
    """Read a document of the format of an ending; its blocks have texts.

    Raises:
        DocumentError: it cannot be read, is another kind of file, or has no text.
    """
    document_format = FORMATS[ending]
    _check_magic(path, ending, document_format)
    module, _, name = document_format.reader.partition(":")
    reader = getattr(import_module(f"dpr.documents.{module}"), name)
    converted = cast("Converted", reader(path, encoding))
    blocks = clean_blocks(converted.blocks)
    if not blocks:
        raise DocumentError("has no text")
    title = " ".join(clean(converted.title).split())
    return Converted(blocks, title, _clean_fields(converted.fields), converted.notes)


def _clean_fields(fields: Mapping[str, Value]) -> dict[str, Value]:
    return {
        clean(name): [clean(item) for item in value]
        if isinstance(value, list)
        else clean(value)
        if isinstance(value, str)
        else value
        for name, value in fields.items()
    }


def _check_magic(path: Path, ending: str, document_format: DocumentFormat) -> None:
    with path.open("rb") as file:
        beginning = file.read(_MAGIC_WITHIN)
    if not beginning:
        raise DocumentError("is empty")
    magic = document_format.magic
    is_expected = magic in beginning if magic == _PDF else beginning.startswith(magic)
    if is_expected and magic:
        return
    otherwise = "" if is_expected else f"another kind of file than its ending {ending} says; check it"
    if looks_like := next((name for magic, name in _MAGICS.items() if beginning.startswith(magic)), otherwise):
        raise DocumentError(f"is {looks_like}")
