from __future__ import annotations

import bz2
import gzip
import lzma
import tracemalloc
import unicodedata
from pathlib import Path

import pyarrow as pa
import pytest

from dpr.data import files
from dpr.data.files import Location, read_lines, read_text, replacing
from dpr.data.rows import read_rows
from dpr.errors import DataError


def lines_of(path: Path) -> list[str]:
    return [line for _, line in read_lines(path)]


def test_lines_lose_their_ends_and_blank_ones_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_bytes("\ufeff하나\r\n\n  \n둘\u2028x\n셋".encode())
    assert [(place.number, line) for place, line in read_lines(path)] == [(1, "하나"), (4, "둘\u2028x"), (5, "셋")]


def test_a_name_in_another_unicode_form_is_the_same_file(tmp_path: Path) -> None:
    folder = tmp_path / unicodedata.normalize("NFD", "문서")
    folder.mkdir()
    (folder / unicodedata.normalize("NFD", "서울.tsv")).write_text("one\n")
    assert lines_of(tmp_path / "문서" / "서울.tsv") == ["one"]
    with pytest.raises(DataError, match=r"부산\.tsv: no such file"):
        lines_of(tmp_path / "문서" / "부산.tsv")


def test_gzip_is_decompressed(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv.gz"
    path.write_bytes(gzip.compress(b"one\ntwo\n"))
    assert lines_of(path) == ["one", "two"]


def zstd(data: bytes) -> bytes:
    compressed: bytes = pa.compress(data, codec="zstd", asbytes=True)
    return compressed


def test_zstd_is_decompressed(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv.zst"
    path.write_bytes(zstd(b"one\ntwo\n"))
    assert [line for _, line in read_lines(path)] == ["one", "two"]
    with pytest.raises(DataError, match="no such file"):
        list(read_lines(tmp_path / "b.tsv.zst"))


@pytest.mark.parametrize("data", [zstd(bytes(range(1, 128)) * 10)[:40], b"this is no zstd data"])
def test_damaged_zstd_names_the_file(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.tsv.zst"
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"a\.tsv\.zst: the zstd data is truncated or damaged .*; fetch it again"):
        list(read_lines(path))


@pytest.mark.parametrize("keep", [5, 200])
def test_truncated_gzip_names_the_file(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "a.tsv.gz"
    path.write_bytes(gzip.compress(bytes(range(1, 128)) * 10)[:keep][:-1])
    with pytest.raises(DataError, match=r"a\.tsv\.gz: the gzip data is truncated or damaged"):
        lines_of(path)


def test_damaged_gzip_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv.gz"
    path.write_bytes(b"this is no gzip data")
    with pytest.raises(DataError, match=r"a\.tsv\.gz: the gzip data is truncated or damaged"):
        lines_of(path)


@pytest.mark.parametrize("encoding", ["cp949", "euc-kr", "utf-16", "utf-16-le", "latin-1"])
def test_another_encoding_names_the_line(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.jsonl"
    second = "café" if encoding == "latin-1" else "서울"
    path.write_bytes(f"first\n{second}\n".encode(encoding))
    line = 1 if encoding.startswith("utf-16") else 2
    with pytest.raises(DataError, match=rf"a\.jsonl, line {line}: .*save the file as UTF-8"):
        lines_of(path)


def test_missing_file_and_folder_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.jsonl: no such file; check the path$"):
        lines_of(tmp_path / "none.jsonl")
    with pytest.raises(DataError, match="is a folder; name a file"):
        read_text(tmp_path)


def test_place_names_file_and_row() -> None:
    assert str(Location(Path("a.parquet"), 3, unit="row")) == "a.parquet, row 3"
    assert str(Location(Path("a.jsonl"), 3).error("is bad")) == "a.jsonl, line 3: is bad"


def write_half(path: Path) -> None:
    with replacing(path) as file:
        file.write("half of the ne")
        raise RuntimeError("the disk is full")


def test_a_written_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.json"
    with replacing(path) as file:
        file.write("old")
    with pytest.raises(RuntimeError, match="the disk is full"):
        write_half(path)
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def bomb(path: Path, size: int) -> Path:
    data = b"a" * size
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else zstd(data) if path.suffix == ".zst" else data)
    return path


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst", "a.csv.gz", "a.tsv"])
def test_a_line_without_end_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(files, "LARGEST_LINE_BYTES", 1 << 20)
    path = bomb(tmp_path / name, 1 << 25)
    tracemalloc.start()
    with pytest.raises(DataError, match=rf"{name}, line 1: has more than 1 MiB; split it into more rows"):
        list(read_rows(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 23


@pytest.mark.parametrize("name", ["a.json.gz", "a.json.zst"])
def test_a_whole_file_that_unpacks_without_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(files, "RATIO_COUNTS_FROM_BYTES", 1 << 20)
    with pytest.raises(DataError, match=rf"{name}: decompresses to more than 100 times its size"):
        read_text(bomb(tmp_path / name, 1 << 25))
    monkeypatch.setattr(files, "LARGEST_FILE_BYTES", 1 << 19)
    with pytest.raises(DataError, match="has more than 0 MiB"):
        read_text(bomb(tmp_path / "a.json", 1 << 20))


def test_lone_carriage_returns_end_lines_where_nothing_else_does(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"one\rtwo\r\rthree")
    assert [(place.number, line) for place, line in read_lines(path)] == [(1, "one"), (2, "two"), (4, "three")]
    path.write_bytes(b"one\rstill one\ntwo\nthree\n")
    assert lines_of(path) == ["one\rstill one", "two", "three"]


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.csv.zst", "a.TSV.GZ"])
def test_blank_lines_without_end_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(files, "RATIO_COUNTS_FROM_BYTES", 1 << 16)
    path, lines = tmp_path / name, b"\n" * (1 << 20)
    path.write_bytes(zstd(lines) if path.suffix == ".zst" else gzip.compress(lines))
    with pytest.raises(DataError, match=rf"{name}: decompresses to more than 100 times its size"):
        list(read_rows(path))


def test_blank_lines_that_would_be_read_for_minutes_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MOST_BLANK_LINES", 3)
    path = tmp_path / "a.jsonl"
    path.write_text("{}\n" + 3 * "\n" + "{}\n" + 3 * " \r\n" + "{}")
    assert len(list(read_rows(path))) == 3
    path.write_text("{}\n" + 4 * "\n" + "{}\n")
    with pytest.raises(DataError, match=r"a\.jsonl, line 5: ends more than 3 blank lines in a row; remove them"):
        list(read_rows(path))


@pytest.mark.parametrize(
    ("content", "format_name"),
    [
        (gzip.compress(b"id,text", mtime=0), r"gzip data; let its name end in \.gz"),
        (b"\x28\xb5\x2f\xfd\x00", r"zstd data; let its name end in \.zst"),
        (b"PK\x03\x04\x14\x00", "a ZIP archive, as Excel's files are; unpack it, or save the table as CSV"),
        (bz2.compress(b"id,text"), "bzip2 data; decompress it, or compress it with gzip or zstd"),
        (lzma.compress(b"id,text"), "xz data; decompress it, or compress it with gzip or zstd"),
        (b"PAR1\x15\x04", r"Parquet; let its name end in \.parquet"),
    ],
)
@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.tsv", "a.json"])
def test_a_file_of_another_format_is_named(tmp_path: Path, content: bytes, format_name: str, name: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=rf"{name}: is not text but {format_name}"):
        read_text(tmp_path / name) if name == "a.json" else list(read_rows(tmp_path / name))


def test_joined_files_have_byte_order_marks_inside(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("\ufeffid\ttext\n1\tone\n\ufeff2\ttwo \ufeff\n", encoding="utf-8")
    assert [record.fields for record in read_rows(path)] == [
        {"id": "1", "text": "one"},
        {"id": "2", "text": "two \ufeff"},
    ]


def test_what_is_not_in_euc_kr_may_be_in_cp949(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("똠방각하", encoding="cp949")
    with pytest.raises(
        DataError, match=r"is not in the encoding euc-kr .* name cp949, which extends it, with --encoding"
    ):
        read_text(path, "euc-kr")
