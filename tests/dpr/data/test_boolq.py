from __future__ import annotations

from pathlib import Path

import pytest

from dpr.data.boolq import read_boolq
from dpr.data.identity import content_id
from dpr.errors import DataError

HEADER = "ID\tText\tQuestion\tAnswer\n"


def test_paragraph_numbers_that_begin_anew_in_each_file_do_not_clash(tmp_path: Path) -> None:
    (tmp_path / "dev.tsv").write_text(HEADER + '1\t"가"는 나\t무엇?\tTrue\n', encoding="utf-8")
    (tmp_path / "test.tsv").write_text(HEADER + "1\t다\t무엇?\tFalse\n", encoding="utf-8")
    first, second = read_boolq(tmp_path)
    assert [first.question.id, second.question.id] == ["dev-2", "test-2"]
    assert first.positives[0].text == '"가"는 나'
    assert second.positives[0].id == content_id("다")


def test_a_row_without_a_question_is_named(tmp_path: Path) -> None:
    path = tmp_path / "dev.tsv"
    path.write_text("ID\tText\n1\t가\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"dev\.tsv, line 2: the field 'question' is missing"):
        list(read_boolq(path))


def test_the_published_files_are_read_whole(shared_data: Path) -> None:
    assert len(list(read_boolq(shared_data / "kobest-boolq"))) == 5_769
