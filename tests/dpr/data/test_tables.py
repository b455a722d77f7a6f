from __future__ import annotations

from pathlib import Path

import pytest

from dpr.data import tables
from dpr.data.intake import BadRows, Intake
from dpr.data.passages import read_passages
from dpr.data.rows import PASSAGE_HEADER, passage_of, read_csv, read_tsv
from dpr.errors import DataError
from dpr.types import Passage


def table(tmp_path: Path, name: str, text: str, encoding: str = "utf-8") -> list[Passage]:
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    read = read_csv if name.endswith(".csv") else read_tsv
    return [passage_of(record) for record in read(path, Intake(encoding))]


@pytest.mark.parametrize("name", ["text", "Passage", "contents", "CONTENT", "body", "본문", "내용"])
@pytest.mark.parametrize(
    ("identity", "title"), [("id", "title"), ("pid", "제목"), ("번호", "Title"), ("docid", "제목")]
)
def test_columns_are_known_by_common_names(tmp_path: Path, name: str, identity: str, title: str) -> None:
    assert table(tmp_path, "a.tsv", f"{identity}\t{title}\t{name}\n7\t부산\t항구\n") == [Passage("7", "항구", "부산")]
    assert table(tmp_path, "a.csv", f"{title},{name},{identity}\n부산,항구,7\n") == [Passage("7", "항구", "부산")]


def test_a_decomposed_column_name_is_the_same_name(tmp_path: Path) -> None:
    decomposed = "\u1107\u1169\u11ab\u1106\u116e\u11ab"
    assert decomposed != "본문"
    assert table(tmp_path, "a.tsv", f"id\t{decomposed}\n7\t항구\n") == [Passage("7", "항구")]


@pytest.mark.parametrize(
    "header",
    [
        "id,title",
        "pid,passge,title",
        "key,paragraph,name",
        "문서,지문",
        ",paragraph,name",
        "Passage Text,Name",
        "d1,부산 소개,내용",
        "Unique article ID,Full article text,Kind",
        "the article key,what it all says,kind",
    ],
)
def test_a_header_without_a_text_is_refused_and_never_a_passage(tmp_path: Path, header: str) -> None:
    for name, delimiter in (("a.csv", ","), ("a.tsv", "\t")):
        rows = [header, *(["a y,It is so. Is it?,z"] * 3)]
        with pytest.raises(DataError, match=rf"{name}, line 1: looks like a header without a column 'text' \(it has "):
            table(tmp_path, name, "\n".join(rows).replace(",", delimiter))


@pytest.mark.parametrize(
    "row",
    [
        "1\tBusan is a city.\tBusan",
        "p1\t부산은 항구 도시이다\t부산",
        "d\tThe body of it all is here\tBody",
        "a port\tthe city of the sea\tits sea",
    ],
)
def test_a_first_row_of_data_is_a_passage(tmp_path: Path, row: str) -> None:
    identity, text, title = row.split("\t")
    assert table(tmp_path, "a.tsv", row + "\n") == [Passage(identity, text, title)]


def test_a_column_that_comes_twice_or_is_ambiguous_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 1: the header has the column 'text' twice"):
        table(tmp_path, "a.csv", "text,text\na,b\n")
    with pytest.raises(DataError, match="line 2: its text may be 'content' or 'body'; rename one of them to 'text'"):
        table(tmp_path, "a.csv", "body,content\na,b\n")
    assert table(tmp_path, "a.csv", "id,body,text\n1,a,b\n") == [Passage("1", "b", metadata={"body": "a"})]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(("name", "delimiter"), [("a.csv", ","), ("a.tsv", "\t"), ("b.csv", ";")])
def test_quoted_cells_hold_line_breaks_doubled_quotes_and_delimiters(
    tmp_path: Path, end: str, name: str, delimiter: str
) -> None:
    cell = f'first{end}{end}second ""said"" it{delimiter} third'
    text = end.join(
        [
            delimiter.join(["id", "title", "text"]),
            f'1{delimiter}"B"{delimiter}"{cell}"',
            f"2{delimiter}S{delimiter}x",
            "",
        ]
    )
    assert table(tmp_path, name, text) == [
        Passage("1", f'first\n\nsecond "said" it{delimiter} third', "B"),
        Passage("2", "x", "S"),
    ]


