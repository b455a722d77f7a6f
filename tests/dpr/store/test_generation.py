from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dpr.errors import ConfigError, DiskFullError, IndexFormatError, IndexLockedError
from dpr.store.draft import GenerationDraft, draft_generation
from dpr.store.generation import publish_again, read_all, read_current, remove_generations
from dpr.store.integrity import check_contents
from dpr.store.layout import IndexLayout
from dpr.store.manifest import FORMAT_VERSION, AnalyzerRecord, Manifest, Provenance, SegmentRecord


def manifest_of(draft: GenerationDraft) -> Manifest:
    return Manifest(
        format_version=FORMAT_VERSION,
        generation=draft.number,
        passages=1,
        terms=1,
        segments=(SegmentRecord(draft.segment_id, 1, 1, 1),),
        encoder=None,
        analyzer=AnalyzerRecord("words", "1"),
        weights={},
        files=draft.seal(),
        provenance=Provenance("", "", {}, (), {}),
    )


def fill(draft: GenerationDraft) -> Manifest:
    draft.segment.counts.mkdir(exist_ok=True)
    (draft.segment.counts / "rows.npy").write_bytes(b"rows")
    draft.segment.passages.write_bytes(b"passages")
    draft.files.id_rank.write_bytes(f"rank {draft.number}".encode())
    draft.finish("all", "of it", draft.segment.folder, draft.files.id_rank)
    return manifest_of(draft)


def fail_after(work: Callable[..., object], *arguments: object) -> None:
    work(*arguments)
    raise OSError("the disk is full")


def fail_with(error: Exception, draft: GenerationDraft) -> None:
    fill(draft)
    raise error


class Killed(BaseException):
    """A process that is killed here, and does not tidy up."""


def killed_before_rename(monkeypatch: pytest.MonkeyPatch, number: int, root: Path) -> None:
    """Publish, but for what comes with the given rename; they are: journal, segment, generation, manifest, CURRENT."""
    replace_name, renames = os.replace, iter(range(1, 10))

    def stopping(source: Path, target: Path) -> None:
        if next(renames) == number:
            raise Killed
        replace_name(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", stopping)
        patch.setattr(GenerationDraft, "discard", lambda draft: draft)
        with pytest.raises(Killed):
            publish(root)


def publish(root: Path, build: str = "build") -> Manifest:
    with draft_generation(root, build) as draft:
        if draft.published is not None:
            return draft.published
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
    assert (root / "CURRENT").read_text() == "000001 a7fda0b6\n"
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


def test_an_error_before_anything_is_finished_leaves_nothing(tmp_path: Path) -> None:
    publish(tmp_path)
    before = content(tmp_path)
    with pytest.raises(OSError, match="disk"), draft_generation(tmp_path, "build") as draft:
        fail_after(draft.segment.passages.write_bytes, b"some passages")
    assert content(tmp_path) == before


@pytest.mark.parametrize("build", ["build", "another build"])
@pytest.mark.parametrize("crash", range(1, 6))
def test_killed_before_any_rename_the_old_generation_serves_and_the_next_build_cleans_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crash: int, build: str
) -> None:
    first = publish(tmp_path)
    killed_before_rename(monkeypatch, crash, tmp_path)
    assert read_current(tmp_path) == first
    check_contents(tmp_path, first.files, first.files)

    published = publish(tmp_path, build)
    assert read_current(tmp_path) == published
    file_names = {name for manifest in read_all(tmp_path) for name in manifest.files}
    file_names |= {f"generations/{manifest.name}.json" for manifest in read_all(tmp_path)} | {"CURRENT"}
    assert set(content(tmp_path)) == file_names
    assert not [path for path in tmp_path.rglob("*") if path.is_dir() and not any(path.iterdir())]


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "full"), RuntimeError("write error in dense.faiss: 0 != 8 (No space left on device)")],
)
def test_a_full_disk_is_one_sentence_and_keeps_what_is_finished(tmp_path: Path, error: Exception) -> None:
    publish(tmp_path, "first")
    before = content(tmp_path)
    with (
        pytest.raises(DiskFullError, match=r"no space left on the disk of .*; free some and run the same"),
        draft_generation(tmp_path, "build") as draft,
    ):
        fail_with(error, draft)
    assert {name: data for name, data in content(tmp_path).items() if name in before} == before
    with draft_generation(tmp_path, "build") as draft:
        assert draft.journal["all"] == "of it"


@pytest.mark.parametrize("crash", range(2, 6))
def test_the_same_build_goes_on_from_what_a_killed_one_had_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crash: int
) -> None:
    killed_before_rename(monkeypatch, crash, tmp_path)
    with draft_generation(tmp_path, "build") as draft:
        assert draft.journal["all"] == "of it"
        if crash == 5:
            assert draft.published == read_current(tmp_path)
            return
        assert draft.published is None
        assert draft.segment.passages.read_bytes() == b"passages"
        assert draft.files.id_rank.read_bytes() == b"rank 1"
        draft.publish(manifest_of(draft))
    check_contents(tmp_path, read_current(tmp_path).files, read_current(tmp_path).files)
    assert len(read_all(tmp_path)) == 1


