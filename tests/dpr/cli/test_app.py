from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from dpr.cli import app
from dpr.errors import ConfigError, DataError, DPRError, RequestError
from dpr.models.encoders import load_encoder
from dpr.search.fusion import Fusion
from dpr.search.record import write_fusion
from dpr.store.windows import WindowRule
from dpr.text.registry import analyzer
from dpr.types import Passage
from index_builder.build import BuildOptions, build
from tests.small_index import write_jsonl

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


def test_search_shows_the_window_of_a_long_passage(tiny_checkpoint: Path, tmp_path: Path) -> None:
    words = " ".join(f"a b c number {position}" for position in range(30))
    source = write_jsonl(tmp_path / "corpus.jsonl", [Passage("long", words, "title"), Passage("short", "a b c")])
    options = BuildOptions(sources=(source,), output=tmp_path / "index", windows=WindowRule(16, 4))
    build(options, load_encoder(tiny_checkpoint), analyzer("english"))
    search = "search", "number 12", "--index", str(tmp_path / "index"), "--retriever", "dense"
    hits = {hit["passage_id"]: hit for hit in parsed(call(*search, "--json"))}
    window = hits["long"]["window"]
    assert 0 <= window["start"] < window["end"] <= len(words)
    assert hits["short"]["window"] is None
    shown = call(*search).stdout
    assert f"[{window['start']}:{window['end']}]" in shown
    assert shown.count("number") < 30


def test_weights_and_methods_of_fusion_reach_the_search(index: Path) -> None:
    fused = "--fusion", "rrf", "--weight", "bm25=1", "--weight", "dense=0"
    hits = parsed(call("search", "water clock", "--index", str(index), *fused, "--k", "2", "--json"))
    assert [hit["lists"]["bm25"]["rank"] for hit in hits] == [1, 2]


@pytest.fixture
def fusion_file(tmp_path: Path) -> Path:
    """Ranks of the encoder alone."""
    path = tmp_path / "fusion.json"
    write_fusion(path, Fusion("rrf", {"dense": 1.0, "bm25": 0.0}), {})
    return path


def test_search_tells_how_much_each_list_counted_and_why(index: Path) -> None:
    question = "물시계 water clock"
    hits = parsed(call("search", question, "--index", str(index), "--json"))
    weighing = hits[0]["weighing"]
    share = weighing["coverage"]["bm25"]
    known = 0.75 * share**2
    assert 0 < share <= 1
    assert weighing["weights"] == {
        "dense": pytest.approx(0.25 / (0.25 + known)),
        "bm25": pytest.approx(known / (0.25 + known)),
    }
    printed = call("search", question, "--index", str(index)).stdout
    assert f"bm25 {weighing['weights']['bm25']:.2f} (bm25 covers {100 * share:.0f} % of the question)" in printed


def test_a_file_wins_over_the_index_and_options_say_the_weights_of_every_question(
    index: Path, reader: Path, fusion_file: Path
) -> None:
    arguments = "물시계 water clock", "--index", str(index), "--k", "3", "--json"
    hits = parsed(call("search", *arguments, "--fusion-file", str(fusion_file)))
    assert [hit["lists"]["dense"]["rank"] for hit in hits] == [1, 2, 3]
    answered = parsed(call("ask", *arguments, "--fusion-file", str(fusion_file), "--reader", str(reader)))
    assert [passage["id"] for passage in answered["passages"]] == [hit["passage_id"] for hit in hits]
    given = parsed(call("search", *arguments, "--weight", "dense=0.3", "--weight", "bm25=0.7"))
    assert given[0]["weighing"]["weights"] == {"dense": 0.3, "bm25": 0.7}
    shallow = parsed(call("search", *arguments, "--fusion", "rrf", "--fusion-depth", "3"))
    assert [hit["lists"]["dense"]["rank"] for hit in shallow] != [1, 2, 3]
    with pytest.raises(RequestError, match="k is 3: the retriever fuses 2 candidates of each list"):
        call("search", *arguments, "--fusion", "rrf", "--fusion-depth", "2")
    with pytest.raises(ConfigError, match="--fusion-depth 200 is for the fusion that --fusion and --weight name"):
        call("search", *arguments, "--fusion-depth", "200")
    with pytest.raises(ConfigError, match=r"says how to fuse, and so does --fusion-depth; give one of them"):
        call("search", *arguments, "--fusion-file", str(fusion_file), "--fusion-depth", "200")


def test_a_benchmark_reports_the_fusion_of_a_file(
    index: Path, demo_files: tuple[Path, Path], fusion_file: Path, tmp_path: Path
) -> None:
    arguments = "--questions", f"squad:{demo_files[0]}@:2", "--retrievers", "dense,hybrid"
    report = parsed(
        call(
            "benchmark",
            "--index",
            str(index),
            *arguments,
            "--fusion-file",
            str(fusion_file),
            "--output",
            str(tmp_path),
            "--json",
        )
    )
    fusion = report["systems"]["hybrid"]["fusion"]
    assert (fusion["method"], fusion["weights"]) == ("rrf", {"dense": 1, "bm25": 0})
    dense, hybrid = (report["systems"][name]["metrics"]["mrr@10"] for name in ("dense", "hybrid"))
    assert dense == hybrid


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


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("search", "x", "--k", "0"), RequestError, "k is 0; choose 1 to 100"),
        (("search", "x", "--retriever", "magic"), RequestError, "unknown retriever 'magic'"),
        (("search", "x", "--weight", "bm25"), ConfigError, "'bm25' is not LIST=NUMBER"),
        (("search", "x", "--fusion", "magic"), RequestError, "magic"),
        (("search", "x", "--fusion-file", "f", "--fusion", "rrf"), ConfigError, "and so does --fusion; give one"),
        (("search", "x", "--fusion-file", "f", "--weight", "bm25=1"), ConfigError, "and so does --weight; give one"),
        (
            ("search", "x", "--fusion-file", "absent.json"),
            DataError,
            "absent.json: the file does not exist; write one with dpr tune",
        ),
        (("benchmark", "--questions", "squad:x", "--output", "o", "--k", "one"), ConfigError, "not a list of whole"),
    ],
)
def test_bad_input_is_one_sentence(
    index: Path, arguments: tuple[str, ...], error: type[DPRError], message: str
) -> None:
    with pytest.raises(error, match=message):
        call(*arguments, "--index", str(index))
