from __future__ import annotations

import unicodedata
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dpr.data import files, parquet
from dpr.data.files import Location
from dpr.data.identity import content_id
from dpr.data.intake import WholeFileError
from dpr.data.record import Record
from dpr.data.rows import passage_of, read_rows, read_tsv
from dpr.data.tables import split_cells
from dpr.errors import DataError
from dpr.types import Passage

PLACE = Location(Path("a.jsonl"), 1)


@pytest.mark.parametrize(
    ("line", "cells"),
    [
        ("1\ta\tb", ["1", "a", "b"]),
        ("1\t\t", ["1", "", ""]),
        ('1\t"say ""hi"", he said"\tt', ["1", 'say "hi", he said', "t"]),
        ('1\t"a\tb"\tt', ["1", "a\tb", "t"]),
        ('1\t"국제시장"은 "한국"의 영화\tt', ["1", '"국제시장"은 "한국"의 영화', "t"]),
        ('1\t"no end\tt', ["1", '"no end', "t"]),
        ('1\tends "so"', ["1", 'ends "so"']),
        ('1\t"a"\t', ["1", "a", ""]),
        ('""\t"a"', ["", "a"]),
    ],
)
def test_only_cells_that_are_quoted_as_a_whole_lose_their_quotes(line: str, cells: list[str]) -> None:
    assert split_cells(line) == cells


def tsv(tmp_path: Path, text: str) -> list[Passage]:
    path = tmp_path / "corpus.tsv"
    path.write_text(text, encoding="utf-8")
    return [passage_of(record) for record in read_tsv(path)]


def test_tsv_columns_are_found_by_name_in_any_case_and_order(tmp_path: Path) -> None:
    passages = tsv(tmp_path, "Title\tAnswer\tTEXT\tID\nt\tTrue\tx\t7\n")
    assert passages == [Passage("7", "x", "t", metadata={"Answer": "True"})]


def test_tsv_without_a_header_is_id_text_title(tmp_path: Path) -> None:
    assert tsv(tmp_path, "1\tx\tt\n2\ty\tu\n") == [Passage("1", "x", "t"), Passage("2", "y", "u")]
    assert tsv(tmp_path, "1\tx\n") == [Passage("1", "x")]


def test_tsv_row_with_another_number_of_columns_names_its_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"corpus\.tsv, line 3: has 2 columns instead of 3 \(id, text, title\)"):
        tsv(tmp_path, "id\ttext\ttitle\n1\tx\tt\n2\ty\n")
    with pytest.raises(DataError, match=r"line 1: has 4 columns instead of 3"):
        tsv(tmp_path, "1\tx\tt\tu\n")


def test_a_cell_may_be_longer_than_the_csv_module_allows(tmp_path: Path) -> None:
    text = 'a"' * 100_000
    quoted = text.replace('"', '""')
    assert tsv(tmp_path, f'1\t"{quoted}"\tt\n')[0].text == text


def test_parquet_rows_come_in_order_with_their_types(tmp_path: Path) -> None:
    path = tmp_path / "corpus.parquet"
    table = pa.table({"id": list(range(3000)), "text": [f"x{n}" for n in range(3000)], "other": [[1]] * 3000})
    pq.write_table(table, path)
    passages = [passage_of(record) for record in read_rows(path)]
    assert [passage.id for passage in passages] == [str(number) for number in range(3000)]
    assert passages[-1].text == "x2999"


def test_parquet_errors_name_file_and_row(tmp_path: Path) -> None:
    path = tmp_path / "corpus.parquet"
    pq.write_table(pa.table({"text": ["a", None]}), path)
    with pytest.raises(DataError, match=r"corpus\.parquet, row 2: the field 'text' is missing"):
        [passage_of(record) for record in read_rows(path)]
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(DataError, match=r"corpus\.parquet: cannot be read as Parquet \("):
        list(read_rows(path))


def test_an_unknown_ending_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"dev\.json: unknown file ending; use one of \.jsonl, .* squad:dev\.json"):
        read_rows(tmp_path / "dev.json")


def test_a_row_makes_a_passage() -> None:
    fields = {"_id": 3, "text": " x ", "title": " t ", "document_id": 9, "start": 4, "end": 7, "year": 1999}
    assert passage_of(Record(fields, PLACE)) == Passage("3", " x ", "t", "9", 4, {"year": 1999})
    assert passage_of(Record({"text": "x"}, PLACE)) == Passage(content_id("x"), "x")


@pytest.mark.parametrize("start", [-1, "four", 1.5])
def test_an_offset_is_a_whole_number(start: object) -> None:
    with pytest.raises(DataError, match="line 1: 'start' is "):
        passage_of(Record({"text": "x", "start": start}, PLACE))


def test_parquet_columns_are_known_in_any_case_and_unicode_form(tmp_path: Path) -> None:
    path = tmp_path / "corpus.parquet"
    names = ["ID", unicodedata.normalize("NFD", "본문"), "Title"]
    pq.write_table(pa.table([pa.array([1]), pa.array(["x"]), pa.array(["t"])], names=names), path)
    assert [passage_of(record) for record in read_rows(path)] == [Passage("1", "x", "t")]


@pytest.mark.parametrize(
    ("names", "cause"),
    [
        (["id", "sentence"], r"has no column 'text' \(it has id, sentence\); rename a column to 'text'"),
        (["text", "Text"], "has the column 'text' twice; rename one of them"),
    ],
)
def test_parquet_without_a_clear_text_column_is_refused_as_a_whole(
    tmp_path: Path, names: list[str], cause: str
) -> None:
    path = tmp_path / "corpus.parquet"
    pq.write_table(pa.table([pa.array(["a"] * 20), pa.array(["b"] * 20)], names=names), path)
    with pytest.raises(WholeFileError, match=rf"corpus\.parquet: {cause}"):
        list(read_rows(path))


def test_the_names_of_fields_in_json_may_be_decomposed(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(unicodedata.normalize("NFD", '{"번호": 1, "제목": "t", "text": "x"}\n'), encoding="utf-8")
    assert [passage_of(record) for record in read_rows(path)] == [Passage("1", "x", "t")]


def test_parquet_that_decompresses_without_end_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "corpus.parquet"
    monkeypatch.setattr(files, "RATIO_COUNTS_FROM_BYTES", 1 << 16)
    text = "a b " * (1 << 14)
    pq.write_table(pa.table({"text": [text] * 3}), path)  # one text in a dictionary
    assert [record.fields["text"] for record in islice(read_rows(path), 3)] == [text] * 3
    for texts in ([text] * 1000, ["a" * (1 << 24)]):  # many rows of one text; a page of one
        pq.write_table(pa.table({"text": texts}), path, compression="zstd")
        with pytest.raises(DataError, match=r"corpus\.parquet: decompresses to more than 100 times its size"):
            list(read_rows(path))
    monkeypatch.setattr(parquet, "LARGEST_LINE_BYTES", 1 << 15)
    pq.write_table(pa.table({"text": ["x", text]}), path, compression="none")
    with pytest.raises(DataError, match=r"corpus\.parquet: has a text of more than 0 MiB; split it"):
        list(read_rows(path))
