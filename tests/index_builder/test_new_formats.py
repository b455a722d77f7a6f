"""A new corpus format is one module and one entry: a kind of row file, and a data set with its questions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dpr.benchmark.retrieval import BenchmarkOptions, benchmark
from dpr.data.files import Location, read_lines
from dpr.data.identity import content_id
from dpr.data.intake import Intake
from dpr.data.passages import KINDS, Kind, LocatedPassages, read_examples, read_passages
from dpr.data.record import Record
from dpr.data.rows import ROW_FORMATS
from dpr.errors import DataError
from dpr.search.open import open_index
from dpr.store.generation import read_current
from dpr.types import Example, Passage, Question
from index_builder import cli

CARDS = """\
id: seoul
title: Seoul
text: Seoul is the capital of Korea

id: rome
text: Rome is the capital of Italy
"""

TRIVIA = """\
Where is the Colosseum? | Rome | The Colosseum stands in Rome
Who painted Guernica? | Picasso | Picasso painted Guernica in 1937
"""


def read_cards(path: Path, intake: Intake) -> Iterator[Record]:
    """Yield cards: lines of a name and a value, the first of them an id."""
    card: dict[str, object] = {}
    began = Location(path, 1)
    for position, line in read_lines(path, intake):
        name, _, value = line.strip().partition(": ")
        if name == "id" and card:
            yield Record(card, began)
            card = {}
        began = began if card else position
        card[name] = value
    yield Record(card, began)


def read_trivia(path: Path, intake: Intake) -> Iterator[Example]:
    """Yield the question, its answer and its passage of each line."""
    for _, line in read_lines(path, intake):
        question, answer, text = (part.strip() for part in line.split("|"))
        yield Example(Question(content_id(question), question, (answer,)), (Passage(content_id(text), text),))


def read_trivia_passages(path: Path, intake: Intake) -> LocatedPassages:
    return ((Location(path), example.positives[0]) for example in read_trivia(path, intake))


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ROW_FORMATS, ".cards", read_cards)
    monkeypatch.setitem(KINDS, "trivia", Kind(read_trivia, read_trivia_passages))


def build(tmp_path: Path, source: str) -> Path:
    root = tmp_path / "index"
    options = ["--output", str(root), "--analyzer", "words", "--no-dense", "--json"]
    ran = CliRunner().invoke(cli.app, ["build", "--corpus", source, *options])
    assert ran.exit_code == 0, ran.output
    return root


@pytest.mark.parametrize("is_folder", [False, True])
def test_a_file_format_is_indexed_by_its_ending(is_folder: bool, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "capitals.cards").write_text(CARDS, encoding="utf-8")
    root = build(tmp_path, str(corpus if is_folder else corpus / "capitals.cards"))
    passages = {passage.id: passage for passage in open_index(root).passages}
    assert passages["seoul"] == Passage("seoul", "Seoul is the capital of Korea", "Seoul")
    assert passages["rome"].title == ""


def test_its_bad_rows_are_named(tmp_path: Path) -> None:
    path = tmp_path / "corpus.cards"
    path.write_text("id: one\ntitle: without a text\n", encoding="utf-8")
    ran = CliRunner().invoke(cli.app, ["build", "--corpus", str(path), "--output", str(tmp_path / "i"), "--no-dense"])
    assert isinstance(ran.exception, DataError)
    assert "corpus.cards, line 1: the field 'text' is missing" in str(ran.exception)


def test_a_data_set_is_indexed_and_benchmarked(tmp_path: Path) -> None:
    (tmp_path / "questions.txt").write_text(TRIVIA, encoding="utf-8")
    source = f"trivia:{tmp_path / 'questions.txt'}"
    root = build(tmp_path, source)
    assert read_current(root).provenance.sources[0].passages == 2
    assert [example.question.answers for example in read_examples(source)] == [("Rome",), ("Picasso",)]
    assert [example.question.answers for example in read_examples(f"{source}@1:")] == [("Picasso",)]
    index = open_index(root)
    report = benchmark(
        index, read_examples(source), BenchmarkOptions(["bm25"], [1, 10], source=source), tmp_path / "report"
    )
    assert json.loads((tmp_path / "report" / "report.json").read_text())["systems"]
    assert report.systems["bm25"].means["recall@1"] == 1.0


def test_the_guide_names_every_format() -> None:
    guide = (Path(__file__).resolve().parents[2] / "docs" / "indexing.md").read_text(encoding="utf-8")
    for name in KINDS.keys() - {"trivia"}:
        assert f"`{name}:" in guide
    for ending in ROW_FORMATS.keys() - {".cards"}:
        assert f"{ending}`" in guide


def test_what_is_known_is_told_from_the_registries(tmp_path: Path) -> None:
    (tmp_path / "unknown.xyz").write_text("x", encoding="utf-8")
    (tmp_path / "empty").mkdir()
    for source, known in (
        ("trvia:x", "beir, dpr, qed, boolq, pairs, trec, ir_datasets, trivia"),
        (str(tmp_path / "unknown.xyz"), r"\.parquet, \.cards, \.txt.*, or put a kind"),
        (str(tmp_path / "empty"), r"\.csv, \.parquet or \.cards file"),
    ):
        with pytest.raises(DataError, match=known):
            list(read_passages(source))
