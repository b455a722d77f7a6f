"""Opening data files, so that whatever is wrong with one is a sentence with its name and line.

Everything is UTF-8; a name that ends in ``.gz`` or ``.zst`` is decompressed on the way.
"""

from __future__ import annotations

import gzip
import io
import os
import unicodedata
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO, cast

import pyarrow as pa

from dpr.errors import DataError

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record stands: a file, and its line (or, with another ``unit``, its row) from 1."""

    path: Path
    number: int | None = None
    unit: str = "line"

    def __str__(self) -> str:
        return str(self.path) if self.number is None else f"{self.path}, {self.unit} {self.number}"

    def error(self, cause: str) -> DataError:
        """Build the error that names this place."""
        return DataError.at(str(self), None, cause)


def as_on_disk(path: Path) -> Path:
    """Return a path as the disk writes it: a name in another Unicode form (macOS decomposes names) is the same name."""
    if str(path).isascii() or path.exists():
        return path
    folder = as_on_disk(path.parent)
    if not folder.is_dir() or not os.access(folder, os.R_OK):
        return path
    name = unicodedata.normalize("NFC", path.name)
    same = (entry for entry in folder.iterdir() if unicodedata.normalize("NFC", entry.name) == name)
    return next(same, folder / path.name)


def open_binary(path: Path) -> BinaryIO:
    """Open a file for reading, decompressed.

    Raises:
        DataError: it does not exist, is a folder, or may not be read.
    """
    path = as_on_disk(path)
    try:
        if path.suffix == ".gz":
            return cast("BinaryIO", gzip.open(path, "rb"))
        if path.suffix == ".zst":
            return cast("BinaryIO", io.BufferedReader(pa.input_stream(path, compression="zstd")))
        return path.open("rb")
    except FileNotFoundError:
        raise DataError.at(path, None, "no such file") from None
    except IsADirectoryError:
        raise DataError.at(path, None, "is a folder where a file is expected") from None
    except OSError as error:
        raise DataError.at(path, None, f"cannot be opened: {error.strerror or error}") from None


@contextmanager
def reading(path: Path) -> Iterator[BinaryIO]:
    """Give an open file; reading a truncated or damaged one in the block raises DataError."""
    with open_binary(path) as file:
        try:
            yield file
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError.at(path, None, f"the gzip data is truncated or damaged ({error}); fetch it again") from None
        except OSError as error:
            if path.suffix == ".zst" and error.strerror is None:  # of the decompression, not of the disk
                cause = f"the zstd data is truncated or damaged ({error}); fetch it again"
                raise DataError.at(path, None, cause) from None
            raise DataError.at(path, None, f"cannot be read: {error.strerror or error}") from None


def decode(raw: bytes, place: Place) -> str:
    """Decode UTF-8.

    Raises:
        DataError: the bytes are in another encoding. A NUL counts as that: it is what UTF-16 looks like here.
    """
    if b"\0" in raw:
        raise place.error("holds a NUL character, as UTF-16 text does; save the file as UTF-8")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        bad = f"byte 0x{raw[error.start]:02x} at position {error.start}"
        raise place.error(f"is not UTF-8 ({bad}); save the file as UTF-8") from None


def read_text(path: Path) -> str:
    """Read a whole file as UTF-8; for files whose format cannot be read piece by piece."""
    with reading(path) as file:
        return decode(file.read().removeprefix(_BYTE_ORDER_MARK), Place(path))


def read_lines(path: Path) -> Iterator[tuple[Place, str]]:
    r"""Yield each line that is not blank, without its end; lines end with ``\n`` or ``\r\n`` alone."""
    with reading(path) as file:
        for number, raw in enumerate(file, start=1):
            place = Place(path, number)
            line = decode(raw.removeprefix(_BYTE_ORDER_MARK) if number == 1 else raw, place).rstrip("\r\n")
            if line and not line.isspace():
                yield place, line


@contextmanager
def replacing(path: Path) -> Iterator[TextIO]:
    """Give a file to write that takes the place of ``path`` when the block ends well, and else leaves no trace."""
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
