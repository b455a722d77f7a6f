"""Run and qrels files: what is written comes back, in the same order, here and in trec_eval."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from dpr.errors import DataError
from dpr.evaluation.metrics import evaluate
from dpr.evaluation.trec import read_qrels, read_run, write_qrels, write_run

scored_runs = st.dictionaries(
    st.sampled_from(["q1", "질문2", "q3"]),
    st.dictionaries(st.sampled_from(["a", "b", "c", "단락", "e"]), st.sampled_from([-1.5, 0.0, 0.25, 7.0])).map(
        lambda scores: sorted(scores.items(), key=lambda item: (-item[1], item[0]))
    ),
    min_size=1,
)


def test_a_run_has_six_columns_and_exact_scores(tmp_path: Path) -> None:
    write_run(tmp_path / "bm25.trec", {"q1": [("p1", 12.5), ("p2", 0.1)], "q2": []}, "bm25")
    assert (tmp_path / "bm25.trec").read_text().splitlines() == ["q1 Q0 p1 1 12.5 bm25", "q1 Q0 p2 2 0.100000001 bm25"]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(run=scored_runs)
def test_a_run_comes_back_in_its_order(run: dict[str, list[tuple[str, float]]], tmp_path_factory: object) -> None:
    assert isinstance(tmp_path_factory, pytest.TempPathFactory)
    path = tmp_path_factory.mktemp("run") / "run.trec"
    write_run(path, run, "tag")
    read = read_run(path)
    expected = {question: [passage for passage, _ in ranked] for question, ranked in run.items() if ranked}
    assert {question: [passage for passage, _ in ranked] for question, ranked in read.items()} == expected
    for question, ranked in read.items():
        assert [score for _, score in ranked] == pytest.approx([score for _, score in run[question]], abs=1e-5)
        assert all(better > worse for (_, better), (_, worse) in pairwise(ranked))


def test_trec_eval_sees_equal_scores_in_the_order_of_the_run(tmp_path: Path) -> None:
    run = {"q": [("a", 3.0), ("b", 2.0), ("c", 2.0), ("d", 2.0 - 1e-12), ("e", 2.0), ("f", 1.0)]}
    path = tmp_path / "run.trec"
    write_run(path, run, "ties")
    for relevant in "abcdef":
        qrels = {"q": {relevant: 1}}
        with path.open() as file:
            theirs = pytrec_eval.RelevanceEvaluator(qrels, {"recip_rank"}).evaluate(pytrec_eval.parse_run(file))
        ours = evaluate({"q": [passage for passage, _ in run["q"]]}, qrels, ["mrr@10"])
        assert theirs["q"]["recip_rank"] == pytest.approx(ours["mrr@10"])


def test_a_foreign_run_is_ordered_by_score_then_rank(tmp_path: Path) -> None:
    path = tmp_path / "run.trec"
    path.write_text("q Q0 low 1 0.5 x\n\nq Q0 second 3 2.0 x\nq\tQ0\tfirst\t2\t2.0\tx\n")
    assert read_run(path) == {"q": [("first", 2.0), ("second", 2.0), ("low", 0.5)]}


def test_qrels_come_back(tmp_path: Path) -> None:
    qrels = {"q1": {"p1": 1, "p2": 0}, "질문": {"단락": 3}}
    write_qrels(tmp_path / "qrels.trec", qrels)
    assert (tmp_path / "qrels.trec").read_text(encoding="utf-8").splitlines()[0] == "q1 0 p1 1"
    assert read_qrels(tmp_path / "qrels.trec") == qrels


@pytest.mark.parametrize("bad", ["a b", "", " a", "a\n", "a\u3000b", "a\tb", "a\x85b"])
def test_ids_with_white_space_are_refused(tmp_path: Path, bad: str) -> None:
    path = tmp_path / "file.trec"
    with pytest.raises(DataError, match="question id"):
        write_run(path, {bad: [("p", 1.0)]}, "tag")
    with pytest.raises(DataError, match="passage id"):
        write_run(path, {"q": [(bad, 1.0)]}, "tag")
    with pytest.raises(DataError, match="tag"):
        write_run(path, {"q": [("p", 1.0)]}, bad)
    with pytest.raises(DataError, match="question id"):
        write_qrels(path, {bad: {"p": 1}})
    with pytest.raises(DataError, match="passage id"):
        write_qrels(path, {"q": {bad: 1}})
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "qrels.trec"
    write_qrels(path, {"q": {"p": 1}})
    with pytest.raises(DataError):
        write_qrels(path, {"q": {"p": 2}, "a b": {"p": 1}})
    assert read_qrels(path) == {"q": {"p": 1}}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (b"q Q0 p 1 0.5", "line 2: there are 5 columns where 6 are expected"),
        (b"q Q0 p one 0.5 x", "line 2: the rank 'one' is not an integer"),
        (b"q Q0 p 2 high x", "line 2: the score 'high' is not a number"),
        (b"q Q0 p 2 nan x", "line 2: the score 'nan' is not a number"),
        (b"q Q0 first 2 0.5 x", "line 2: passage 'first' is listed twice for question 'q'"),
        (b"q Q0 \xb0\xa1 2 0.5 x", "line 2: the line is not UTF-8 text"),
    ],
)
def test_a_bad_line_of_a_run_is_named(tmp_path: Path, line: bytes, cause: str) -> None:
    path = tmp_path / "run.trec"
    path.write_bytes(b"q Q0 first 1 0.9 x\n" + line + b"\n")
    with pytest.raises(DataError, match=cause):
        read_run(path)


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("q 0 p", "line 2: there are 3 columns where 4 are expected"),
        ("q 0 p yes", "line 2: the grade 'yes' is not an integer"),
        ("q 0 first 2", "line 2: passage 'first' is judged twice for question 'q'"),
    ],
)
def test_a_bad_line_of_qrels_is_named(tmp_path: Path, line: str, cause: str) -> None:
    path = tmp_path / "qrels.trec"
    path.write_text(f"q 0 first 1\n{line}\n")
    with pytest.raises(DataError, match=cause):
        read_qrels(path)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.trec: there is no such file"):
        read_run(tmp_path / "none.trec")
