from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

from dpr.errors import ConfigError
from dpr.measured import EncodedPassages
from dpr.types import Encoder, EncoderOptions, FloatArray, Passage, Progress, no_progress
from index_builder import build_command, cli, current
from index_builder.options import parse_parameters
from tests.fakes import HashEncoder
from tests.small_index import content, write_jsonl


@pytest.fixture(autouse=True)
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str, precision: str, _backend: str, _options: EncoderOptions) -> Encoder:
        return HashEncoder(f"{name} in {precision}")

    monkeypatch.setattr(build_command, "_load_encoder", load)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["dpr-index", *arguments])
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capsys.readouterr()
        assert isinstance(end.value.code, int)
        return end.value.code, out, err

    return run


@pytest.fixture
def source(tmp_path: Path) -> str:
    return write_jsonl(tmp_path / "corpus.jsonl")


def test_build_verify_list_as_json(run: Any, source: str, tmp_path: Path) -> None:
    index = str(tmp_path / "index")
    for number in (1, 2):
        code, out, _ = run("build", "--corpus", source, "--output", index, "--analyzer", "words", "--json")
        built = json.loads(out)
        assert code == 0
        assert (built["generation"], built["passages"], built["dimension"]) == (f"00000{number}", 6, 32)
        assert built["dense_kind"] == "flat"
        assert built["size_bytes"] > 0

    code, out, _ = run("verify", index, "--json")
    assert code == 0
    assert json.loads(out)["generation"] == "000002"
    assert json.loads(out)["is_sound"] is True

    code, out, _ = run("list", index, "--json")
    assert code == 0
    assert [(item["generation"], item["is_published"]) for item in json.loads(out)] == [
        ("000001", False),
        ("000002", True),
    ]


