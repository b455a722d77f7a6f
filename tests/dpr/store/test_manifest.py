from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dpr.errors import IndexFormatError
from dpr.store.integrity import SMALL_BYTES, check_contents, check_files, check_sizes
from dpr.store.manifest import (
    FORMAT_VERSION,
    AnalyzerRecord,
    DenseRecord,
    EncoderRecord,
    FileRecord,
    Manifest,
    Provenance,
    SegmentRecord,
    SourceRecord,
    WeightsRecord,
    record_file,
    signed,
)

MANIFEST = Manifest(
    format_version=FORMAT_VERSION,
    generation=7,
    passages=4,
    terms=5,
    segments=(
        SegmentRecord("000007-0123abcd", 2, 4, 6, dense=DenseRecord("flat", {})),
        SegmentRecord("000006-0123abcd", 3, 5, 8, deleted=1, dense=DenseRecord("hnsw", {"m": 32}, recall=0.98)),
    ),
    encoder=EncoderRecord("모델", "f00d", 32),
    analyzer=AnalyzerRecord("ko-en", "1+kiwi-0.22"),
    weights={"bm25": WeightsRecord("bm25", {"k1": 1.2, "b": 0.75}), "tfidf": WeightsRecord("tfidf", {})},
    files={"a.npy": FileRecord(3, "aa"), "b.npy": FileRecord(4, "bb")},
    provenance=Provenance(
        command="dpr-index build",
        created_utc="2025-01-01T00:00:00Z",
        versions={"python": "3.11"},
        sources=(SourceRecord("corpus.jsonl", 2, 1),),
        seconds={"encode": 1.5},
    ),
)


def manifest_file(folder: Path, text: str) -> Path:
    path = folder / "000007.json"
    path.write_text(text, encoding="utf-8")
    return path


SPARSE = replace(MANIFEST, encoder=None, segments=(SegmentRecord("000007-0123abcd", 2, 4, 6),))


@pytest.mark.parametrize("manifest", [MANIFEST, SPARSE])
def test_a_manifest_survives_the_round_trip(tmp_path: Path, manifest: Manifest) -> None:
    assert Manifest.read(manifest_file(tmp_path, manifest.to_json())) == manifest


def test_name_and_size() -> None:
    assert MANIFEST.name == "000007"
    assert MANIFEST.size_bytes == 7


def test_its_kind_is_that_of_the_largest_segment() -> None:
    assert MANIFEST.rows == 5
    assert MANIFEST.dense == MANIFEST.segments[1].dense


@pytest.mark.parametrize("version", [FORMAT_VERSION + 1, 0, "1", None])
def test_another_format_version_is_refused(tmp_path: Path, version: object) -> None:
    document = signed(json.loads(MANIFEST.to_json()) | {"format_version": version})
    sentence = f"format version {version}, but this program reads versions 6 and {FORMAT_VERSION}"
    with pytest.raises(IndexFormatError, match=sentence):
        Manifest.read(manifest_file(tmp_path, json.dumps(document)))


def test_a_manifest_that_says_something_else_is_refused(tmp_path: Path) -> None:
    changed = MANIFEST.to_json().replace('"passages": 2', '"passages": 3')
    with pytest.raises(IndexFormatError, match="is damaged: its hash does not match"):
        Manifest.read(manifest_file(tmp_path, changed))
    spaced = json.dumps(json.loads(MANIFEST.to_json()))
    assert Manifest.read(manifest_file(tmp_path, spaced)) == MANIFEST


@pytest.mark.parametrize("text", ["", "[]", "{", '{"format_version": 3}', json.dumps(signed({"format_version": 3}))])
def test_a_damaged_manifest_is_one_sentence(tmp_path: Path, text: str) -> None:
    with pytest.raises(IndexFormatError, match=r"000007\.json .*rebuild with dpr-index build"):
        Manifest.read(manifest_file(tmp_path, text))


def test_an_absent_manifest_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(IndexFormatError, match="cannot be read"):
        Manifest.read(tmp_path / "000007.json")


@pytest.fixture
def files(tmp_path: Path) -> dict[str, FileRecord]:
    (tmp_path / "counts").mkdir()
    for name in ("a.npy", "counts/b.npy"):
        (tmp_path / name).write_bytes(name.encode())
    return {name: record_file(tmp_path / name) for name in ("a.npy", "counts/b.npy")}


def test_sizes_and_contents_as_published_pass(tmp_path: Path, files: dict[str, FileRecord]) -> None:
    check_sizes(tmp_path, files)
    check_contents(tmp_path, files, files)
    assert files["a.npy"].size_bytes == 5


def test_an_absent_file_is_named(tmp_path: Path, files: dict[str, FileRecord]) -> None:
    (tmp_path / "counts/b.npy").unlink()
    with pytest.raises(IndexFormatError, match=r"counts/b\.npy is missing"):
        check_sizes(tmp_path, files)


def test_another_size_is_named(tmp_path: Path, files: dict[str, FileRecord]) -> None:
    (tmp_path / "a.npy").write_bytes(b"12345678")
    with pytest.raises(IndexFormatError, match=r"a\.npy has 8 bytes, but its manifest says 5"):
        check_sizes(tmp_path, files)


def test_a_flipped_bit_is_found_by_content_alone(tmp_path: Path, files: dict[str, FileRecord]) -> None:
    (tmp_path / "a.npy").write_bytes(b"a.npz")
    check_sizes(tmp_path, files)
    with pytest.raises(IndexFormatError, match=r"a\.npy has changed"):
        check_contents(tmp_path, files, files)


def test_quick_reads_what_is_small_and_full_reads_all(tmp_path: Path) -> None:
    files = {}
    for name, size in (("small.npy", 8), ("large.npy", SMALL_BYTES + 1)):
        with (tmp_path / name).open("wb") as file:
            file.truncate(size)
        files[name] = record_file(tmp_path / name)
    flip_a_bit(tmp_path / "large.npy", 3)
    check_files(tmp_path, files, "quick")
    with pytest.raises(IndexFormatError, match=r"large\.npy has changed"):
        check_files(tmp_path, files, "full")
    flip_a_bit(tmp_path / "small.npy", 3)
    check_files(tmp_path, files, "sizes")
    with pytest.raises(IndexFormatError, match=r"small\.npy has changed"):
        check_files(tmp_path, files, "quick")


def flip_a_bit(path: Path, position: int) -> None:
    with path.open("r+b") as file:
        file.seek(position)
        (byte,) = file.read(1)
        file.seek(position)
        file.write(bytes([byte ^ 1]))
