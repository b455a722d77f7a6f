"""BEIR's public data sets in the layouts and with the flaws in which they are published, in miniature."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from dpr.benchmark.gold import judge_questions
from dpr.benchmark.retrieval import BenchmarkOptions, benchmark
from dpr.cli.compare import compare_command
from dpr.data.passages import read_corpus, read_examples
from dpr.evaluation.trec import read_run
from dpr.search.open import open_index
from dpr.store.passages import PassageStore, write_passages
from index_builder.build import BuildOptions, build
from tests.fakes import WordAnalyzer

HEADER = "query-id\tcorpus-id\tscore\n"


@dataclass(frozen=True)
class DataSet:
    """A data set's files; documents are (id, title, text), questions (id, text), qrels the rows of each split."""

    documents: Sequence[tuple[str, str, str]]
    questions: Sequence[tuple[str, str]]
    qrels: Mapping[str, str]

    def write(self, folder: Path) -> str:
        """Write the folder and return the source's name."""
        (folder / "qrels").mkdir(parents=True)
        corpus = [{"_id": name, "title": title, "text": text, "metadata": {}} for name, title, text in self.documents]
        queries = [{"_id": name, "text": text, "metadata": {}} for name, text in self.questions]
        for name, rows in (("corpus", corpus), ("queries", queries)):
            lines = "".join(json.dumps(row) + "\n" for row in rows)
            (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
        for split, rows_of_split in self.qrels.items():
            (folder / "qrels" / f"{split}.tsv").write_text(HEADER + rows_of_split, encoding="utf-8")
        return f"beir:{folder}"


DOCUMENTS = (("d1", "Fund", "index funds cost little"), ("d2", "Bond", "bonds pay interest"), ("d3", "Bread", "prices"))
QUESTIONS = (("q1", "why are index funds cheap"), ("q2", "what do bonds pay"))
PLAIN = "q1\td1\t1\nq2\td2\t1\n"
USUAL = DataSet(DOCUMENTS, QUESTIONS, {"test": PLAIN})

DATA_SETS: Mapping[str, tuple[DataSet, tuple[int, int, int, int]]] = {
    "msmarco": (
        DataSet(
            DOCUMENTS, QUESTIONS, {"dev": "q1\td1\t1\n", "test": "q1\td1\t3\nq2\td2\t0\nq2\td3\t2\n", "train": PLAIN}
        ),
        (2, 0, 0, 0),
    ),
    "trec-covid": (
        DataSet((*DOCUMENTS, ("d4", "A title alone", "")), QUESTIONS, {"test": "q1\td1\t2\nq1\td4\t-1\nq2\td4\t1\n"}),
        (2, 0, 0, 0),
    ),
    "nfcorpus": (
        DataSet(DOCUMENTS, QUESTIONS[:1], {"dev": PLAIN, "test": PLAIN, "train": "q2\td2\t1\n"}),
        (1, 0, 1, 0),
    ),
    "bioasq": (USUAL, (2, 0, 0, 0)),
    "nq": (DataSet(DOCUMENTS, (*QUESTIONS, ("q3", "not judged")), {"test": PLAIN}), (2, 0, 0, 0)),
    "hotpotqa": (DataSet(DOCUMENTS, QUESTIONS, dict.fromkeys(("dev", "test", "train"), PLAIN)), (2, 0, 0, 0)),
    "fiqa": (
        DataSet((*DOCUMENTS, ("d4", "", "")), QUESTIONS, {"test": PLAIN + "q1\td4\t1\n", "train": PLAIN}),
        (2, 1, 0, 0),
    ),
    "signal1m": (USUAL, (2, 0, 0, 0)),
    "trec-news": (USUAL, (2, 0, 0, 0)),
    "robust04": (USUAL, (2, 0, 0, 0)),
    "arguana": (
        DataSet(
            (("q1", "", "why are index funds cheap"), *DOCUMENTS),
            QUESTIONS,
            {"test": PLAIN + "q2\tmissing\t1\n"},
        ),
        (2, 1, 0, 1),
    ),
    "webis-touche2020": (DataSet(DOCUMENTS, QUESTIONS, {"test": "q1\td1\t2\nq1\td2\t-2\nq2\td2\t1\n"}), (2, 0, 0, 0)),
    "cqadupstack/android": (USUAL, (2, 0, 0, 0)),
    "quora": (
        DataSet(
            (*DOCUMENTS, *((name, "", text) for name, text in QUESTIONS)), QUESTIONS, {"dev": PLAIN, "test": PLAIN}
        ),
        (2, 0, 0, 2),
    ),
    "dbpedia-entity": (
        DataSet(
            (("<dbpedia:100%_(song)>", "100%", "a song"), ("<dbpedia:Café>", "Café", "a house")),
            (("INEX_LD-20120111", "which song"),),
            {"dev": PLAIN, "test": "INEX_LD-20120111\t<dbpedia:100%_(song)>\t2\nINEX_LD-20120111\t<dbpedia:Café>\t0\n"},
        ),
        (1, 0, 0, 0),
    ),
    "scidocs": (DataSet(DOCUMENTS, QUESTIONS, {"test": PLAIN + "q1\td3\t0\n"}), (2, 0, 0, 0)),
    "fever": (DataSet(DOCUMENTS, QUESTIONS, dict.fromkeys(("dev", "test", "train"), PLAIN)), (2, 0, 0, 0)),
    "climate-fever": (USUAL, (2, 0, 0, 0)),
    "scifact": (
        DataSet(
            (("1", "", "one"), ("2", "", "two")),
            (("1", "is it one"), ("2", "is it two")),
            {"test": "1\t1\t1\n2\t1\t1\n"},
        ),
        (2, 0, 0, 1),
    ),
}
"""Each data set and its questions, absent judgements, judged questions without text, questions in the corpus."""


@pytest.mark.parametrize("name", DATA_SETS)
def test_every_public_data_set_is_judged_as_it_is(tmp_path: Path, name: str) -> None:
    data_set, expected = DATA_SETS[name]
    source = data_set.write(tmp_path / name)
    examples = read_examples(source)
    write_passages(tmp_path / "passages.arrow", read_corpus([source]))
    judged = judge_questions(PassageStore.open(tmp_path / "passages.arrow"), list(examples))
    asked = judged.question_set(source, examples.without_text)
    assert (asked.count, asked.absent_passages, asked.without_text, asked.own_passages) == expected
    assert (asked.gold_missing, asked.left_out) == (0, 0)


@pytest.mark.parametrize("split", ["dev", "train"])
def test_the_other_splits_are_read_by_the_name_of_their_file(tmp_path: Path, split: str) -> None:
    data_set, _ = DATA_SETS["msmarco"]
    source = data_set.write(tmp_path / "msmarco")
    examples = list(read_examples(f"{source}/qrels/{split}.tsv"))
    assert len(examples) == len(data_set.qrels[split].splitlines())


def test_a_data_set_with_every_flaw_is_benchmarked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    documents = [
        ("funds 1.pdf", "", "why are index funds cheap"),
        ("answer 1.pdf", "", "index funds are cheap for they only follow"),
        ("bond", "", "bonds pay interest"),
        ("empty", "", " "),
    ]
    questions = [("funds 1.pdf", "why are index funds cheap"), ("q2", "what do bonds pay")]
    source = DataSet(documents, questions, {}).write(tmp_path / "set")
    (tmp_path / "set" / "qrels" / "test.tsv").write_text(
        "funds%201.pdf 0 answer%201.pdf 1.0\nq2 0 bond 2\nq2 0 empty 1\nq2 0 gone 1\nq3 0 bond 1\n", encoding="utf-8"
    )
    manifest = build(BuildOptions(sources=(source,), output=tmp_path / "index"), None, WordAnalyzer())
    assert (manifest.passages, manifest.provenance.sources[0].empty) == (3, 1)

    index, examples = open_index(tmp_path / "index", analyzer=WordAnalyzer()), read_examples(source)
    listed = list(examples)
    report = benchmark(
        index,
        listed,
        BenchmarkOptions(["bm25", "tfidf"], [1, 2], source=source, without_text=examples.without_text),
        tmp_path / "out",
    )
    means = report.systems["bm25"].means
    assert {name: means[name] for name in ("recall@1", "recall@2", "mrr@10", "ndcg@10")} == {
        "recall@1": pytest.approx((1 + 1 / 3) / 2),
        "recall@2": pytest.approx((1 + 1 / 3) / 2),
        "mrr@10": 1.0,
        "ndcg@10": pytest.approx((1 + 2 / (2 + 0.63093 + 0.5)) / 2, abs=1e-4),
    }
    counts = report.question_set
    assert (counts.absent_passages, counts.without_text, counts.own_passages) == (2, 1, 1)
    assert "funds 1.pdf" not in dict(read_run(tmp_path / "out" / "bm25.trec")["funds 1.pdf"])

    runs = [tmp_path / "out" / f"{name}.trec" for name in ("bm25", "tfidf")]
    compare_command(tmp_path / "set" / "qrels" / "test.tsv", runs, ["recall@2"], as_json=True)
    compared = json.loads(capsys.readouterr().out)["systems"]["bm25"]
    assert compared["metrics"]["recall@2"]["value"] == pytest.approx((1 + 1 / 3 + 0) / 3)  # q3 counts for compare
