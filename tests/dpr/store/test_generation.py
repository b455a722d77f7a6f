from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from dpr.errors import ConfigError, IndexFormatError, IndexLockedError
from dpr.store.generation import GenerationDraft, draft_generation, read_all, read_current
from dpr.store.layout import IndexLayout
from dpr.store.manifest import FORMAT_VERSION, AnalyzerRecord, Manifest, Provenance, SegmentRecord, check_contents


def manifest_of(draft: GenerationDraft) -> Manifest:
    return Manifest(
        format_version=FORMAT_VERSION,
        generation=draft.number,
        passages=1,
        terms=1,
        postings=1,
        segments=(SegmentRecord(draft.segment_id, 1),),
        encoder=None,
        dense=None,
        analyzer=AnalyzerRecord("words", "1"),
        weights={},
        files=draft.seal(),
        provenance=Provenance("", "", {}, (), {}),
    )


def fill(draft: GenerationDraft) -> Manifest:
    draft.segment.counts.mkdir()
    (draft.segment.counts / "rows.npy").write_bytes(b"rows")
    draft.segment.passages.write_bytes(b"passages")
    draft.files.id_rank.write_bytes(f"rank {draft.number}".encode())
    return manifest_of(draft)


def refuse(manifest: Manifest) -> None:
    raise IndexFormatError(f"generation {manifest.name} failed its verification")


def publish(root: Path) -> Manifest:
    with draft_generation(root) as draft:
        manifest = fill(draft)
        draft.publish(manifest)
    return manifest


def content(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def test_what_is_published_is_read(tmp_path: Path) -> None:
    root = tmp_path / "some" / "index"
    manifest = publish(root)
    assert read_current(root) == manifest
    assert (root / "CURRENT").read_text() == "000001\n"
    assert set(manifest.files) == {
        f"segments/{manifest.segments[0].id}/passages.arrow",
        f"segments/{manifest.segments[0].id}/counts/rows.npy",
        "generations/000001/id_rank.npy",
    }
    check_contents(root, manifest.files, manifest.files)


def test_the_next_generation_leaves_the_old_one_untouched(tmp_path: Path) -> None:
    first = publish(tmp_path)
    before = content(tmp_path)
    second = publish(tmp_path)
    after = content(tmp_path)
    assert (first.generation, second.generation) == (1, 2)
    assert read_current(tmp_path) == second
    assert read_all(tmp_path) == [first, second]
    assert {name: after[name] for name in before if name != "CURRENT"} == {
        name: data for name, data in before.items() if name != "CURRENT"
    }


def test_an_error_in_a_draft_leaves_nothing(tmp_path: Path) -> None:
    publish(tmp_path)
    before = content(tmp_path)
    with pytest.raises(IndexFormatError, match="verification"), draft_generation(tmp_path) as draft:
        refuse(fill(draft))
    assert content(tmp_path) == before


@pytest.mark.parametrize("crash", range(1, 5))
def test_stopped_before_any_rename_the_old_generation_serves_and_the_next_build_cleans_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crash: int
) -> None:
    """The renames are: segment, generation, manifest, CURRENT."""
    first = publish(tmp_path)
    replace_name, renames = os.replace, iter(range(1, 10))

    def stopping(source: Path, target: Path) -> None:
        if next(renames) == crash:
            raise KeyboardInterrupt
        replace_name(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", stopping)
        patch.setattr(GenerationDraft, "discard", lambda draft: draft)  # a killed process does not tidy up
        with pytest.raises(KeyboardInterrupt):
            publish(tmp_path)
    assert read_current(tmp_path) == first
    check_contents(tmp_path, first.files, first.files)

    published = publish(tmp_path)
    assert read_current(tmp_path) == published
    kept = {name for manifest in read_all(tmp_path) for name in manifest.files}
    kept |= {f"generations/{manifest.name}.json" for manifest in read_all(tmp_path)} | {"CURRENT"}
    assert set(content(tmp_path)) == kept
    assert not [path for path in tmp_path.rglob("*") if path.is_dir() and not any(path.iterdir())]


def test_segments_stay_while_a_manifest_cannot_be_read(tmp_path: Path) -> None:
    first = publish(tmp_path)
    path = IndexLayout(tmp_path).manifest(1)
    path.write_text(replace(first, format_version=99).to_json(), encoding="utf-8")
    publish(tmp_path)
    assert IndexLayout(tmp_path).segment(first.segments[0].id).passages.is_file()


def test_foreign_files_beside_the_segments_stay(tmp_path: Path) -> None:
    publish(tmp_path)
    (tmp_path / "segments" / "notes").mkdir()
    (tmp_path / "generations" / "notes").mkdir()
    publish(tmp_path)
    assert (tmp_path / "segments" / "notes").is_dir()
    assert (tmp_path / "generations" / "notes").is_dir()


def test_a_folder_of_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(ConfigError, match="holds other files and no index"), draft_generation(tmp_path):
        pytest.fail("a draft was opened")
    assert content(tmp_path) == {"thesis.txt": b"years of work"}


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "index").touch()
    with pytest.raises(ConfigError, match="is a file"), draft_generation(tmp_path / "index"):
        pytest.fail("a draft was opened")


def test_two_drafts_at_a_time_are_refused(tmp_path: Path) -> None:
    with (
        draft_generation(tmp_path),
        pytest.raises(IndexLockedError, match=str(os.getpid())),
        draft_generation(tmp_path),
    ):
        pytest.fail("two drafts are open")


def test_no_folder_no_index_and_a_broken_current_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(IndexFormatError, match="is not there; build an index there with dpr-index build --output"):
        read_current(tmp_path / "absent")
    with pytest.raises(IndexFormatError, match="holds no published index; build an index there"):
        read_current(tmp_path)
    for damage in (b"", b"latest\n", b"\xff\xfe"):
        (tmp_path / "CURRENT").write_bytes(damage)
        with pytest.raises(IndexFormatError, match="CURRENT names no generation but"):
            read_current(tmp_path)
