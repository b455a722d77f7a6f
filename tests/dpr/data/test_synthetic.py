"""Synthetic questions: marked, repeatable, readable as pairs, and told in a report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau
from typer.testing import CliRunner

from dpr.benchmark.gold import judge_questions
from dpr.cli import app
from dpr.data.passages import read_examples
from dpr.data.synthetic import cloze_questions, is_synthetic, sampled, title_questions
from dpr.errors import ConfigError, DataError
from dpr.evaluation.agreement import kendall_tau
from dpr.types import Passage
from tests.fake_generator import generator, replies
from tests.fakes import FakePool

PASSAGES = [
    Passage(
        f"p{number}", f"The harbour number {number} has a long pier and {number} boats. It is old.", f"T{number // 2}"
    )
    for number in range(20)
]


def corpus(tmp_path: Path) -> str:
    path = tmp_path / "corpus.jsonl"
    rows = ({"id": passage.id, "text": passage.text, "title": passage.title} for passage in PASSAGES)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def test_a_sample_is_uniform_and_repeatable() -> None:
    first = sampled(PASSAGES, 5, 3)
    assert first == sampled(iter(PASSAGES), 5, 3)
    assert [passage.id for passage in first] == sorted((p.id for p in first), key=lambda name: int(name[1:]))
    assert len({tuple(p.id for p in sampled(PASSAGES, 5, seed)) for seed in range(20)}) > 15
    assert sampled([Passage("short", "too short")], 5, 1) == []
    assert len(sampled(PASSAGES, 99, 1)) == len(PASSAGES)


def test_each_question_is_marked_and_has_its_passage() -> None:
    made = list(cloze_questions(sampled(PASSAGES, 6, 1), 1))
    assert len(made) == 6
    for example in made:
        [passage] = example.positives
        assert is_synthetic(example.question.id)
        assert set(example.question.text.split()) <= set(passage.text.replace(".", " ").split())


def test_a_title_has_all_of_its_passages() -> None:
    many = [
        Passage(f"m{number}", f"{number} of many passages of one and the same title", "many") for number in range(30)
    ]
    made = list(title_questions([*PASSAGES, *many], 50, 1))
    assert {example.question.text for example in made} == {f"T{number}" for number in range(10)}
    assert all(len(example.positives) == 2 for example in made)
    assert len(list(title_questions(PASSAGES, 3, 1))) == 3


@pytest.mark.parametrize("method", ["cloze", "titles"])
def test_the_command_writes_pairs(tmp_path: Path, method: str) -> None:
    output = tmp_path / "made.jsonl"
    command = ["questions", "--corpus", corpus(tmp_path), "--method", method, "--limit", "7", "--json"]
    ran = CliRunner().invoke(app, [*command, "--output", str(output)])
    assert ran.exception is None, ran.exception
    assert json.loads(ran.stdout)["questions"] == 7
    row = json.loads(output.read_text(encoding="utf-8").splitlines()[0])
    assert row["synthetic"]["method"] == method
    examples = list(read_examples(f"pairs:{output}"))
    assert len(examples) == 7
    question_set = judge_questions(FakePool(PASSAGES), examples).question_set("made")
    assert question_set.synthetic == 7
    assert "7 of 7 questions are synthetic, made from passages" in question_set.notes()[0].english
    before = output.read_bytes()
    CliRunner().invoke(app, [*command, "--output", str(output)])
    assert output.read_bytes() == before


def test_a_model_writes_them(tmp_path: Path) -> None:
    output = tmp_path / "made.jsonl"
    with generator(*[replies("How many ", "boats are there?")] * 3) as server:
        command = [
            "questions",
            "--corpus",
            corpus(tmp_path),
            "--output",
            str(output),
            "--method",
            "model",
            "--limit",
            "3",
        ]
        ran = CliRunner().invoke(app, [*command, "--generator-url", server.url, "--generator-model", "m", "--json"])
    assert ran.exception is None, ran.exception
    rows = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert [row["question"] for row in rows] == ["How many boats are there?"] * 3
    assert rows[0]["synthetic"]["model"] == "m"


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        (["--method", "guess"], "--method is 'guess'; choose cloze, titles, model"),
        (["--method", "model"], "--method model needs --generator-url and --generator-model"),
        (["--generator-model", "m"], "--method cloze asks no model; leave"),
    ],
)
def test_options_that_do_not_fit(tmp_path: Path, options: list[str], cause: str) -> None:
    command = ["questions", "--corpus", corpus(tmp_path), "--output", str(tmp_path / "made.jsonl"), *options]
    ran = CliRunner().invoke(app, command)
    assert isinstance(ran.exception, ConfigError)
    assert cause in str(ran.exception)


def test_an_output_of_another_ending_and_a_corpus_without_titles(tmp_path: Path) -> None:
    command = ["questions", "--corpus", corpus(tmp_path)]
    ran = CliRunner().invoke(app, [*command, "--output", str(tmp_path / "made.json")])
    assert "has another ending; write a .jsonl file" in str(ran.exception)
    path = tmp_path / "plain.jsonl"
    path.write_text(
        json.dumps({"id": "a", "text": "a text without any title of its own at all"}) + "\n", encoding="utf-8"
    )
    command = ["questions", "--corpus", str(path), "--method", "titles", "--output", str(tmp_path / "made.jsonl")]
    ran = CliRunner().invoke(app, command)
    assert isinstance(ran.exception, DataError)
    assert not (tmp_path / "made.jsonl").exists()


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=8))
def test_tau_equals_that_of_scipy(pairs: list[tuple[int, int]]) -> None:
    first, second = ([float(pair[side]) for pair in pairs] for side in (0, 1))
    if len(set(first)) == 1 or len(set(second)) == 1:
        assert kendall_tau(first, second) == 0
    else:
        assert kendall_tau(first, second) == pytest.approx(kendalltau(first, second).statistic)


def test_tau_of_one_system_is_refused() -> None:
    with pytest.raises(DataError, match="compare two or more systems"):
        kendall_tau([1.0], [2.0])
