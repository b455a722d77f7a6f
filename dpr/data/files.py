"""Open data files; every error is a sentence with the file and the line.

Files are UTF-8 unless another encoding is given; names with the ending ``.gz`` or ``.zst`` are decompressed. Lines and
files that are read as a whole have a maximal size, so that decompression bombs are refused in bounded memory.
"""

from __future__ import annotations

import codecs
import gzip
import io
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

import pyarrow as pa

from dpr.data.intake import STRICT, Intake, WholeFileError
from dpr.documents.text_files import looks_like_cp949
from dpr.errors import DataError, shown_path
from dpr.unicode_form import as_on_disk

LARGEST_LINE_BYTES = 1 << 25
"""The largest line, or object in a list; no passage has 32 MiB."""

MOST_BLANK_LINES = 1 << 20
"""Of blank lines that follow each other: a file of more is no data, and millions would be read for minutes."""

LARGEST_FILE_BYTES = 1 << 30
"""The largest file that is read as a whole, after decompression."""

LARGEST_RATIO = 100
"""The largest ratio of decompressed to compressed size; text compresses to a third or a tenth."""

RATIO_COUNTS_FROM_BYTES = 1 << 26
"""Smaller decompressed files may have any ratio."""

GZIP, ZSTD = PACKED_ENDINGS = (".gz", ".zst")

_OTHER_FORMATS: Mapping[bytes, str] = {
    b"\x1f\x8b": "gzip data; let its name end in .gz",
    b"\x28\xb5\x2f\xfd": "zstd data; let its name end in .zst",
    b"BZh91AY&SY": "bzip2 data; decompress it, or compress it with gzip or zstd",
    b"\xfd7zXZ\x00": "xz data; decompress it, or compress it with gzip or zstd",
    b"PK\x03\x04": "a ZIP archive, as Excel's files are; unpack it, or save the table as CSV",
    b"PAR1": "Parquet; let its name end in .parquet",
}
"""Formats of files by their first bytes, with the remedy."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Location:
    """The location of a record: a file, and a line (or, with another ``unit``, a row) from 1."""

    path: Path
    number: int | None = None
    unit: str = "line"

    def __str__(self) -> str:
        shown = shown_path(self.path)
        return shown if self.number is None else f"{shown}, {self.unit} {self.number}"

    def error(self, cause: str) -> DataError:
        """Return an error that names this location."""
        return DataError.at(str(self), None, cause)


def with_packed(endings: Iterable[str]) -> tuple[str, ...]:
    """Return endings of names with those of compressed files."""
    return tuple(ending + packed for ending in endings for packed in ("", *PACKED_ENDINGS))


def is_hidden(path: Path) -> bool:
    """Tell whether a file of a folder is not the user's: macOS puts ``._corpus.jsonl`` beside ``corpus.jsonl``."""
    return path.name.startswith(".")


def open_binary(path: Path) -> BinaryIO:
    """Open a file for reading, decompressed.

    Raises:
        DataError: it does not exist, is a folder, or may not be read.
    """
    path = as_on_disk(path)
    try:
        if path.suffix.lower() == GZIP:
            return cast("BinaryIO", gzip.open(path, "rb"))
        if path.suffix.lower() == ZSTD:
            return cast("BinaryIO", io.BufferedReader(pa.input_stream(path, compression="zstd")))
        return path.open("rb")
    except FileNotFoundError:
        raise DataError.at(path, None, "no such file; check the path") from None
    except IsADirectoryError:
        raise DataError.at(path, None, "is a folder; name a file") from None
    except OSError as error:
        raise DataError.at(path, None, f"cannot be opened: {error.strerror or error}") from None


def largest_unpacked_bytes(path: Path) -> int:
    """Return how many bytes a file may decompress to."""
    return max(RATIO_COUNTS_FROM_BYTES, LARGEST_RATIO * as_on_disk(path).stat().st_size)


