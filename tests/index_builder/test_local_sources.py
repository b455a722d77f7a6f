"""Standard input and sources elsewhere, by the commands and from Python."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import dpr
from dpr.data.passages import read_corpus
from dpr.errors import DataError
from dpr.store.generation import read_current
from index_builder.cli import app
from index_builder.current import Current
from index_builder.local_sources import copies_folder, local_sources, path_of

fsspec = pytest.importorskip("fsspec")

ROWS = '{"id": "1", "text": "row one"}\n{"id": "2", "text": "row two"}\n'


@pytest.fixture
def memory() -> Iterator[Any]:
    system = fsspec.filesystem("memory")
    system.store.clear()
    for number in range(3):
        system.pipe_file(f"/store/handbook/{number}.md", f"# Page {number}\n\nText {number}.".encode())
    yield system
    system.store.clear()
    system.pseudo_dirs[:] = [""]


def run(*arguments: str, stdin: str | bytes | None = None) -> Any:
    return CliRunner().invoke(app, arguments, input=stdin)


def ids(index: Path) -> list[str]:
    return sorted(passage.id for passage in Current.read(index).passages)


@pytest.mark.parametrize(
    ("source", "content"),
    [
        ("-", ROWS),
        ("jsonl:-", ROWS),
        ("CSV:-", "id,text\n1,row one\n2,row two\n"),
        ("tsv:-", "id\ttext\n1\trow one\n2\trow two\n"),
    ],
)
def test_standard_input_is_a_source_of_each_command(tmp_path: Path, source: str, content: str) -> None:
    index = tmp_path / "index"
    built = run("build", "--corpus", source, "--output", str(index), "--no-dense", stdin=content)
    assert built.exit_code == 0, built.output
    assert ids(index) == ["1", "2"]
    added = run("add", str(index), "--corpus", "-", stdin='{"id": "3", "text": "row three"}')
    assert added.exit_code == 0, added.output
    synced = run("sync", str(index), "--corpus", "-", "--json", stdin='{"id": "3", "text": "row three"}')
    assert json.loads(synced.stdout)["gone"] == 2
    assert ids(index) == ["3"]
    assert run("estimate", "--corpus", "-", "--no-dense", stdin=ROWS).exit_code == 0
    assert not list(tmp_path.rglob("stdin-*"))


@pytest.mark.usefixtures("memory")
def test_sources_are_recorded_as_the_command_named_them(tmp_path: Path) -> None:
    index, rows = tmp_path / "index", tmp_path / "rows.jsonl"
    rows.write_text('{"id": "3", "text": "row three"}\n', encoding="utf-8")

    def recorded() -> list[str]:
        return [source.source for source in read_current(index).provenance.sources]

    sources = ["csv:-", "memory://store/handbook/0.md", "memory://store/handbook/1.*", f"file://{rows}"]
    options = [option for source in sources for option in ("--corpus", source)]
    built = run("build", *options, "--output", str(index), "--no-dense", "--json", stdin="id,text\n1,row one\n")
    assert built.exit_code == 0, built.output
    assert list(json.loads(built.stdout)["sources"]) == sources
    assert recorded() == sources
    assert run("add", str(index), "--corpus", "-", stdin='{"id": "4", "text": "row four"}').exit_code == 0
    assert recorded() == ["-"]
    assert run("sync", str(index), "--corpus", "memory://store/handbook").exit_code == 0
    assert recorded() == ["memory://store/handbook"]
    dpr.add_passages([dpr.Passage("5", "row five")], index)
    assert recorded() == ["the passages"]
    dpr.add_passages(str(rows), index)
    assert recorded() == [str(rows)]


def test_standard_input_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = tmp_path / "index"
    for sources, content, cause in (
        (["pdf:-"], "x", "standard input has rows"),
        (["squad:-"], "x", "standard input has rows"),
        (["-"], "", "standard input is empty"),
        (["-", "csv:-"], ROWS, "named twice"),
        (["-"], "no json", "standard input, line 1: is not valid JSON"),
    ):
        options = [option for source in sources for option in ("--corpus", source)]
        result = run("build", *options, "--output", str(index), "--no-dense", stdin=content)
        assert isinstance(result.exception, DataError)
        assert cause in str(result.exception)
    assert not list(tmp_path.iterdir()), "nothing is left"

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal())
    with pytest.raises(DataError, match="is a terminal"), local_sources(["-"], index):
        pass


@pytest.mark.parametrize(
    ("source", "rows", "expected"),
    [
        ("-", '{"id": "1"}\n', "standard input, line 1: the field 'text' is missing"),
        ("csv:-", "id,text,n\n1,one\n", "standard input, line 2: has 2 columns instead of 3"),
        (
            "jsonl:-",
            '{"text": "a", "n": 1}\n{"text": "b", "n": "x"}\n',
            """'n' is "x", but standard input, line 1 has 1""",
        ),
    ],
)
def test_an_error_names_the_pipe_and_not_its_copy(tmp_path: Path, source: str, rows: str, expected: str) -> None:
    index = tmp_path / "index"
    for rest in ((), ("--skip-bad-rows",)):
        refused = run("build", "--corpus", source, "--output", str(index), "--no-dense", *rest, stdin=rows)
        assert expected in str(refused.exception) + refused.output
        assert "stdin-" not in str(refused.exception) + refused.output


def test_an_error_names_the_source_elsewhere_and_not_its_copy(
    memory: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    memory.pipe_file("/store/handbook/sub/bad.md", b"\0")
    dpr.build_index("memory://store/handbook/", tmp_path / "index", encoder=None)
    assert "memory://store/handbook/sub/bad.md: has NUL characters" in caplog.text
    memory.pipe_file("/store/rows.jsonl", b"no JSON\n")
    with pytest.raises(DataError, match=r"memory://store/rows\.jsonl, line 1: is not valid JSON"):
        dpr.build_index("memory://store/rows.jsonl", tmp_path / "index", encoder=None)


def test_an_error_of_fields_names_the_passages_of_the_program(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"text": "a", "n": 1}, {"text": "b", "n": "x"}]
    with pytest.raises(DataError, match=r"^the passages, line 2: the field 'n' is .* but the passages, line 1 has 1"):
        dpr.build_index(rows, tmp_path / "index", encoder=None)


def test_a_stopped_build_goes_on_with_the_same_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index, stamps = tmp_path / "index", []
    for _ in range(2):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(ROWS.encode())))
        with local_sources(["-"], index) as sources:
            path = Path(path_of(sources[0]))
            stamps.append((path, path.stat().st_mtime_ns))
    assert stamps[0] == stamps[1]


@pytest.mark.usefixtures("memory")
def test_a_folder_elsewhere_is_built_and_synced(memory: Any, tmp_path: Path) -> None:
    index, source = tmp_path / "index", "memory://store/handbook"
    built = run("build", "--corpus", source, "--output", str(index), "--no-dense")
    assert built.exit_code == 0, built.output
    assert ids(index) == ["handbook/0.md#0", "handbook/1.md#0", "handbook/2.md#0"]
    assert not copies_folder(index).exists(), "a build leaves no copies"
    memory.pipe_file("/store/handbook/1.md", b"# Page 1\n\nAnother text.")
    memory.rm("/store/handbook/2.md")
    told = json.loads(run("sync", str(index), "--corpus", source, "--dry-run", "--json").stdout)
    assert told["documents"] == {"new": [], "changed": ["handbook/1.md"], "gone": ["handbook/2.md"]}
    assert run("sync", str(index), "--corpus", source).exit_code == 0
    assert ids(index) == ["handbook/0.md#0", "handbook/1.md#0"]
    assert [path.name for path in sorted(copies_folder(index).rglob("*.md"))] == ["0.md", "1.md"], "a sync keeps them"
    memory.pipe_file("/store/other/3.md", b"# Page 3\n\nText.")
    assert run("add", str(index), "--corpus", "memory://store/other").exit_code == 0
    assert "other/3.md#0" in ids(index)
    assert not list(copies_folder(index).rglob("*.md"))


@pytest.mark.usefixtures("memory")
def test_sources_elsewhere_from_python(tmp_path: Path) -> None:
    index = tmp_path / "index"
    dpr.build_index("memory://store/handbook/0.md", index, encoder=None)
    dpr.add_passages(["memory://store/handbook/1.md"], index)
    assert ids(index) == ["0.md#0", "1.md#0"]
    path = tmp_path / "rows.jsonl"
    path.write_text(ROWS, encoding="utf-8")
    dpr.add_passages(f"file://{path}", index)
    assert ids(index) == ["0.md#0", "1", "1.md#0", "2"]
    with pytest.raises(DataError, match="is no file of this machine; dpr-index build"):
        list(read_corpus(["memory://store/handbook"]))


@pytest.mark.usefixtures("memory")
def test_nothing_is_fetched_for_an_index_that_is_not_there(tmp_path: Path) -> None:
    for command in ("add", "upsert", "sync"):
        result = run(command, str(tmp_path / "absent"), "--corpus", "memory://store/handbook")
        assert "does not exist" in str(result.exception)
    assert not list(tmp_path.iterdir())


def test_a_watch_syncs_what_changes_and_outlives_an_error(
    memory: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    index, source = tmp_path / "index", "memory://store/handbook"
    run("build", "--corpus", source, "--output", str(index), "--no-dense")
    looks = 0

    class Stopped(BaseException):
        pass

    def look(_seconds: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 1:
            memory.pipe_file("/store/handbook/3.md", b"# Page 3\n\nText 3.")
        if looks == 2:
            assert "handbook/3.md#0" in ids(index)
            memory.store.clear()
        if looks == 3:
            assert "is not there; check the address; trying again in 0.5 s" in caplog.text
            memory.pipe_file("/store/handbook/4.md", b"# Page 4\n\nText 4.")
        if looks == 5:
            raise Stopped

    monkeypatch.setattr("index_builder.sync_command.time.sleep", look)
    with pytest.raises(Stopped):
        app(["sync", str(index), "--corpus", source, "--watch", "--interval-s", "0.5", "--json"], standalone_mode=False)
    assert ids(index) == ["handbook/4.md#0"]
    assert read_current(index).generation == 3, "two changes were synced, and each once"
    refused = run("sync", str(index), "--corpus", "-", "--watch", stdin=ROWS)
    assert "standard input comes once" in str(refused.exception)
    refused = run("sync", str(index), "--corpus", source, "--watch", "--dry-run")
    assert "--dry-run changes nothing, and --watch" in str(refused.exception)