def test_prose_that_begins_with_a_quotation_does_not_swallow_the_next_rows(tmp_path: Path) -> None:
    text = 'id\ttitle\ttext\n1\ta\t"no end\n2\tb\tlater"\n3\tc\t"so" it is\n4\td\t"e\n5\tf\tg\n'
    assert [passage.text for passage in table(tmp_path, "a.tsv", text)] == [
        '"no end',
        'later"',
        '"so" it is',
        '"e',
        "g",
    ]


def test_a_quotation_without_an_end_is_looked_for_in_bounded_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "_LONGEST_CELL_LINES", 3)
    text = 'id\ttext\n1\t"open\n' + "".join(f"{number}\tx\n" for number in range(2, 9))
    assert len(table(tmp_path, "a.tsv", text)) == 8


def test_a_csv_cell_without_an_end_is_refused_whatever_is_skipped(tmp_path: Path) -> None:
    path, bad_rows = tmp_path / "a.csv", BadRows(skip=True)
    path.write_text('id,text\n1,"a\n2,b\n')
    with pytest.raises(DataError, match=r"a\.csv, line 2: a cell begins with a quotation mark and does not end"):
        list(tables.read_csv(path, PASSAGE_HEADER, Intake(on_bad_row=bad_rows.add)))


def test_bad_rows_of_a_table_are_all_found_and_the_others_read(tmp_path: Path) -> None:
    path, bad_rows = tmp_path / "a.csv", BadRows()
    path.write_bytes(b'id,text\n1,a\n2\n3,"b"c\n4,caf\xe9\n5,"two\nlines"\n')
    rows = list(tables.read_csv(path, PASSAGE_HEADER, Intake(on_bad_row=bad_rows.add)))
    assert [row.fields["id"] for row in rows] == ["1", "5"]
    assert [str(error).split(", ")[1].split(":")[0] for error in bad_rows.first_errors] == [
        "line 3",
        "line 4",
        "line 5",
    ]
    path.write_bytes(b"id,caf\xe9,text\n1,a,b\n")
    with pytest.raises(DataError, match="line 1: is not UTF-8"):  # nothing is known without the header
        list(tables.read_csv(path, PASSAGE_HEADER, Intake(on_bad_row=bad_rows.add)))


@pytest.mark.parametrize("encoding", ["cp949", "euc-kr", "utf-16", "utf-16-le", "utf-8-sig", "johab"])
def test_an_encoding_may_be_named(tmp_path: Path, encoding: str) -> None:
    assert table(tmp_path, "a.tsv", "번호\t본문\r\n1\t부산 항구\r\n", encoding) == [Passage("1", "부산 항구")]
    assert table(tmp_path, "a.csv", '번호,본문\n1,"부산\n항구"\n', encoding) == [Passage("1", "부산\n항구")]


def test_blank_lines_and_rows_of_empty_cells_are_passed_over(tmp_path: Path) -> None:
    assert table(tmp_path, "a.csv", "\n\nid;text\n1;a\n\n;\n2;b\n") == [Passage("1", "a"), Passage("2", "b")]
    assert table(tmp_path, "a.tsv", "\nid\ttext\n1\ta\n\t\n2\tb\n") == [Passage("1", "a"), Passage("2", "b")]


def test_questions_of_dpr_are_no_passages(tmp_path: Path) -> None:
    path = tmp_path / "nq.qa.csv"
    path.write_text("who wrote hamlet\t['William Shakespeare', 'Shakespeare']\n")
    with pytest.raises(
        DataError, match=r"nq\.qa\.csv: has the name of a file of questions.*read it as dpr:nq\.qa\.csv"
    ):
        list(read_passages(str(path)))


@pytest.mark.parametrize("line", ["sep=;", '"sep=;"', "SEP=;"])
def test_a_first_line_may_say_what_separates_cells(tmp_path: Path, line: str) -> None:
    rows = f"{line}\r\n1;Seoul, not Busan\r\n2;Busan\r\n"
    assert table(tmp_path, "a.csv", rows) == [Passage("1", "Seoul, not Busan"), Passage("2", "Busan")]
    assert table(tmp_path, "b.csv", f"{line}\r\n") == []
