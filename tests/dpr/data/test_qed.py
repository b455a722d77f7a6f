from __future__ import annotations

import json
from pathlib import Path

import pytest

from dpr.data.qed import read_qed
from dpr.errors import DataError

ROW = {
    "example_id": -42,
    "question_text": "who won",
    "title_text": "Cup",
    "paragraph_text": "Oakland won in 1980 .",
    "answer_spans": [[0, 7]],
    "answer_text": ["Oakland"],
}


def qed_file(tmp_path: Path, **fields: object) -> Path:
    path = tmp_path / "qed.jsonl"
    path.write_text(json.dumps({**ROW, **fields}) + "\n")
    return path


def test_a_row_is_a_question_with_its_paragraph(tmp_path: Path) -> None:
    [example] = read_qed(qed_file(tmp_path))
    assert (example.question.id, example.question.answers, example.answer_starts) == ("-42", ("Oakland",), (0,))
    assert (example.positives[0].title, example.positives[0].document_id) == ("Cup", "Cup")


def test_the_span_decides_where_the_text_lacks_its_end(tmp_path: Path) -> None:
    [example] = read_qed(qed_file(tmp_path, answer_text=["Oaklan"]))
    assert example.question.answers == ("Oakland",)


def test_an_answer_outside_the_paragraph_is_left_out(tmp_path: Path) -> None:
    [example] = read_qed(qed_file(tmp_path, answer_spans=[[-1, -1], [0, 7]], answer_text=["", "Oakland"]))
    assert example.answer_starts == (0,)


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"answer_spans": [[1, 8]]}, "the answer is 'Oakland', but the paragraph has 'akland ' from 1 to 8"),
        ({"answer_spans": [[0, 700]]}, "the answer is 'Oakland', but the paragraph has '' from 0 to 700"),
        ({"answer_spans": [[0]]}, r"the answer span \[0\] is not \[start, end\]"),
        ({"answer_spans": []}, "there are 0 answer spans but 1 answer texts"),
        ({"paragraph_text": ""}, "the field 'paragraph_text' is empty"),
    ],
)
def test_a_bad_row_names_line_question_and_cause(tmp_path: Path, fields: dict[str, object], cause: str) -> None:
    with pytest.raises(DataError, match=rf"qed\.jsonl, line 1: question -42: {cause}"):
        list(read_qed(qed_file(tmp_path, **fields)))


def test_the_published_file_is_read_whole(shared_data: Path) -> None:
    examples = list(read_qed(shared_data / "qed" / "nq-train-qed.jsonl"))
    assert len(examples) == 7_051
    assert len({example.positives[0].id for example in examples}) == 6_760
    for example in examples:
        text = example.positives[0].text
        for answer, start in zip(example.question.answers, example.answer_starts, strict=True):
            assert text[start : start + len(answer)] == answer
