from __future__ import annotations

from pathlib import Path

import pytest

from dpr.data.intake import ReadRules
from dpr.data.passages import read_examples
from dpr.errors import DataError
from dpr.types import Example, Question


def test_a_row_is_a_question_and_a_python_list_of_answers(tmp_path: Path) -> None:
    path = tmp_path / "nq-test.qa.csv"
    path.write_text('who, if anyone\t[\'A, B\', "O\'Neil"]\nwhere\t"[\'a ""b""\']"\n')
    assert list(read_examples(f"dpr:{path}")) == [
        Example(Question("1", "who, if anyone", ("A, B", "O'Neil")), positives=()),
        Example(Question("2", "where", ('a "b"',)), positives=()),
    ]


@pytest.mark.parametrize(
    "cell", ["Busan", "'Busan'", "['a', 1]", "[' ']", "__import__('os')", "[" * 9000, "['a'", r"['\ud800']"]
)
def test_what_is_no_list_of_strings_is_a_bad_row(tmp_path: Path, cell: str) -> None:
    path = tmp_path / "a.qa.csv"
    path.write_text(f"who\t{cell}\nwhere\t['b']\n")
    with pytest.raises(DataError, match=r"a\.qa\.csv, line 1: the answers .* are no Python list of strings"):
        list(read_examples(f"dpr:{path}"))
    assert [example.question.id for example in read_examples(f"dpr:{path}", ReadRules(skip_bad_rows=True))] == ["2"]


def test_an_id_does_not_depend_on_the_rows_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.qa.csv"
    rows = ["who\t['a']", "", "no answers", "what\t5", "\t['b']", "where\t['c']"]
    path.write_text("\n".join(rows))
    examples = read_examples(f"dpr:{path}", ReadRules(skip_bad_rows=True))
    assert [(example.question.id, example.question.text) for example in examples] == [("1", "who"), ("6", "where")]
