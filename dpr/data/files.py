"""Opening data files, so that whatever is wrong with one is a sentence with its name and line.

Files are UTF-8 unless another encoding is named; a name that ends in ``.gz`` or ``.zst`` is decompressed on the way.
A line and a file that is read whole have a largest size: what unpacks without end is refused in bounded memory.
"""

from __future__ import annotations

import codecs
import gzip
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

import pyarrow as pa

from dpr.data.intake import STRICT, Intake, WholeFileError
from dpr.errors import DataError
from dpr.unicode_form import composed

GZIP, ZSTD = COMPRESSED_ENDINGS = (".gz", ".zst")
"""Endings of compressed files."""

LARGEST_LINE_BYTES = 1 << 25
"""Of a line, or of an object in a list: no passage has 32 MiB."""

LARGEST_FILE_BYTES = 1 << 30
"""Of a file that has to be read whole, unpacked."""

LARGEST_RATIO = 100
"""How many times its size such a file may unpack to; text packs to a third or a tenth."""

RATIO_COUNTS_FROM_BYTES = 1 << 26
"""A file that unpacks to less may have any ratio."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BLOCK_BYTES = 1 << 20


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
    name = composed(path.name)
    same = (entry for entry in folder.iterdir() if composed(entry.name) == name)
    return next(same, folder / path.name)


def open_binary(path: Path) -> BinaryIO:
    """Open a file for reading, decompressed.

    Raises:
        DataError: it does not exist, is a folder, or may not be read.
    """
    path = as_on_disk(path)
    try:
        if path.suffix == GZIP:
            return cast("BinaryIO", gzip.open(path, "rb"))
        if path.suffix == ZSTD:
            return cast("BinaryIO", io.BufferedReader(pa.input_stream(path, compression="zstd")))
        return path.open("rb")
    except FileNotFoundError:
        raise DataError.at(path, None, "no such file") from None
    except IsADirectoryError:
        raise DataError.at(path, None, "is a folder where a file is expected") from None
    except OSError as error:
        raise DataError.at(path, None, f"cannot be opened: {error.strerror or error}") from None


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
    """Give an open file, as UTF-8 whatever its ``encoding``; UTF-8 itself is not checked here.

    Raises:
        DataError: in the block, where the file turns out to be truncated, damaged, or in no such encoding.
    """
    with open_binary(path) as file:
        try:
            is_utf8 = codecs.lookup(encoding).name == "utf-8"
            yield io.BufferedReader(cast("io.RawIOBase", file) if is_utf8 else _AsUtf8(file, encoding), 1 << 16)
        except UnicodeError as error:
            cause = f"is not in the encoding {encoding} ({error}); name another with --encoding, or save it as UTF-8"
            raise WholeFileError.at(path, None, cause) from None
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError.at(path, None, f"the gzip data is truncated or damaged ({error}); fetch it again") from None
        except OSError as error:
            if path.suffix == ZSTD and error.strerror is None:  # of the decompression, not of the disk
                cause = f"the zstd data is truncated or damaged ({error}); fetch it again"
                raise DataError.at(path, None, cause) from None
            raise DataError.at(path, None, f"cannot be read: {error.strerror or error}") from None


def decode(raw: bytes | bytearray, place: Place) -> str:
    """Decode UTF-8.

    Raises:
        DataError: the bytes are not UTF-8.
        WholeFileError: they look like another encoding. A NUL counts as that: it is what UTF-16 looks like here.
    """
    if b"\0" in raw:
        cause = "holds a NUL character, as UTF-16 text does; give --encoding utf-16, or save the file as UTF-8"
        raise WholeFileError(f"{place}: {cause}")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        cause = f"is not UTF-8 (byte 0x{raw[error.start]:02x} at position {error.start})"
        if _looks_like_cp949(raw):
            remedy = "it looks like Korean in cp949 (euc-kr): give --encoding cp949, or save the file as UTF-8"
            raise WholeFileError(f"{place}: {cause}; {remedy}") from None
        raise place.error(f"{cause}; give its --encoding, or save the file as UTF-8") from None


def _looks_like_cp949(raw: bytes | bytearray) -> bool:
    """Tell whether most characters beyond ASCII would be Hangul; those of UTF-8 would be Chinese, or none."""
    others = [character for character in raw.decode("cp949", "replace") if character > "\x7f"]
    return 2 * sum("가" <= character <= "힣" for character in others) > len(others)


def read_text(path: Path, encoding: str = "utf-8") -> str:
    """Read a whole file; for files whose format cannot be read piece by piece.

    Raises:
        DataError: it cannot be read, or is too large, unpacked or by what it unpacks to.
    """
    content = bytearray()
    with reading(path, encoding) as file:
        largest = LARGEST_FILE_BYTES
        if path.suffix in (".gz", ".zst"):
            largest = min(largest, max(RATIO_COUNTS_FROM_BYTES, LARGEST_RATIO * path.stat().st_size))
        while block := file.read(_BLOCK_BYTES):
            content += block
            if len(content) > largest:
                cause = f"holds more than {largest >> 20:,} MiB, and is of a form that is read whole; split it"
                raise DataError.at(path, None, cause)
    if content.startswith(_BYTE_ORDER_MARK):
        del content[: len(_BYTE_ORDER_MARK)]
    return decode(content, Place(path))


def raw_lines(path: Path, encoding: str = "utf-8") -> Iterator[tuple[Place, bytes]]:
    r"""Yield each line with its end, as UTF-8 and without a byte order mark.

    Lines end with ``\n`` or ``\r\n`` alone; where the file begins with more lone ``\r`` than ``\n``, with ``\r``.

    Raises:
        DataError: the file cannot be read, or a line has more than `LARGEST_LINE_BYTES`.
    """
    with reading(path, encoding) as file:
        beginning = file.peek(1)
        lone = beginning.count(b"\r") - beginning.count(b"\r\n")
        lines = _cr_lines(file) if lone > beginning.count(b"\n") else _lf_lines(file)
        for number, raw in enumerate(lines, start=1):
            place = Place(path, number)
            if len(raw) > LARGEST_LINE_BYTES:
                raise WholeFileError(f"{place}: has more than {LARGEST_LINE_BYTES >> 20} MiB; cut it into more rows")
            yield place, raw.removeprefix(_BYTE_ORDER_MARK) if number == 1 else raw


def _lf_lines(file: io.BufferedReader) -> Iterator[bytes]:
    while raw := file.readline(LARGEST_LINE_BYTES + 1):
        yield raw


def _cr_lines(file: io.BufferedReader) -> Iterator[bytes]:
    rest = b""
    while len(rest) <= LARGEST_LINE_BYTES and (block := file.read(_BLOCK_BYTES)):
        *lines, rest = (rest + block).split(b"\r")
        for line in lines:
            yield line + b"\r"
    if rest:
        yield rest


def read_lines(path: Path, intake: Intake = STRICT) -> Iterator[tuple[Place, str]]:
    """Yield each line that is not blank, without its end; a line that cannot be decoded is a bad row.

    Raises:
        DataError: as `raw_lines` and `decode`.
    """

    def text(line: tuple[Place, bytes]) -> tuple[Place, str]:
        place, raw = line
        return place, decode(raw, place).rstrip("\r\n")

    for place, line in intake.sift(text, raw_lines(path, intake.encoding)):
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