def too_large_unpacked(path: Path) -> WholeFileError:
    """Return the error of a file that decompresses to more than `largest_unpacked_bytes`."""
    cause = f"decompresses to more than {LARGEST_RATIO} times its size; decompress it and check it"
    return WholeFileError(str(DataError.at(path, None, cause)))


class _Unpacked(io.RawIOBase):
    """A decompressed file, up to the largest ratio."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file = cast("io.BufferedIOBase", file)
        self._path = path
        self._size_bytes = 0
        self._largest_bytes = largest_unpacked_bytes(path)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # any writable buffer, as RawIOBase says
        count = self._file.readinto(buffer)
        self._size_bytes += count
        if self._size_bytes > self._largest_bytes:
            raise too_large_unpacked(self._path)
        return count


class _AsUtf8(io.RawIOBase):
    """A binary file in another encoding, read as UTF-8."""

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        self._text = io.TextIOWrapper(file, encoding, newline="")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # any writable buffer, as RawIOBase says
        encoded = self._text.read(max(1, len(buffer) // 4)).encode("utf-8")  # a character has at most 4 bytes
        buffer[: len(encoded)] = encoded
        return len(encoded)


@contextmanager
def reading(path: Path, encoding: str = "utf-8") -> Iterator[io.BufferedReader]:
    """Yield an open file as UTF-8, converted from its ``encoding``; UTF-8 itself is not checked.

    Raises:
        DataError: in the block, if the file is truncated, damaged, or not in the encoding.
        WholeFileError: it has another format, or decompresses to more than `LARGEST_RATIO` times its size.
    """
    with open_binary(path) as file:
        try:
            is_packed = path.suffix.lower() in PACKED_ENDINGS
            binary: io.BufferedReader = io.BufferedReader(
                _Unpacked(file, path) if is_packed else cast("io.RawIOBase", file), 1 << 16
            )
            beginning = binary.peek(1)
            for magic, format_name in _OTHER_FORMATS.items():
                if beginning.startswith(magic):
                    raise WholeFileError.at(path, None, f"is not text but {format_name}")
            is_utf8 = codecs.lookup(encoding).name == "utf-8"
            yield binary if is_utf8 else io.BufferedReader(_AsUtf8(binary, encoding), 1 << 16)
        except UnicodeError as error:
            remedy = "cp949, which extends it," if codecs.lookup(encoding).name == "euc_kr" else "another"
            cause = f"is not in the encoding {encoding} ({error}); name {remedy} with --encoding, or save it as UTF-8"
            raise WholeFileError.at(path, None, cause) from None
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError.at(path, None, f"the gzip data is truncated or damaged ({error}); fetch it again") from None
        except OSError as error:
            if path.suffix.lower() == ZSTD and error.strerror is None:  # of the decompression, not of the disk
                cause = f"the zstd data is truncated or damaged ({error}); fetch it again"
                raise DataError.at(path, None, cause) from None
            raise DataError.at(path, None, f"cannot be read: {error.strerror or error}") from None


def decode(raw: bytes | bytearray, location: Location) -> str:
    """Decode UTF-8.

    Raises:
        DataError: the bytes are not UTF-8.
        WholeFileError: they look like another encoding, such as UTF-16 with its NUL characters.
    """
    refuse_nul(raw, location)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise not_utf8(error, location, f" at position {error.start}") from None


def refuse_nul(raw: bytes | bytearray, location: Location) -> None:
    """Refuse a NUL character.

    Raises:
        WholeFileError: there is a NUL character.
    """
    if b"\0" in raw:
        cause = "has a NUL character, as in UTF-16; give --encoding utf-16, or save the file as UTF-8"
        raise WholeFileError(f"{location}: {cause}")


def not_utf8(error: UnicodeDecodeError, location: Location, where: str = "") -> DataError:
    """Return the error for bytes that are not UTF-8, with the encoding that they look like."""
    cause = f"is not UTF-8 (byte 0x{error.object[error.start]:02x}{where})"
    if b"\0" in error.object:
        return WholeFileError(f"{location}: {cause}; it looks like UTF-16: give --encoding utf-16, or save it as UTF-8")
    if looks_like_cp949(error.object):
        remedy = "it looks like Korean in cp949 (euc-kr): give --encoding cp949, or save the file as UTF-8"
        return WholeFileError(f"{location}: {cause}; {remedy}")
    return location.error(f"{cause}; give its --encoding, or save the file as UTF-8")


def read_text(path: Path, encoding: str = "utf-8") -> str:
    """Read a whole file, for formats that cannot be read as a stream.

    Raises:
        DataError: it cannot be read, or is too large.
    """
    content = bytearray()
    with reading(path, encoding) as file:
        while block := file.read(_BLOCK_BYTES):
            content += block
            if len(content) > LARGEST_FILE_BYTES:
                size = f"{LARGEST_FILE_BYTES >> 20:,} MiB"
                cause = f"has more than {size}, but its format is read as a whole; split it"
                raise DataError.at(path, None, cause)
    if content.startswith(_BYTE_ORDER_MARK):
        del content[: len(_BYTE_ORDER_MARK)]
    return decode(content, Location(path))


def raw_lines(path: Path, encoding: str = "utf-8") -> Iterator[tuple[Location, bytes]]:
    r"""Yield each line with its line end, as UTF-8 and without a byte order mark, which joined files have inside.

    Lines end with ``\n`` or ``\r\n``, or with ``\r`` if the file begins with more of these than of ``\n``.

    Raises:
        DataError: the file cannot be read, a line has more than `LARGEST_LINE_BYTES`, or more than `MOST_BLANK_LINES`
            are blank in a row.
    """
    blank_lines = 0
    with reading(path, encoding) as file:
        beginning = file.peek(1)
        lone = beginning.count(b"\r") - beginning.count(b"\r\n")
        lf_lines = iter(partial(file.readline, LARGEST_LINE_BYTES + 1), b"")
        lines = _cr_lines(file) if lone > beginning.count(b"\n") else lf_lines
        for number, raw in enumerate(lines, start=1):
            location = Location(path, number)
            if len(raw) > LARGEST_LINE_BYTES:
                raise WholeFileError(
                    f"{location}: has more than {LARGEST_LINE_BYTES >> 20} MiB; split it into more rows"
                )
            blank_lines = blank_lines + 1 if raw.isspace() else 0
            if blank_lines > MOST_BLANK_LINES:
                raise WholeFileError(
                    f"{location}: ends more than {MOST_BLANK_LINES:,} blank lines in a row; remove them"
                )
            yield location, raw.removeprefix(_BYTE_ORDER_MARK)


def _cr_lines(file: io.BufferedReader) -> Iterator[bytes]:
    incomplete = b""
    while len(incomplete) <= LARGEST_LINE_BYTES and (block := file.read(_BLOCK_BYTES)):
        *lines, incomplete = (incomplete + block).split(b"\r")
        for line in lines:
            yield line + b"\r"
    if incomplete:
        yield incomplete


def read_lines(path: Path, intake: Intake = STRICT) -> Iterator[tuple[Location, str]]:
    """Yield each line that is not blank, without its line end; a line that cannot be decoded is a bad row.

    Raises:
        DataError: as `raw_lines` and `decode`.
    """

    def text(line: tuple[Location, bytes]) -> tuple[Location, str]:
        location, raw = line
        return location, decode(raw, location).rstrip("\r\n")

    for location, line in intake.sift(text, raw_lines(path, intake.encoding)):
        if line and not line.isspace():
            yield location, line


@contextmanager
def replacing(path: Path) -> Iterator[TextIO]:
    """Yield a file to write, which replaces ``path`` at the end of the block; an error leaves no trace."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
