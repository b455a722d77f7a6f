"""Syncing an index with a folder: only what changed is touched, and the result equals a fresh build."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import dpr
from dpr.data.intake import ReadRules
from dpr.errors import ConfigError
from dpr.store.generation import read_current
from dpr.store.layout import IndexLayout
from dpr.text.registry import analyzer
from dpr.types import FloatArray, Passage, Progress, no_progress
from index_builder.build import BuildOptions, build
from index_builder.chunking import ChunkOptions
from index_builder.cli import app
from index_builder.current import Current
from index_builder.dense import DenseOptions
from index_builder.export import export
from index_builder.from_python import IndexOptions
from index_builder.sync import SyncOptions, SyncPlan, plan_sync, sync
from index_builder.update import compact
from tests.fakes import HashEncoder

ENCODER = HashEncoder()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "handbook"
    root.mkdir()
    for number in range(6):
        (root / f"{number}.md").write_text(f"# Page {number}\n\nText number {number}.", encoding="utf-8")
    rows = [{"id": f"r{number}", "text": f"row {number}", "published": f"2026-01-0{number + 1}"} for number in range(4)]
    (root / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    (root / "bad.txt").touch()
    return root


def build_index(folder: Path, index: Path, chunk: ChunkOptions | None = None) -> Path:
    options = BuildOptions(sources=(str(folder),), output=index, chunk=chunk or ChunkOptions())
    build(options, ENCODER, analyzer("words"))
    return index


def change(folder: Path) -> None:
    (folder / "0.md").write_text("# Page 0\n\nAnother text.\n\n# More\n\nAnd a section.", encoding="utf-8")
    (folder / "1.md").unlink()
    (folder / "new.html").write_text("<title>N</title><p>A new page.", encoding="utf-8")
    rows = [{"id": f"r{number}", "text": f"row {number}", "published": "2026-01-02"} for number in (1, 2, 5)]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")


def contents(index: Path) -> dict[str, Passage]:
    return {passage.id: passage for passage in Current.read(index).passages}


def options(folder: Path, index: Path) -> SyncOptions:
    return SyncOptions(sources=(str(folder),), index=index)


@pytest.mark.parametrize("chunk", [ChunkOptions(), ChunkOptions(3)], ids=["rows as they are", "rows cut"])
def test_a_sync_equals_a_rebuild_and_touches_only_what_changed(
    folder: Path, tmp_path: Path, chunk: ChunkOptions
) -> None:
    index = build_index(folder, tmp_path / "index", chunk)
    assert plan_sync(options(folder, index)).is_empty
    change(folder)
    plan = plan_sync(options(folder, index))
    assert plan == SyncPlan(
        new=("handbook/new.html", "r5"),
        changed=("handbook/0.md", "r2"),
        gone=("handbook/1.md", "r0", "r3"),
        unchanged=6,
        indexed=("handbook/0.md", "handbook/1.md", "r0", "r2", "r3"),
    )
    manifest = sync(options(folder, index), ENCODER, plan=plan)
    assert manifest is not None
    assert sum(source.passages for source in manifest.provenance.sources) < 10
    rebuilt = contents(build_index(folder, tmp_path / "rebuilt", chunk))
    assert contents(index) == rebuilt
    assert plan_sync(options(folder, index)).is_empty
    assert sync(options(folder, index), ENCODER) is None
    compact(index, analyzer("words"))
    assert contents(index) == rebuilt
    assert plan_sync(options(folder, index)).is_empty
    with (
        dpr.open(index, encoder=ENCODER, reader=None) as synced,
        dpr.open(tmp_path / "rebuilt", encoder=ENCODER, reader=None) as fresh,
    ):
        for retriever in ("bm25", "dense"):
            found, expected = (
                [(hit.passage_id, hit.score) for hit in qa.retrieve("another text row", k=10, retriever=retriever)]
                for qa in (synced, fresh)
            )
            assert found == expected


def test_documents_that_are_gone_alone_and_those_that_become_bad(folder: Path, tmp_path: Path) -> None:
    index = build_index(folder, tmp_path / "index")
    (folder / "2.md").unlink()
    sync(options(folder, index), ENCODER)
    assert "handbook/2.md#0" not in contents(index)
    (folder / "3.md").write_bytes(b"\0")
    sync(options(folder, index), ENCODER)
    assert "handbook/3.md#0" not in contents(index)
    assert contents(index) == contents(build_index(folder, tmp_path / "rebuilt"))


def test_a_document_that_cannot_be_read_is_tried_again_only_when_it_changes(folder: Path, tmp_path: Path) -> None:
    index = build_index(folder, tmp_path / "index")
    (folder / "bad.pdf").write_bytes(b"no PDF")
    (folder / "3.md").write_bytes(b"\0")
    (folder / "gone.txt").symlink_to(tmp_path / "nowhere")
    assert plan_sync(options(folder, index)).new == ("handbook/bad.pdf", "handbook/gone.txt")
    sync(options(folder, index), ENCODER)
    assert plan_sync(options(folder, index)).is_empty
    (folder / "4.md").unlink()  # and with it its segment's ledger, if it is alone there
    sync(options(folder, index), ENCODER)
    assert plan_sync(options(folder, index)).is_empty
    (folder / "bad.pdf").write_bytes(b"another one")
    assert plan_sync(options(folder, index)).new == ("handbook/bad.pdf",)
    sync(options(folder, index), ENCODER)
    (folder / "3.md").write_text("# Three\n\nIt can be read again.", encoding="utf-8")
    (tmp_path / "nowhere").write_text("here", encoding="utf-8")
    assert plan_sync(options(folder, index)).new == ("handbook/3.md", "handbook/gone.txt")
    sync(options(folder, index), ENCODER)
    assert contents(index) == contents(build_index(folder, tmp_path / "rebuilt"))


def test_of_two_documents_of_one_name_the_first_one_is_in_sync(folder: Path, tmp_path: Path) -> None:
    index = build_index(folder, tmp_path / "index")
    other = tmp_path / "other" / "handbook"
    other.mkdir(parents=True)
    (other / "1.md").write_text("another text", encoding="utf-8")
    both = SyncOptions(sources=(str(folder), str(other)), index=index)
    assert plan_sync(both).is_empty


def test_a_document_that_was_deleted_by_hand_comes_back(folder: Path, tmp_path: Path) -> None:
    index = build_index(folder, tmp_path / "index")
    dpr.delete_passages("handbook/4.md", index)
    assert plan_sync(options(folder, index)).new == ("handbook/4.md",)


def test_the_folder_may_have_moved(folder: Path, tmp_path: Path) -> None:
    index = build_index(folder, tmp_path / "index")
    (tmp_path / "elsewhere").mkdir()
    shutil.move(folder, tmp_path / "elsewhere")
    assert plan_sync(options(tmp_path / "elsewhere" / "handbook", index)).is_empty


def test_rows_of_one_text_and_other_fields_stay_apart(folder: Path, tmp_path: Path) -> None:
    path = folder / "rows.jsonl"

    def write(*years: int) -> None:
        path.write_text("\n".join(json.dumps({"text": "same", "year": year}) for year in years), encoding="utf-8")

    def years(index: Path) -> list[str]:
        return sorted(str(row.metadata["year"]) for row in contents(index).values() if "year" in row.metadata)

    write(2022, 2023, 2023, 2024)
    index = build_index(folder, tmp_path / "index")
    assert years(index) == ["2022", "2023", "2024"]
    assert plan_sync(options(folder, index)).is_empty
    for changed in ((2022, 2023, 2024, 2025), (2023, 2024, 2025), (2025,)):
        write(*changed)
        sync(options(folder, index), ENCODER)
        assert years(index) == list(map(str, changed))
        assert contents(index) == contents(build_index(folder, tmp_path / f"rebuilt-{len(changed)}"))


def test_a_killed_sync_goes_on(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = build_index(folder, tmp_path / "index")
    change(folder)

    class Killed(BaseException):
        pass

    def kill(*_: object, **__: object) -> None:
        raise Killed

    monkeypatch.setattr("index_builder.update.publish_generation", kill)
    with pytest.raises(Killed):
        sync(options(folder, index), ENCODER)
    monkeypatch.undo()
    assert read_current(index).generation == 1
    encoded: list[str] = []

    class Counting(HashEncoder):
        def encode_passages(self, passages: Sequence[Passage], progress: Progress = no_progress) -> FloatArray:
            encoded.append("again")
            return super().encode_passages(passages, progress)

    sync(options(folder, index), Counting())
    assert not encoded
    assert contents(index) == contents(build_index(folder, tmp_path / "rebuilt"))


def test_the_command_tells_and_syncs(folder: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    run = CliRunner().invoke
    assert run(app, ["build", "--corpus", str(folder), "--output", str(index), "--no-dense"]).exit_code == 0
    change(folder)
    told = run(app, ["sync", str(index), "--corpus", str(folder), "--dry-run", "--json"])
    counts = {"new": 2, "changed": 2, "gone": 3, "unchanged": 6}
    plan = json.loads(told.stdout)
    assert {name: plan[name] for name in counts} == counts
    assert plan["documents"]["gone"] == ["handbook/1.md", "r0", "r3"]
    assert read_current(index).generation == 1
    synced = run(app, ["sync", str(index), "--corpus", str(folder), "--json"])
    facts = json.loads(synced.stdout)
    assert facts["generation"] == "000002"
    changes = {"added": 3, "replaced": 2, "removed": 3, "unchanged": 5, "total": 10}
    assert facts["passage_changes"] == changes | {"total": facts["passages"]}
    again = run(app, ["sync", str(index), "--corpus", str(folder), "--json"])
    assert json.loads(again.stdout)["unchanged"] == 10
    table = run(app, ["sync", str(index), "--corpus", str(folder)]).stdout
    sentence = f"The index {index} has 10 passages now: 0 added, 0 replaced, 0 removed (generation 000002, "
    assert table.startswith(sentence)
    rows = [[cell.strip() for cell in line.split("│")[1:3]] for line in table.splitlines() if "│" in line]
    assert rows == [
        ["new documents", "0"],
        ["changed documents", "0"],
        ["gone documents", "0"],
        ["unchanged documents", "10"],
    ]


@pytest.mark.parametrize("ending", [".jsonl", ".parquet"])
def test_an_export_can_be_indexed_again(folder: Path, tmp_path: Path, ending: str) -> None:
    index = build_index(folder, tmp_path / "index")
    dpr.delete_passages("handbook/4.md", index)
    path = tmp_path / f"export{ending}"
    assert export(index, path) == len(contents(index))
    assert contents(build_index(path, tmp_path / "again")) == contents(index)
    with_vectors = tmp_path / f"vectors{ending}"
    result = CliRunner().invoke(app, ["export", str(index), "--output", str(with_vectors), "--vectors", "--json"])
    assert json.loads(result.stdout)["passages"] == len(contents(index))
    if ending == ".jsonl":
        for line in with_vectors.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            passage = Passage(row["id"], row["text"], row["title"])
            assert row["vectors"] == [pytest.approx(ENCODER.encode_passages([passage])[0].tolist())]
            assert row["windows"] == [[0, len(row["text"])]]


@pytest.mark.parametrize("ending", [".jsonl", ".parquet"])
def test_an_export_keeps_fields_of_any_name_and_their_types(
    ending: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = ("ID", "Content", "content", "Date", "date", "end", "meta", "metadata", "제목")
    row: dict[str, object] = {"id": "1", "title": "t", "text": "x", "metadata": {name: f"of {name}" for name in names}}
    fields: dict[str, object] = {
        "day": "2026-01-01",
        "said": "2026-01-02",
        "number": 1,
        "at": "2026-01-01",
        "tags": ["a; b"],
    }
    types = {"said": "string", "number": "number", "at": "datetime"}
    index_options = IndexOptions(rules=ReadRules(fields=types))
    rows: list[dict[str, object]] = [row | fields, {"text": "y", "tags": ["a; b"]}]
    dpr.build_index(rows, tmp_path / "index", encoder=None, options=index_options)
    path = tmp_path / f"export{ending}"
    export(tmp_path / "index", path)
    assert ("'said': index them with --field said:string" in caplog.text) == (ending == ".jsonl")
    again = IndexOptions(rules=ReadRules(fields={"said": "string"} if ending == ".jsonl" else {}))
    manifest = dpr.build_index(str(path), tmp_path / "again", encoder=None, options=again)
    assert manifest.fields == read_current(tmp_path / "index").fields
    assert contents(tmp_path / "again") == contents(tmp_path / "index")


def test_vectors_of_an_export_are_those_of_the_next_index(folder: Path, tmp_path: Path) -> None:
    index = build_index(folder, tmp_path / "index")
    path = tmp_path / "export.parquet"
    export(index, path, with_vectors=True)
    dense = DenseOptions(vectors_file=f"{path}:vectors")
    build(BuildOptions(sources=(str(path),), output=tmp_path / "again", dense=dense), ENCODER, analyzer("words"))
    first, second = (
        np.load(IndexLayout(root).segment(read_current(root).segments[0].id).vectors)
        for root in (index, tmp_path / "again")
    )
    np.testing.assert_array_equal(first, second)


def test_an_export_that_cannot_be(folder: Path, tmp_path: Path) -> None:
    index = build_index(folder, tmp_path / "index")
    with pytest.raises(ConfigError, match=r"use one of \.jsonl, \.parquet"):
        export(index, tmp_path / "a.csv")
    with pytest.raises(ConfigError, match="does not exist"):
        export(index, tmp_path / "absent" / "a.jsonl")
