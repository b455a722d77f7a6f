"""A fusion on record: its file, its way from the encoder's folder into the index, and its changes there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dpr.errors import DataError, IndexFormatError, IndexLockedError, RequestError
from dpr.search.fusion import Fusion
from dpr.search.open import OpenIndex, open_index
from dpr.search.record import DEFAULT_FUSION, fusion_of_encoder, read_fusion, save_fusion, write_fusion
from dpr.store.generation import read_current
from dpr.store.layout import IndexLayout
from dpr.store.lock import writer_lock
from dpr.store.manifest import signed
from dpr.types import Passage
from index_builder.update import AddOptions, add, compact, delete
from tests.fakes import HashEncoder, WordAnalyzer
from tests.small_index import small_index, write_jsonl

FITTED = Fusion("minmax", {"dense": 0.6, "bm25": 0.4}, rrf_constant=30.0, coverage_power=1.5, depth=200)
RECORD = {
    "method": "minmax",
    "weights": {"dense": 0.6, "bm25": 0.4},
    "coverage_power": 1.5,
    "rrf_constant": 30.0,
    "depth": 200,
}


class EncoderInFolder(HashEncoder):
    """An encoder that was loaded from a folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.name = str(folder)


def opened(root: Path) -> OpenIndex:
    return open_index(root, encoder=HashEncoder(), analyzer=WordAnalyzer())


@pytest.fixture
def encoder(tmp_path: Path) -> EncoderInFolder:
    write_fusion(tmp_path / "pair" / "fusion.json", FITTED, {"command": "dpr tune …"})
    return EncoderInFolder(tmp_path / "pair")


def test_the_file_brings_the_fusion_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "fusion.json"
    write_fusion(path, FITTED, {"command": "dpr tune …"})
    assert read_fusion(path) == FITTED
    assert json.loads(path.read_text(encoding="utf-8")) == {**RECORD, "fitted": {"command": "dpr tune …"}}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b'{"method":' * 5000,
        b'{"method": "rrf", "weights": {"dense": 1' + b"0" * 400 + b', "bm25": 1}}',
        json.dumps({**RECORD, "weights": {"dense": "x", "bm25": 1}}).encode(),
        json.dumps({**RECORD, "hangul": RECORD}).encode(),
        json.dumps({"hangul": RECORD, "default": RECORD}).encode(),
    ],
)
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "fusion.json").write_bytes(content)
    with pytest.raises(DataError, match="not a file of dpr tune --output"):
        read_fusion(tmp_path / "fusion.json")
    with pytest.raises(DataError, match="the file does not exist; write one with dpr tune --output"):
        read_fusion(tmp_path / "absent.json")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"weights": {"dense": 1, "bm25": -1}}, "the weight of 'bm25' is -1"),
        ({"weights": {"bm25": 1}}, "weights are given for bm25: give one for each of dense, bm25"),
        ({"method": "magic"}, "unknown fusion method 'magic'"),
        ({"coverage_power": -1}, "coverage_power is -1"),
        ({"depth": 0}, "the depth of the fusion is 0: choose 1 to 1000"),
    ],
)
def test_values_out_of_range_are_refused(tmp_path: Path, values: dict[str, object], sentence: str) -> None:
    path = tmp_path / "fusion.json"
    path.write_text(json.dumps({**RECORD, **values}), encoding="utf-8")
    with pytest.raises(DataError, match=rf"fusion\.json: {sentence}"):
        read_fusion(path)


def test_a_record_without_a_depth_has_the_default_one(tmp_path: Path) -> None:
    path = tmp_path / "fusion.json"
    path.write_text(json.dumps({name: value for name, value in RECORD.items() if name != "depth"}), encoding="utf-8")
    assert read_fusion(path) == replace(FITTED, depth=100)


def test_weights_of_other_lists_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="weights are given for bm25, tfidf"):
        write_fusion(tmp_path / "fusion.json", Fusion(weights={"bm25": 0.5, "tfidf": 0.5}), {})
    assert not (tmp_path / "fusion.json").exists()


def test_an_encoder_without_a_file_or_a_folder_has_no_fusion(tmp_path: Path) -> None:
    assert fusion_of_encoder("someone/on-the-hub") is None
    assert fusion_of_encoder(str(tmp_path)) is None


def test_an_index_of_an_encoder_without_weights_fuses_by_the_default(tmp_path: Path) -> None:
    assert small_index(tmp_path / "index").fusion is None
    index = opened(tmp_path / "index")
    assert index.fusion == DEFAULT_FUSION
    [named], [plain] = (
        index.retriever("hybrid", fusion).search(["the capital"], 3) for fusion in (DEFAULT_FUSION, None)
    )
    assert named == plain