def test_another_build_takes_nothing_of_an_unfinished_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(OSError, match="disk"), draft_generation(tmp_path, "build") as draft:
        fail_after(fill, draft)
    with draft_generation(tmp_path, "another build") as draft:
        assert not len(draft.journal)
        assert not list(draft.segment.folder.iterdir())
        assert not list(draft.files.folder.iterdir())
    assert "removing an unfinished build" in caplog.text
    assert content(tmp_path) == {}


def test_publishing_again_is_not_undone_by_the_writer_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "index"
    publish(root, "first")
    killed_before_rename(monkeypatch, 5, root)  # all is done but for CURRENT
    publish_again(root, 1)
    assert read_current(root).generation == 1
    with pytest.raises(ValueError, match="nothing"), draft_generation(root, "another"):
        raise ValueError("nothing is published")
    assert read_current(root).generation == 1
    assert [manifest.generation for manifest in read_all(root)] == [1, 2]


@pytest.mark.parametrize("rename", [2, 3, 4])
def test_what_is_removed_is_no_part_of_an_unfinished_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rename: int
) -> None:
    root, undisturbed = tmp_path / "index", tmp_path / "undisturbed"
    for folder in (root, undisturbed):
        publish(folder, "first")
    killed_before_rename(monkeypatch, rename, root)
    assert remove_generations(root, keep=0) == []
    publish(root)
    publish(undisturbed)
    remove_generations(root, keep=0)
    remove_generations(undisturbed, keep=0)
    assert content(root) == content(undisturbed)


def test_what_was_discarded_is_not_gone_on_with(tmp_path: Path) -> None:
    with draft_generation(tmp_path, "build") as draft:
        fill(draft)
        draft.discard()
    assert content(tmp_path) == {}


def test_segments_stay_while_a_manifest_cannot_be_read(tmp_path: Path) -> None:
    first = publish(tmp_path)
    path = IndexLayout(tmp_path).manifest(1)
    path.write_text(replace(first, format_version=99).to_json(), encoding="utf-8")
    publish(tmp_path)
    assert IndexLayout(tmp_path).segment(first.segments[0].id).passages.is_file()


def test_a_generation_of_another_format_is_left_out_and_removed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = publish(tmp_path, "first")
    for build in ("second", "third", "fourth"):
        publish(tmp_path, build)
    IndexLayout(tmp_path).manifest(1).write_text(replace(first, format_version=1).to_json(), encoding="utf-8")
    assert [manifest.generation for manifest in read_all(tmp_path)] == [2, 3, 4]
    assert "generation 000001 cannot be used" in caplog.text
    assert remove_generations(tmp_path, keep=1) == ["000001", "000002"]
    assert [manifest.generation for manifest in read_all(tmp_path)] == [3, 4]
    assert not IndexLayout(tmp_path).segment(first.segments[0].id).folder.exists()


def test_foreign_files_beside_the_segments_stay(tmp_path: Path) -> None:
    publish(tmp_path)
    (tmp_path / "segments" / "notes").mkdir()
    (tmp_path / "generations" / "notes").mkdir()
    publish(tmp_path)
    assert (tmp_path / "segments" / "notes").is_dir()
    assert (tmp_path / "generations" / "notes").is_dir()


def test_a_folder_of_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(ConfigError, match="holds other files and no index"), draft_generation(tmp_path, "build"):
        pytest.fail("a draft was opened")
    assert content(tmp_path) == {"thesis.txt": b"years of work"}


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "index").touch()
    with pytest.raises(ConfigError, match="is a file"), draft_generation(tmp_path / "index", "build"):
        pytest.fail("a draft was opened")


def test_two_drafts_at_a_time_are_refused(tmp_path: Path) -> None:
    with (
        draft_generation(tmp_path, "build"),
        pytest.raises(IndexLockedError, match=str(os.getpid())),
        draft_generation(tmp_path, "build"),
    ):
        pytest.fail("two drafts are open")


def test_no_folder_no_index_and_a_broken_current_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(IndexFormatError, match="does not exist; build an index there with dpr-index build --corpus"):
        read_current(tmp_path / "absent")
    with pytest.raises(IndexFormatError, match="holds no published index; give the folder of an index, or build one"):
        read_current(tmp_path)
    (tmp_path / "corpus.csv").write_text("id,text")
    with pytest.raises(IndexFormatError, match=r"corpus\.csv is a file; give the folder of an index"):
        read_current(tmp_path / "corpus.csv")
    for damage in (b"", b"latest\n", b"\xff\xfe", b"000002 a7fda0b6\n"):
        (tmp_path / "CURRENT").write_bytes(damage)
        with pytest.raises(IndexFormatError, match="CURRENT contains"):
            read_current(tmp_path)
