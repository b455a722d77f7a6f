"""Runs and qrels of other tools are read as what they are, and refused in a sentence where they are not."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dpr.errors import DataError
from dpr.evaluation.run_files import read_any_qrels, read_any_run

RUN = {"q1": {"a": 0.5, "b": 2, "c": 0.5}, "q2": {}}
EXPECTED = {"q1": [("b", 2.0), ("c", 0.5), ("a", 0.5)]}


def test_json_packed_json_and_parquet(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps(RUN), encoding="utf-8")
    (tmp_path / "run.json.gz").write_bytes(gzip.compress(json.dumps(RUN).encode()))
    table = {"q_id": ["q1"] * 3, "doc_id": ["a", "b", "c"], "score": [0.5, 2.0, 0.5]}
    pq.write_table(pa.table(table), tmp_path / "run.parquet")
    (tmp_path / "run.trec").write_text("q1 Q0 a 1 0.5 x\nq1 Q0 b 2 2 x\nq1 Q0 c 3 0.5 x\n", encoding="utf-8")
    assert read_any_run(tmp_path / "run.json") == read_any_run(tmp_path / "run.json.gz") == EXPECTED
    for name in ("run.parquet", "run.trec"):
        assert read_any_run(tmp_path / name) == EXPECTED


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        ("", "is no JSON"),
        ("{}", "the run is empty; give one with at least one question"),
        ("[1]", "is not an object of questions, each with an object of passages"),
        ('{"q": ["a"]}', "is not an object of questions"),
        ('{"q": {"a": 1, "a": 2}}', "'a' comes twice in one object; keep one of them"),
        ('{"q": {"a": 1}, "q": {}}', "'q' comes twice"),
        ('{"q": {"a": "1"}}', "question 'q' has the score '1', which is not a finite number"),
        ('{"q": {"a": NaN}}', "has the score nan, which is not a finite number"),
        ('{"q": {"a": Infinity}}', "has the score inf, which is not a finite number of single precision"),
        ('{"q": {"a": 1' + "0" * 39 + "}}", "which is not a finite number of single precision"),
        ('{"q": {}}', "the run is empty; give one with at least one question"),
        ('{"q": {"a": true}}', "has the score True"),
    ],
)
def test_a_run_that_is_none(tmp_path: Path, content: str, cause: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=cause):
        read_any_run(path)


def test_a_parquet_file_that_is_no_run(tmp_path: Path) -> None:
    path = tmp_path / "run.parquet"
    path.write_bytes(b"x")
    with pytest.raises(DataError, match="is no run of ranx with the columns q_id, doc_id, score"):
        read_any_run(path)
    pq.write_table(pa.table({"q_id": ["q", "q"], "doc_id": ["a", "a"], "score": [1.0, 2.0]}), path)
    with pytest.raises(DataError, match="passage 'a' is listed twice for question 'q'"):
        read_any_run(path)


def test_qrels_as_json_and_as_lines(tmp_path: Path) -> None:
    path = tmp_path / "qrels.json"
    path.write_text('{"q": {"a": 1, "b": 2.0, "c": 0}}', encoding="utf-8")
    (tmp_path / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq\ta\t1\nq\tb\t2\nq\tc\t0\n", encoding="utf-8")
    assert read_any_qrels(path) == read_any_qrels(tmp_path / "qrels.tsv") == {"q": {"a": 1, "b": 2, "c": 0}}
    for content, cause in (
        ('{"q": {"a": 0.5}}', "question 'q' has the grade 0.5, which is not a whole number"),
        ('{"q": {"a": Infinity}}', "has the grade inf, which is not a whole number of at most 1,000,000"),
        ('{"q": {"a": 1' + "0" * 30 + "}}", "which is not a whole number of at most 1,000,000"),
        ('{"q": {"a": Infinity}}', "has the grade inf"),
        ("{}", "there is no judgement in it"),
    ):
        path.write_text(content, encoding="utf-8")
        with pytest.raises(DataError, match=cause):
            read_any_qrels(path)
