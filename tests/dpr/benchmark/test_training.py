"""Questions that a model was trained on are found by the hashes of its training record."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dpr.benchmark.retrieval import BenchmarkOptions, benchmark
from dpr.benchmark.training import read_record, recorded_sources, trained_on, training_record
from dpr.data.intake import ReadRules
from dpr.data.passages import read_examples
from dpr.data.source_hash import source_hash
from dpr.errors import DataError
from dpr.search.open import open_index
from dpr.search.reranking import RerankOptions
from dpr.types import Example, Passage, Question
from index_builder.build import BuildOptions, build
from index_builder.learned import load_learned_encoders
from tests.fakes import HashEncoder, WordAnalyzer
from tests.learned_models import make_colbert, make_splade
from tests.small_index import PASSAGES, write_jsonl
from tests.tiny_models import make_cross_encoder


def example(number: int) -> Example:
    return Example(Question(f"q{number}", f"question {number}"), (Passage(f"p{number}", f"text {number}"),))


ALL = [example(number) for number in range(6)]
FILES = {"squad:data/set.json": ALL, "squad:data/set.json@:4": ALL[:4], "squad:data/set.json@4:": ALL[4:]}


def read(source: str) -> list[Example]:
    if source not in FILES:
        raise DataError(f"{source} selects nothing")
    return FILES[source]


def record(**sources: tuple[str, int]) -> dict[str, object]:
    return {"sources": {name: {"sha256": sha256, "questions": count} for name, (sha256, count) in sources.items()}}


@pytest.mark.parametrize(
    ("trained", "measured", "expected"),
    [
        ("squad:elsewhere/set.json@:4", "squad:data/set.json", {"q0", "q1", "q2", "q3"}),
        ("squad:elsewhere/set.json@:4", "squad:data/set.json@4:", set()),
        ("squad:elsewhere/renamed.json", "squad:data/set.json@4:", {"q4", "q5"}),
    ],
)
def test_a_range_of_articles_is_known_by_its_hash(trained: str, measured: str, expected: set[str]) -> None:
    articles = "@:4" if trained.endswith("@:4") else ""
    sha256 = source_hash(FILES[f"squad:data/set.json{articles}"])
    result = trained_on("m", record(**{trained: (sha256, 4)}), measured, FILES[measured], read)
    assert result.questions == expected
    assert bool(result.warnings) == bool(expected)


def test_mined_questions_of_the_same_data_set_are_a_warning() -> None:
    mined = record(**{"dpr:squad.json": ("0" * 64, 11_089)})
    [warning] = trained_on("runs/pair", mined, "squad:data/set.json", ALL, read).warnings
    assert "the model runs/pair may have been trained on some of these questions" in warning.english
    assert "dpr:squad.json (11,089 questions)" in warning.english
    assert "dpr:squad.json (질문 11,089개)" in warning.korean


@pytest.mark.parametrize("name", ["dpr:docs.json", "squad:other.json@:4", "pairs:sentences.jsonl"])
def test_other_data_sets_are_no_warning(name: str) -> None:
    assert trained_on("m", record(**{name: ("0" * 64, 5)}), "squad:data/set.json", ALL, read).warnings == ()


def test_every_model_of_a_system_is_looked_at(tiny_checkpoint: Path, tmp_path: Path) -> None:
    models = {
        "splade": make_splade(tiny_checkpoint, tmp_path / "splade"),
        "colbert": make_colbert(tiny_checkpoint, tmp_path / "colbert"),
        "cross": make_cross_encoder(tiny_checkpoint, tmp_path / "cross"),
    }
    encoder = HashEncoder()
    encoder.name = shutil.copytree(tiny_checkpoint, tmp_path / "dense").as_posix()
    models["dense"] = Path(encoder.name)
    rows = [
        {"question": passage.text, "answers": [], "positive_ctxs": [context], "negative_ctxs": []}
        | {"hard_negative_ctxs": []}
        for passage in PASSAGES
        for context in [{"title": passage.title, "text": passage.text, "passage_id": passage.id}]
    ]
    (tmp_path / "questions.json").write_text(json.dumps(rows), encoding="utf-16")
    questions, rules = f"dpr:{tmp_path / 'questions.json'}", ReadRules("utf-16")
    examples = list(read_examples(questions, rules))
    for name in ("splade", "cross", "dense"):
        trained = record(**{questions: (source_hash(examples), len(examples))})
        (models[name] / "training.json").write_text(json.dumps(trained), encoding="utf-8")

    learned = load_learned_encoders({name: str(models[name]) for name in ("splade", "colbert")})
    options = BuildOptions(sources=(write_jsonl(tmp_path / "passages.jsonl"),), output=tmp_path / "index")
    build(options, encoder, WordAnalyzer(), learned=learned)
    index = open_index(options.output, encoder, WordAnalyzer(), rerank=RerankOptions(str(models["cross"])))

    names = ["bm25", "splade", "bm25+splade", "colbert", "colbert+rerank", "hybrid+rerank"]
    measured = BenchmarkOptions(names, [1], source=questions, rules=rules)
    report = benchmark(index, examples, measured, tmp_path / "report")
    warned = {name: len(system.warnings) for name, system in report.systems.items()}
    assert warned == dict(zip(names, (0, 1, 1, 0, 1, 2), strict=True))
    assert report.systems["splade"].warnings[0].english == (
        f"the model {models['splade']} was trained on 6 of the 6 questions, by the hash in its training record"
    )
    assert {question.traits["trained on"] for question in report.questions} == {
        "by splade, bm25+splade, colbert+rerank, hybrid+rerank"
    }


def test_a_model_without_a_folder_says_that_nothing_is_known(caplog: pytest.LogCaptureFixture) -> None:
    assert training_record("../no such model") == {}
    assert "nothing is known of what the model ../no such model was trained on" in caplog.text


def test_records_of_averaged_models_are_read_too() -> None:
    averaged = {"average": {"first": {"training": record(a=("1", 1))}, "second": {"training": record(b=("2", 2))}}}
    assert {entry["name"] for entry in recorded_sources(averaged).values()} == {"a", "b"}


@pytest.mark.parametrize("write", [None, lambda path: path.write_text("{"), lambda path: path.write_text("[1]")])
def test_no_record_or_a_broken_one_knows_nothing(tmp_path: Path, write: Callable[[Path], object] | None) -> None:
    if write:
        write(tmp_path / "training.json")
    assert read_record(tmp_path) == {}
    assert trained_on("m", {}, "squad:data/set.json", ALL, read).questions == frozenset()


def test_a_record_comes_back(tmp_path: Path) -> None:
    (tmp_path / "training.json").write_text(json.dumps(record(a=("1", 1))))
    assert read_record(tmp_path) == record(a=("1", 1))
