from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from dpr.data.intake import BadRows, ReadRules
from dpr.data.passages import read_corpus, read_examples, read_passages
from dpr.errors import ConfigError, DataError

SKIP = ReadRules(skip_bad_rows=True)


def jsonl(path: Path, *rows: object) -> Path:
    path.write_text(
        "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), encoding="utf-8"
    )
    return path


def questions(path: Path, starts: list[int]) -> str:
    qas = [
        {"id": str(number), "question": "q?", "answers": [{"text": "b", "answer_start": start}]}
        for number, start in enumerate(starts)
    ]
    path.write_text(json.dumps({"data": [{"title": "t", "paragraphs": [{"context": "a b", "qas": qas}]}]}))
    return f"squad:{path}"


def test_all_bad_rows_of_all_sources_are_found_in_one_pass(tmp_path: Path) -> None:
    first = jsonl(tmp_path / "a.jsonl", {"text": "x"}, {"title": "no text"}, "{", {"id": 1, "text": "y"})
    second = jsonl(tmp_path / "b.jsonl", {"id": [1], "text": "z"}, {"id": 1, "text": "other"}, {"text": "w"})
    with pytest.raises(
        DataError, match=r"^4 rows are bad; correct them, or skip them \(--skip-bad-rows; .*\):"
    ) as caught:
        list(read_corpus([str(first), str(second)]))
    _, *lines = str(caught.value).splitlines()
    places = ["a.jsonl, line 2", "a.jsonl, line 3", "b.jsonl, line 1", "b.jsonl, line 2"]
    assert [place in line for place, line in zip(places, lines, strict=True)] == [True] * 4


def test_a_single_bad_row_is_told_in_one_line_with_the_remedy(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", {"text": "x"}, {"title": "t"})
    with pytest.raises(DataError) as caught:
        list(read_passages(str(path)))
    assert str(caught.value) == (
        f"{path}, line 2: the field 'text' is missing; correct the row, or skip it (--skip-bad-rows; in Python, "
        "ReadRules(skip_bad_rows=True))"
    )


def test_ten_bad_rows_are_named_and_the_others_counted(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", *({"title": "t"} for _ in range(2012)))
    with pytest.raises(DataError, match=r"^2,012 rows are bad") as caught:
        list(read_passages(str(path)))
    lines = str(caught.value).splitlines()
    assert (len(lines), lines[10].split(", ")[1][:8], lines[11]) == (12, "line 10:", "  and 2,002 more")


def test_bad_rows_are_left_out_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = jsonl(tmp_path / "a.jsonl", {"id": 1, "text": "x"}, {"title": "t"}, {"id": 1, "text": "y"}, {"text": "z"})
    bad_rows = BadRows(skip=True)
    with caplog.at_level(logging.WARNING, "dpr"):
        passages = list(read_corpus([str(path)], SKIP, bad_rows))
    assert [passage.text for passage in passages] == ["x", "z"]
    assert bad_rows.count == 2
    assert "skipped 2 bad rows" in caplog.text
    assert "line 2: the field 'text' is missing" in caplog.text
    with pytest.raises(DataError, match=r"the corpus is empty.*; its row is bad"):
        list(read_passages(str(jsonl(tmp_path / "b.jsonl", {})), SKIP))


def test_misplaced_answers_are_found_together_or_left_out(tmp_path: Path) -> None:
    source = questions(tmp_path / "dev.json", [2, 1, 0, 2])
    with pytest.raises(
        DataError, match=r"^2 rows are bad.*\n.*question 1: the answer is .b.*\n.*question 2: the answer"
    ):
        list(read_examples(source))
    assert [example.question.id for example in read_examples(source, SKIP)] == ["0", "3"]
    assert len(list(read_passages(source))) == 1  # a corpus does not care for answers
    with pytest.raises(DataError, match=r"has no question:"):
        list(read_examples(questions(tmp_path / "all.json", [0]), SKIP))


def as_qed(rows: int) -> list[object]:
    row = {"question_text": "q?", "title_text": "t", "paragraph_text": "a b"}
    return [{**row, "example_id": n, "answer_spans": [[2, 3]], "answer_text": ["b" if n else "c"]} for n in range(rows)]


def as_pairs(rows: int) -> list[object]:
    return [{"question": f"q{n}?", "passage": "p" if n else " "} for n in range(rows)]


def as_dpr(rows: int) -> list[object]:
    return [{"question": f"q{n}?" if n else None, "positive_ctxs": [{"text": "p"}]} for n in range(rows)]


@pytest.mark.parametrize(("kind", "rows"), [("qed", as_qed), ("pairs", as_pairs), ("dpr", as_dpr)])
def test_every_kind_leaves_out_bad_rows(tmp_path: Path, kind: str, rows: Callable[[int], list[object]]) -> None:
    source = f"{kind}:{jsonl(tmp_path / 'a.jsonl', *rows(3))}"
    with pytest.raises(DataError, match=r"a.jsonl"):
        list(read_examples(source))
    assert len(list(read_examples(source, SKIP))) == 2


def test_a_file_in_another_encoding_is_no_matter_of_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes('{"text": "first"}\n{"text": "부산은 항구"}\n'.encode("cp949"))
    with pytest.raises(
        DataError, match=r"a\.jsonl, line 2: .*looks like Korean in cp949 \(euc-kr\): give --encoding cp949"
    ):
        list(read_passages(str(path), SKIP))
    assert len(list(read_passages(str(path), ReadRules("cp949")))) == 2
    with pytest.raises(DataError, match=r"a\.jsonl: is not in the encoding ascii"):
        list(read_passages(str(path), ReadRules("ascii", skip_bad_rows=True)))


@pytest.mark.parametrize("encoding", ["klingon", "base64", "", "utf-8\0"])
def test_an_unknown_encoding_is_refused(encoding: str) -> None:
    with pytest.raises(ConfigError, match=r"--encoding is .* no text encoding; choose one such as utf-8, cp949"):
        ReadRules(encoding)


def test_nan_is_a_missing_value_and_a_whole_number_an_id(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", '{"id": 1.0, "title": NaN, "text": "x"}', '{"id": NaN, "text": "y"}')
    first, second = read_passages(str(path))
    assert (first.id, first.title, len(second.id)) == ("1", "", 16)
    with pytest.raises(DataError, match="line 1: the field 'text' is missing"):
        list(read_passages(str(jsonl(path, '{"id": 1, "text": NaN}'))))


@pytest.mark.parametrize("number", ["123456789012345678901234567890", "1.2e16", "-1e300"])
def test_a_number_that_lost_digits_is_no_id(tmp_path: Path, number: str) -> None:
    path = jsonl(tmp_path / "a.jsonl", f'{{"id": {number}, "text": "x"}}')
    with pytest.raises(DataError, match=r"line 1: 'id' is .*, a number too large to be exact; write it as a string"):
        list(read_passages(str(path)))
