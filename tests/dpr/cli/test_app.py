from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from dpr.cli import app
from dpr.errors import ConfigError, DPRError, RequestError
from dpr.models.encoders import load_encoder
from dpr.text.registry import analyzer
from index_builder.build import BuildOptions, build

RUNNER = CliRunner()


@pytest.fixture(scope="module")
def index(tiny_checkpoint: Path, demo_files: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The English demo corpus, indexed with random encoders."""
    output = tmp_path_factory.mktemp("cli") / "index"
    sources = (f"squad:{demo_files[0]}",)
    build(BuildOptions(sources=sources, output=output), load_encoder(tiny_checkpoint), analyzer("english"))
    return output


@pytest.fixture(scope="module")
def reader(tiny_checkpoint: Path, demo_files: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reader that saw one article once, trained by the command."""
    folder = tmp_path_factory.mktemp("cli-reader")
    (folder / "settings.toml").write_text("batch_tokens = 512\nepochs = 3\n", encoding="utf-8")
    result = call(
        "train-reader", "--data", f"squad:{demo_files[0]}@:1", "--base", str(tiny_checkpoint), "--lora-rank", "2",
        "--config", str(folder / "settings.toml"), "--epochs", "1", "--output", str(folder / "reader"), "--json",
    )  # fmt: skip
    summary = parsed(result)
    assert (summary["training"]["epochs"], summary["training"]["batch_tokens"]) == (1, 512)
    return folder / "reader"


def call(*arguments: str) -> Result:
    result = RUNNER.invoke(app, arguments)
    if isinstance(result.exception, DPRError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def parsed(result: Result) -> Any:
    return json.loads(result.stdout)


def test_search_tells_what_each_list_says(index: Path) -> None:
    question = "Which inventor built the water clock of King Sejong?"
    hits = parsed(call("search", question, "--index", str(index), "--k", "3", "--json"))
    assert [hit["rank"] for hit in hits] == [1, 2, 3]
    assert set(hits[0]["lists"]) == {"dense", "bm25"}
    for hit in hits:
        assert sum(entry["contribution"] for entry in hit["lists"].values()) == pytest.approx(hit["score"], abs=1e-5)
    sparse = call("search", question, "--index", str(index), "--retriever", "bm25", "--k", "1").stdout
    assert "Jagyeongnu" in sparse


def test_weights_and_methods_of_fusion_reach_the_search(index: Path) -> None:
    fused = "--fusion", "rrf", "--weight", "bm25=1", "--weight", "dense=0"
    hits = parsed(call("search", "water clock", "--index", str(index), *fused, "--k", "2", "--json"))
    assert [hit["lists"]["bm25"]["rank"] for hit in hits] == [1, 2]


def test_ask_shows_the_answer_in_its_passage(index: Path, reader: Path) -> None:
    arguments = "ask", "Which inventor built the water clock?", "--index", str(index), "--reader", str(reader)
    answered = parsed(call(*arguments, "--k", "4", "--n-best", "2", "--json"))
    texts = {passage["id"]: passage["text"] for passage in answered["passages"]}
    assert len(answered["answers"]) == 2
    for answer in answered["answers"]:
        assert texts[answer["passage_id"]][answer["start"] : answer["end"]] == answer["text"]
    assert "score" in call(*arguments).stdout


def test_benchmark_prints_a_table_and_writes_the_report(
    index: Path, demo_files: tuple[Path, Path], tmp_path: Path
) -> None:
    arguments = "benchmark", "--index", str(index), "--questions", f"squad:{demo_files[0]}", "--k", "1,5"
    result = call(*arguments, "--retrievers", "bm25,hybrid", "--output", str(tmp_path))
    assert "hybrid" in result.stdout
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["systems"]["bm25"]["metrics"]["recall@5"]["value"] > 0.9
    assert {"recall.png", "bm25.trec", "hybrid.trec", "qrels.trec"} <= {path.name for path in tmp_path.iterdir()}


def test_evaluate_reader_scores_and_stores_the_threshold(reader: Path, demo_files: tuple[Path, Path]) -> None:
    arguments = "evaluate-reader", "--reader", str(reader), "--data", f"squad:{demo_files[0]}@-1:", "--json"
    scores = parsed(call(*arguments, "--negatives", "--tune-threshold"))
    assert (scores["rule"], 0 <= scores["f1"] <= 100) == ("squad-2.0", True)
    stored = json.loads((reader / "reader.json").read_text(encoding="utf-8"))
    assert stored["null_threshold"] == scores["null_threshold"]
    assert parsed(call(*arguments, "--rule", "squad-1.1"))["no_answer_accuracy"] is None


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("search", "x", "--k", "0"), RequestError, "k is 0; choose 1 to 100"),
        (("search", "x", "--retriever", "magic"), RequestError, "unknown retriever 'magic'"),
        (("search", "x", "--weight", "bm25"), ConfigError, "'bm25' is not LIST=NUMBER"),
        (("search", "x", "--fusion", "magic"), RequestError, "magic"),
        (("benchmark", "--questions", "squad:x", "--output", "o", "--k", "one"), ConfigError, "not a list of whole"),
    ],
)
def test_bad_input_is_one_sentence(
    index: Path, arguments: tuple[str, ...], error: type[DPRError], message: str
) -> None:
    with pytest.raises(error, match=message):
        call(*arguments, "--index", str(index))
