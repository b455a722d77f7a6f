from __future__ import annotations

import gzip
import unicodedata
from pathlib import Path

import pyarrow as pa
import pytest

from dpr.data.files import Place, read_lines, read_text, replacing
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
    with pytest.raises(DataError, match=r"none\.jsonl: no such file$"):
        lines_of(tmp_path / "none.jsonl")
    with pytest.raises(DataError, match="is a folder where a file is expected"):
        read_text(tmp_path)


def test_place_names_file_and_row() -> None:
    assert str(Place(Path("a.parquet"), 3, unit="row")) == "a.parquet, row 3"
    assert str(Place(Path("a.jsonl"), 3).error("is bad")) == "a.jsonl, line 3: is bad"


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
