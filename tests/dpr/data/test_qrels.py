"""Judgements in every form in which they are handed on."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from dpr.data.intake import BadRows, Intake
from dpr.data.qrels import read_qrels
from dpr.errors import DataError

EXPECTED = {"q1": {"p1": 1, "p2": 0}, "질문": {"단락": 2}}


@pytest.mark.parametrize(
    "content",
    [
        "query-id\tcorpus-id\tscore\nq1\tp1\t1\nq1\tp2\t0\n질문\t단락\t2\n",
        "qid\tpid\tlabel\nq1\tp1\t1.0\nq1\tp2\t0.0\n질문\t단락\t2.0\n",
        "물음\t문서\t점수\nq1\tp1\t1\nq1\tp2\t0\n질문\t단락\t2\n",
        "q1 0 p1 1\nq1 0 p2 0\n질문 0 단락 2\n",
        "q1\tQ0\tp1\t1\r\nq1\t0\tp2\t0\r\n질문\t\t단락\t2\r\n",
        "topic iteration document relevance\nq1   0  p1\t1\n\nq1 0 p2 0\n질문 0 단락 2\n",
        "\ufeffq1 \t p1\t1\nq1\tp2 \t0 \n\n 질문\t단락\t 2\t\n",
        "q1 p1 1\nq1 p1 1\nq1 p2 0\n질문 단락 2",
        "query-id,corpus-id,score\nq1,p1,1\nq1,p2,0\n질문,단락,2\n",
        unicodedata.normalize("NFD", "q1\tp1\t1\nq1\tp2\t0\n질문\t단락\t2\n"),
    ],
)
def test_all_forms_say_the_same(tmp_path: Path, content: str) -> None:
    path = tmp_path / "qrels.txt"
    path.write_bytes(content.encode())
    assert read_qrels(path) == EXPECTED


def test_ids_hold_blanks_between_tabs_and_negative_grades_stay(tmp_path: Path) -> None:
    path = tmp_path / "test.tsv"
    path.write_text("q 1\ta file.pdf\t-1\nq 1\tb%20c\t3\n")
    assert read_qrels(path) == {"q 1": {"a file.pdf": -1, "b%20c": 3}}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("query-id\tcorpus-id\tscore\nq1\tb\n", r"line 2: there are 2 columns instead of three"),
        ("q1\tb\t1\nq1\tc\tone\n", r"line 2: .* is not a question id, a passage id and a whole grade"),
        ("q1\tb\t1000001\n", r"line 1: .* a whole grade of at most 1,000,000"),
        ("q1\tb\t0.5\n", r"line 1: .* is not a question id, a passage id and a whole grade"),
        ("q1\tb\tnan\n", r"line 1: .* is not a question id, a passage id and a whole grade"),
        ("q1\tb\tone\nq1\tc\t1\n", r"line 1: 'q1\\tb\\tone' is not a question id"),
        ("q1\t\t1\n", r"line 1: .* has an empty id"),
        ("q1;p1;1\nq2;p2;1\n", r"line 2: there is 1 column instead"),
        ("q1,p1,1\nq2,p2\n", r"line 2: there is 1 column instead"),
        ("q1\tb\t1\nq1\tb\t2\n", r"line 2: passage 'b' has the grade 2 for question 'q1', but had 1 before"),
    ],
)
def test_a_bad_row_names_its_line(tmp_path: Path, content: str, sentence: str) -> None:
    path = tmp_path / "test.tsv"
    path.write_text(content)
    with pytest.raises(DataError, match=rf"test\.tsv, {sentence}"):
        read_qrels(path)


def test_bad_rows_are_left_out_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "test.tsv"
    path.write_text("question\tpassage\tgrade\nq1\tb\t1\nq1\tb\t2\nq1\tc\tone\nquestion\td\t1\n")
    bad_rows = BadRows(skip=True)
    assert read_qrels(path, Intake(on_bad_row=bad_rows.add)) == {"q1": {"b": 1}, "question": {"d": 1}}
    assert [str(error).partition(": ")[0][-6:] for error in bad_rows.first_errors] == ["line 3", "line 4", "line 1"]


def test_an_underscore_is_no_part_of_a_number(tmp_path: Path) -> None:
    path = tmp_path / "test.tsv"
    path.write_text("q1\tp1\t1\nq2\tp1\t1_0\n")
    with pytest.raises(DataError, match=r"test\.tsv, line 2: 'q2\\tp1\\t1_0' is not a question id"):
        read_qrels(path)