def test_an_index_takes_the_weights_of_its_encoders_folder_and_keeps_them(
    tmp_path: Path, encoder: EncoderInFolder
) -> None:
    root, analyzer = tmp_path / "index", WordAnalyzer()
    small_index(root, encoder=encoder)
    (tmp_path / "pair" / "fusion.json").unlink()  # what is on record needs the folder no more
    assert opened(root).fusion == FITTED
    [hits] = opened(root).retriever("hybrid").search(["the capital"], 3)
    assert [hits] == opened(root).retriever("hybrid", FITTED).search(["the capital"], 3)
    assert [hits] != opened(root).retriever("hybrid", DEFAULT_FUSION).search(["the capital"], 3)

    source = write_jsonl(tmp_path / "more.jsonl", [Passage("oslo", "Oslo is the capital of Norway", "Oslo")])
    for manifest in (
        add(AddOptions(sources=(source,), index=root), encoder, analyzer),
        delete(root, ["rome"], analyzer),
        compact(root, analyzer),
    ):
        assert manifest.fusion == read_current(root).fusion
        assert opened(root).fusion == FITTED


def test_a_bad_file_in_the_encoders_folder_ends_the_build_before_it_begins(
    tmp_path: Path, encoder: EncoderInFolder
) -> None:
    (tmp_path / "pair" / "fusion.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DataError, match=r"pair/fusion\.json: it is not a file of dpr tune --output"):
        small_index(tmp_path / "index", encoder=encoder)
    assert not (tmp_path / "index").exists()


def test_saving_changes_the_published_manifest_alone(tmp_path: Path) -> None:
    root = tmp_path / "index"
    small_index(root)
    small_index(root)
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file() and path.name != ".lock"}
    running = opened(root)
    save_fusion(root, FITTED)
    after = {path: path.read_bytes() for path in root.rglob("*") if path.is_file() and path.name != ".lock"}
    assert {path.name for path in after if after[path] != before.get(path)} == {"000002.json"}
    assert (running.fusion, opened(root).fusion) == (DEFAULT_FUSION, FITTED)
    save_fusion(root, DEFAULT_FUSION)
    assert opened(root).fusion == DEFAULT_FUSION


def test_a_process_killed_while_saving_leaves_the_index_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "index"
    small_index(root)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", killed)
    with pytest.raises(KeyboardInterrupt):
        save_fusion(root, FITTED)
    monkeypatch.undo()
    assert opened(root).fusion == DEFAULT_FUSION
    save_fusion(root, FITTED)
    assert opened(root).fusion == FITTED


def test_saving_waits_for_no_other_writer_and_needs_an_index(tmp_path: Path) -> None:
    root = tmp_path / "index"
    small_index(root)
    with writer_lock(IndexLayout(root).lock), pytest.raises(IndexLockedError, match="is being written"):
        save_fusion(root, FITTED)
    with pytest.raises(IndexFormatError, match="does not exist"):
        save_fusion(tmp_path / "absent", FITTED)
    with pytest.raises(RequestError, match="weights are given for tfidf"):
        save_fusion(root, Fusion(weights={"tfidf": 1.0}))


def test_a_fusion_on_record_that_this_program_does_not_know_is_one_sentence(tmp_path: Path) -> None:
    root = tmp_path / "index"
    small_index(root)
    save_fusion(root, FITTED)
    path = root / "generations" / "000001.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    document["fusion"]["method"] = "magic"
    path.write_text(json.dumps(signed(document)), encoding="utf-8")
    with pytest.raises(
        IndexFormatError,
        match=r"cannot use the recorded fusion of the index \(unknown fusion method 'magic'.*\); rebuild with",
    ):
        opened(root)


def test_an_index_of_a_time_before_there_was_a_record_is_read(tmp_path: Path) -> None:
    root = tmp_path / "index"
    small_index(root)
    path = root / "generations" / "000001.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    del document["fusion"]
    path.write_text(json.dumps(signed(document)), encoding="utf-8")
    assert opened(root).fusion == DEFAULT_FUSION


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "fusion.json"
    path.write_text(json.dumps(RECORD), encoding="utf-8-sig")
    assert read_fusion(path) == FITTED


def test_a_method_and_weights_alone_are_taken_just_as_they_say(tmp_path: Path) -> None:
    path = tmp_path / "fusion.json"
    path.write_text('{"method": "minmax", "weights": {"dense": 0.6, "bm25": 0.4}}', encoding="utf-8")
    assert read_fusion(path) == Fusion("minmax", {"dense": 0.6, "bm25": 0.4})