def test_tables_go_to_stdout_and_progress_to_stderr(
    run: Any, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    index = str(tmp_path / "index")
    code, out, err = run("build", "--corpus", source, "--output", index, "--analyzer", "words")
    assert code == 0
    lines = out.splitlines()
    assert re.fullmatch(rf"The index {index} has 6 passages now \(generation 000001, [\d.]+ kB\)\.", lines[0])
    assert [line.split("  ")[0] for line in lines[1:4]] == ["Ask it:", "Serve it:", "All facts:"]
    names = [line.split("│")[1].strip() for line in lines if "│" in line]
    assert names == ["vectors", f"sources: {source}", "encoder", "dense kind"]  # the rest is in JSON
    assert "reading passages from the sources: 6 of 6 passages" in err
    assert "6 of 6" not in out
    assert "empty skipped" not in out  # there are none
    assert f'dpr ask --index {index} "…"' in out
    facts = json.loads(run("list", index, "--json")[1])
    assert facts[0]["seconds"].keys() >= {"encode", "terms"}
    assert "000001 *" in run("list", index)[1]
    assert "sparse probes" in run("verify", index)[1]


def test_a_change_leads_with_what_it_did(run: Any, source: str, tmp_path: Path) -> None:
    index, more = str(tmp_path / "index"), write_jsonl(tmp_path / "more.jsonl", [Passage("본 bonn", "Bonn is a city")])
    run("build", "--corpus", source, "--output", index, "--analyzer", "words", "--no-dense")
    for command, sentence in (
        (("add", index, "--corpus", more), "has 7 passages now: 1 added, 0 replaced, 0 removed (generation 000002, "),
        (("delete", index, "--id", "paris"), "has 6 passages now: 0 added, 0 replaced, 1 removed (generation 000003, "),
        (("compact", index), "has 6 passages now (generation 000004, "),
        (("publish", index, "000001"), "has 6 passages now (generation 000001, "),
    ):
        assert run(*command)[1].startswith(f"The index {index} {sentence}")


def test_every_option_reaches_the_manifest(run: Any, source: str, tmp_path: Path) -> None:
    index = tmp_path / "index"
    arguments = f"build --corpus {source} --output {index} --analyzer words --dense-kind hnsw --dense-parameter m=16 "
    arguments += (
        "--bm25-variant lucene --k1 0.9 --b 0.4 --chunk-tokens 8 --overlap-tokens 2 --encoder bert --precision fp32"
    )
    code, _, err = run(*arguments.split())
    assert code == 0, err
    manifest = json.loads((index / "generations" / "000001.json").read_text(encoding="utf-8"))
    assert manifest["encoder"]["fingerprint"] == "bert in fp32"
    assert manifest["segments"][0]["dense"]["kind"] == "hnsw"
    assert manifest["segments"][0]["dense"]["parameters"]["m"] == 16
    assert manifest["weights"]["bm25"] == {"scheme": "bm25-lucene", "parameters": {"k1": 0.9, "b": 0.4}}
    assert manifest["provenance"]["chunk_tokens"] == 8
    assert manifest["provenance"]["overlap_tokens"] == 2
    assert manifest["provenance"]["command"] == f"dpr-index {arguments}"


def test_a_repeated_add_adds_nothing(run: Any, source: str, tmp_path: Path) -> None:
    index = str(tmp_path / "index")
    run("build", "--corpus", source, "--output", index, "--analyzer", "words", "--no-dense")
    code, out, err = run("add", index, "--corpus", source, "--json")
    assert code == 0
    assert "note: the index has all passages of the sources already; nothing was added\n" in err
    changes = {"added": 0, "replaced": 0, "removed": 0, "unchanged": 6, "total": 6}
    assert (json.loads(out)["passage_changes"], json.loads(out)["generation"]) == (changes, "000001")
    assert sorted(path.name for path in (tmp_path / "index" / "segments").iterdir()) == [
        json.loads((tmp_path / "index" / "generations" / "000001.json").read_text(encoding="utf-8"))["segments"][0][
            "id"
        ]
    ]


def loads(monkeypatch: pytest.MonkeyPatch, encoder: HashEncoder) -> None:
    """Have commands load this encoder."""
    monkeypatch.setattr(build_command, "_load_encoder", lambda *_: encoder)
    monkeypatch.setattr(current, "load_recorded", lambda *_: encoder)


def test_an_index_is_changed_and_looked_after(
    run: Any, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads(monkeypatch, HashEncoder())
    index, more = str(tmp_path / "index"), write_jsonl(tmp_path / "more.jsonl", [Passage("본 bonn", "Bonn is a city")])
    changed = write_jsonl(tmp_path / "changed.jsonl", [Passage("본 bonn", "Bonn was a capital")])
    (tmp_path / "ids.txt").write_text("rome\r\n\r\nseoul\r\n", encoding="utf-16")

    def result(*arguments: str) -> dict[str, Any]:
        code, out, err = run(*arguments, "--json")
        assert code == 0, err
        actual: dict[str, Any] = json.loads(out)
        return actual

    assert result("build", "--corpus", source, "--output", index, "--analyzer", "words")["passages"] == 6
    assert result("add", index, "--corpus", more)["segments"] == 2
    assert result("upsert", index, "--corpus", changed)["passages"] == 7
    deleted = result("delete", index, "--id", "paris", "--ids", str(tmp_path / "ids.txt"), "--encoding", "utf-16")
    assert (deleted["passages"], deleted["deleted"]) == (4, 3)
    assert result("compact", index)["segments"] == 1
    assert result("publish", index, "000004")["deleted"] == 3
    assert result("prune", index, "--keep", "1") == {"published": "000004", "removed": ["000001", "000002", "000003"]}
    assert result("verify", index)["is_sound"]
    assert result("add", index, "--corpus", changed)["passage_changes"]["added"] == 0


class ShortSighted(HashEncoder):
    passage_tokens = 30

    def encode_and_measure(self, passages: Sequence[Passage], progress: Progress = no_progress) -> EncodedPassages:
        is_cut = np.array([len(passage.text) > self.passage_tokens for passage in passages])
        return EncodedPassages(self.encode_passages(passages, progress), is_cut)


def test_the_summary_says_how_many_passages_are_longer_than_the_encoder_reads(
    run: Any, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(*arguments: str) -> tuple[int | None, str | None]:
        code, out, _ = run(*arguments, "--json")
        assert code == 0
        return json.loads(out)["cut_passages"], json.loads(out)["note"]

    def note(cut: int, passages: int) -> str:
        return (
            f"{cut} of {passages} passages are longer than the 30 tokens that the encoder reads; shorten "
            "their titles, or chunk them (--chunk-tokens 24)"
        )

    index, more = str(tmp_path / "index"), write_jsonl(tmp_path / "more.jsonl", [Passage("long", "word " * 9)])
    build = ("build", "--corpus", source, "--output", index, "--analyzer", "words")
    assert told(*build) == (None, None)
    loads(monkeypatch, ShortSighted())
    assert told(*build) == (2, note(2, 6))
    assert told("add", index, "--corpus", more) == (3, note(3, 7))
    assert told("compact", index) == (3, note(3, 7))
    table = run("build", "--corpus", source, "--corpus", more, *build[3:])[1]
    assert note(3, 7).replace(" ", "") in "".join(table.replace("│", "").split())
    assert told("delete", index, "--id", "long") == (3, note(3, 7))  # as they were written
    assert told("compact", index) == (None, None)


def test_bad_rows_and_encodings_are_options_of_what_reads_a_corpus(run: Any, tmp_path: Path) -> None:
    path, more = tmp_path / "corpus.csv", tmp_path / "more.csv"
    path.write_bytes("번호,본문\n1,부산은 항구\n2\n3,서울은 수도\n4,\n".encode("cp949"))
    more.write_bytes("번호,본문\n5,인천\n6\n".encode("cp949"))
    index, read = str(tmp_path / "index"), ("--encoding", "cp949", "--skip-bad-rows", "--json")
    code, _, err = run("build", "--corpus", str(path), "--output", index, "--no-dense")
    assert (code, "--encoding cp949" in err) == (2, True)
    code, _, err = run("build", "--corpus", str(path), "--output", index, "--no-dense", "--encoding", "cp949")
    assert (code, err.startswith("error: 2 rows are bad"), err.count("corpus.csv, line")) == (2, True, 2)
    for command, source, passages, bad_rows in (
        (("build", "--output", index, "--no-dense"), path, 2, 2),
        (("add", index), more, 3, 1),
        (("upsert", index), more, 3, 1),
    ):
        code, out, _ = run(*command, "--corpus", str(source), *read)
        result = json.loads(out)
        assert (code, result["passages"], result["bad_rows_skipped"]) == (0, passages, bad_rows)
        assert result["sources"][str(source)]["bad_rows_skipped"] == bad_rows
    code, _, _ = run("estimate", "--corpus", str(path), "--no-dense", *read)
    assert code == 0


def test_no_dense_loads_no_encoder(run: Any, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_command, "_load_encoder", None)
    arguments = ("--corpus", source, "--output", str(tmp_path / "index"), "--analyzer", "words", "--no-dense", "--json")
    code, out, _ = run("build", *arguments)
    assert code == 0
    assert json.loads(out)["encoder"] is None


@pytest.mark.parametrize("command", ["add", "upsert", "sync"])
def test_how_an_encoder_computes_is_refused_for_an_index_without_vectors(
    run: Any, source: str, tmp_path: Path, command: str
) -> None:
    index, more = str(tmp_path / "index"), tmp_path / "more.jsonl"
    assert run("build", "--corpus", source, "--output", index, "--analyzer", "words", "--no-dense")[0] == 0
    more.write_text('{"id": "new", "text": "another text"}\n', encoding="utf-8")
    code, _, err = run(command, index, "--corpus", str(more), "--precision", "fp32")
    assert (code, "so that no encoder is used; leave precision and backend out" in err) == (2, True)
    assert run(command, index, "--corpus", str(more))[0] == 0


@pytest.mark.parametrize("command", ["build --output", "add"])
def test_a_missing_source_is_told_before_an_encoder_is_loaded(
    run: Any, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    index = str(tmp_path / "index")
    assert run("build", "--corpus", source, "--output", index, "--analyzer", "words", "--no-dense")[0] == 0
    monkeypatch.setattr(build_command, "_load_encoder", None)
    monkeypatch.setattr("index_builder.update.add", None)
    code, _, err = run(*command.split(), index, "--corpus", source, "--corpus", "nowhere.jsonl")
    assert code == 2
    assert "error: nowhere.jsonl: no such file or folder; check the path" in err


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ("build --corpus nowhere.jsonl --output INDEX --analyzer words", 2, "nowhere.jsonl"),
        ("build --corpus SOURCE --output INDEX --analyzer morse", 2, "morse"),
        ("build --corpus SOURCE --output INDEX --dense-kind annoy", 2, "unknown index type 'annoy'"),
        ("build --corpus SOURCE --output SOURCE --analyzer words", 2, "is a file; choose a folder"),
        (
            "build --corpus SOURCE --output INDEX --no-dense --precision bf16",
            2,
            "--no-dense uses no encoder, but --prec",
        ),
        (
            "build --corpus SOURCE --output INDEX --no-dense --backend torch",
            2,
            "--no-dense uses no encoder, but --prec",
        ),
        ("build --corpus SOURCE --output INDEX --no-dense --encoder mine", 2, "no encoder, but --encoder is 'mine'"),
        ("estimate --corpus SOURCE --no-dense --precision bf16", 2, "--no-dense uses no encoder, but --precision"),
        ("estimate --corpus SOURCE --dimension 64 --encoder mine", 2, "--dimension uses no encoder, but --encoder is"),
        ("estimate --corpus SOURCE --no-dense --dimension 64", 2, "--no-dense makes no vectors, but their dimension"),
        (
            "estimate --corpus SOURCE --no-dense --dense-kind hnsw",
            2,
            "--no-dense makes no vectors, but their dimension",
        ),
        ("sync INDEX --corpus SOURCE --interval-s 2", 2, "--interval-s is 2, but without --watch"),
        ("add INDEX --corpus SOURCE", 1, "build an index there"),
        ("delete INDEX", 2, "give ids of passages or documents with --id or --ids"),
        ("delete INDEX --ids nowhere.txt", 2, "nowhere.txt: no such file; check the path"),
        ("delete INDEX --id \udcff", 2, "is not UTF-8; write the id in the terminal's encoding, or use --ids"),
        ("build --corpus SOURCE --output SOURCE/below/it --analyzer words", 2, "is a file; choose a folder"),
        ("publish INDEX latest", 2, "'latest' is not a generation"),
        ("verify INDEX", 1, "does not exist; build an index there"),
        ("list INDEX", 1, "does not exist; build an index there"),
    ],
)
def test_what_cannot_be_done_is_one_line_on_stderr(
    run: Any, source: str, tmp_path: Path, arguments: str, code: int, sentence: str
) -> None:
    filled = arguments.replace("INDEX", str(tmp_path / "index")).replace("SOURCE", source)
    ended, out, err = run(*filled.split())
    assert (ended, out) == (code, "")
    (line,) = [line for line in err.splitlines() if line.startswith("error: ")]
    assert sentence in line


class Interrupted(HashEncoder):
    def encode_passages(self, passages: Sequence[Passage], progress: Progress = no_progress) -> FloatArray:
        raise KeyboardInterrupt


def test_ctrl_c_is_one_sentence_and_the_same_command_goes_on(
    run: Any, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_command, "_load_encoder", lambda *_: Interrupted())
    code, out, err = run("build", "--corpus", source, "--output", str(tmp_path / "index"), "--analyzer", "words")
    assert (code, out) == (130, "")
    assert err.endswith("interrupted; run the same command again to continue\n")
    assert "CURRENT" not in content(tmp_path / "index")
    monkeypatch.setattr(build_command, "_load_encoder", lambda *_: HashEncoder())
    code, _, err = run("build", "--corpus", source, "--output", str(tmp_path / "index"), "--analyzer", "words")
    assert code == 0
    assert "counting the passages' terms" not in err
    assert "CURRENT" in content(tmp_path / "index")


def test_a_missing_option_is_wrong_usage(run: Any, source: str) -> None:
    code, _, err = run("build", "--corpus", source)
    assert code == 2
    assert "--output" in err


@pytest.mark.parametrize("setting", ["m", "m=", "=3", "m=x", "m=-1"])
def test_a_parameter_of_another_form_is_refused(setting: str) -> None:
    with pytest.raises(ConfigError, match="write NAME=NUMBER"):
        parse_parameters([setting])


def test_parameters_are_numbers_by_name() -> None:
    assert parse_parameters(["m=16", "ef_search=64"]) == {"m": 16, "ef_search": 64}


def test_every_option_is_in_the_guide() -> None:
    guide = (Path(__file__).resolve().parents[2] / "docs" / "indexing.md").read_text(encoding="utf-8")
    for name, command in typer.main.get_group(cli.app).commands.items():
        assert f"## `dpr-index {name}" in guide
        options = (option for parameter in command.params for option in parameter.opts if option.startswith("--"))
        for option in options:
            assert f"`{option}" in guide, option
