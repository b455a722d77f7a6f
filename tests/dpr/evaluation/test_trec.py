"""Run and qrels files: what is written comes back, in the same order, here and in trec_eval."""

from __future__ import annotations

import unicodedata
from itertools import pairwise
from pathlib import Path

import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from dpr.data.trec_ids import escape_id, unescape_id
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


def test_a_foreign_run_is_ordered_as_trec_eval_does(tmp_path: Path) -> None:
    path = tmp_path / "run.trec"
    path.write_text("q Q0 low 1 0.5 x\n\nq Q0 second 3 2.0 x\nq\tQ0\tfirst\t2\t2.0\tx\n")
    assert read_run(path) == {"q": [("second", 2.0), ("first", 2.0), ("low", 0.5)]}  # equal scores by falling id


def test_qrels_come_back(tmp_path: Path) -> None:
    qrels = {"q1": {"p1": 1, "p2": 0}, "질문": {"단락": 3}}
    write_qrels(tmp_path / "qrels.trec", qrels)
    assert (tmp_path / "qrels.trec").read_text(encoding="utf-8").splitlines()[0] == "q1 0 p1 1"
    assert read_qrels(tmp_path / "qrels.trec") == qrels


IDS = st.text(st.sampled_from("a% \t\n\u00a0\u3000E3820Cé가"), min_size=1)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(identity=IDS)
def test_an_escaped_id_is_one_column_and_comes_back(identity: str) -> None:
    column = escape_id(identity)
    assert column.split() == [column]
    assert unescape_id(column) == identity


def test_only_white_space_and_what_looks_like_its_code_is_escaped() -> None:
    assert escape_id("2024 안전\u3000교육.pdf") == "2024%20안전%E3%80%80교육.pdf"
    assert escape_id("50%25.html") == "50%2525.html"
    for identity in ("http://x.org/%EA%B0%80?a=1", "100%", "<dbpedia:%22Heroes%22>", r"C:\docs\a.txt"):
        assert escape_id(identity) == identity


def test_ids_with_white_space_come_back_from_runs_and_qrels(tmp_path: Path) -> None:
    question, passage = "q 1", "2024 안전 교육.pdf - 4"
    write_run(tmp_path / "run.trec", {question: [(passage, 2.0)]}, "tag")
    write_qrels(tmp_path / "qrels.trec", {question: {passage: 1}})
    assert (tmp_path / "run.trec").read_text(encoding="utf-8") == "q%201 Q0 2024%20안전%20교육.pdf%20-%204 1 2 tag\n"
    assert read_run(tmp_path / "run.trec") == {question: [(passage, 2.0)]}
    assert read_qrels(tmp_path / "qrels.trec") == {question: {passage: 1}}


@pytest.mark.parametrize("bad", ["a b", "", "a\u3000b"])
def test_a_tag_with_white_space_and_empty_ids_are_refused(tmp_path: Path, bad: str) -> None:
    with pytest.raises(DataError, match="tag"):
        write_run(tmp_path / "file.trec", {"q": [("p", 1.0)]}, bad)
    with pytest.raises(DataError, match="question id"):
        write_qrels(tmp_path / "file.trec", {"": {"p": 1}})
    with pytest.raises(DataError, match="passage id"):
        write_run(tmp_path / "file.trec", {"q": [("", 1.0)]}, "tag")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "line",
    [
        "q\tQ0\ta 1\t1\t0.5\tx",
        "q Q0 a%201 1.0 5e-1 x",
        " q  Q0 a%201 1 0.5",
        "\ufeffqid Q0 docid rank score tag\nq\tQ0\ta 1\t1\t.5\tx",
    ],
)
def test_other_tools_runs_are_read_alike(tmp_path: Path, line: str) -> None:
    (tmp_path / "run.trec").write_text(f"{line}\n\n", encoding="utf-8")
    assert read_run(tmp_path / "run.trec") == {"q": [("a 1", 0.5)]}


def test_a_composed_and_a_decomposed_id_are_the_same(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "q 0 서울 1\n")
    (tmp_path / "qrels.trec").write_text(decomposed, encoding="utf-8")
    assert read_qrels(tmp_path / "qrels.trec") == {"q": {"서울": 1}}


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "qrels.trec"
    write_qrels(path, {"q": {"p": 1}})
    with pytest.raises(DataError):
        write_qrels(path, {"q": {"p": 2}, "": {"p": 1}})
    assert read_qrels(path) == {"q": {"p": 1}}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (b"q Q0 p 1", "line 2: there are 4 columns where 6 are expected"),
        (b"q Q0 p one 0.5 x", "line 2: the rank 'one' is not an integer"),
        (b"q Q0 p 2 high x", "line 2: the score 'high' is not a finite number"),
        (b"q Q0 p 2 nan x", "line 2: the score 'nan' is not a finite number"),
        (b"q Q0 p 2 -inf x", "line 2: the score '-inf' is not a finite number"),
        (b"q Q0 p 2 1e39 x", "line 2: the score '1e39' is not a finite number of single precision"),
        (b"q Q0 first 2 0.5 x", "line 2: passage 'first' is listed twice for question 'q'"),
        (b"q Q0 \xb0\xa1 2 0.5 x", "line 2: is not UTF-8"),
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
        ("q p", "line 2: there are 2 columns instead of three"),
        ("q 0 p yes", "line 2: 'q 0 p yes' is not a question id, a passage id and a whole grade"),
        ("q 0 first 2", "line 2: passage 'first' has the grade 2 for question 'q', but had 1 before"),
    ],
)
def test_a_bad_line_of_qrels_is_named(tmp_path: Path, line: str, cause: str) -> None:
    path = tmp_path / "qrels.trec"
    path.write_text(f"q 0 first 1\n{line}\n")
    with pytest.raises(DataError, match=cause):
        read_qrels(path)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.trec: no such file"):
        read_run(tmp_path / "none.trec")
