from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dpr.array_files import create_vectors
from dpr.errors import ConfigError, DataError, IndexFormatError
from dpr.search.fusion import Fusion
from dpr.search.open import open_index
from dpr.search.record import save_fusion
from dpr.store.generation import read_all, read_current
from dpr.store.windows import WindowRule
from dpr.types import FloatArray, Hit, Passage, Progress, no_progress
from index_builder import segment as room
from index_builder.build import BuildOptions, build
from index_builder.chunking import ChunkOptions
from index_builder.dense import DenseOptions
from index_builder.sparse import Bm25Options
from index_builder.update import AddOptions
from tests.fakes import HashEncoder, WordAnalyzer
from tests.small_index import PASSAGES, content, small_index


class Failing(HashEncoder):
    def encode_passages(self, passages: Sequence[Passage], progress: Progress = no_progress) -> FloatArray:
        raise DataError("the encoder failed")


def hits(root: Path) -> list[list[Hit]]:
    index = open_index(root, encoder=HashEncoder(), analyzer=WordAnalyzer())
    return [index.retriever(name).search(["capital of France"], 3)[0] for name in index.names]


def test_the_manifest_tells_what_was_built_and_how(tmp_path: Path) -> None:
    root = tmp_path / "index"
    manifest = small_index(root, [*PASSAGES, PASSAGES[0]], bm25=Bm25Options(k1=0.9, b=0.4), command="dpr-index build …")
    assert read_current(root) == manifest
    assert (manifest.passages, manifest.segments[0].passages) == (6, 6)
    assert manifest.encoder is not None
    assert (manifest.encoder.name, manifest.encoder.fingerprint, manifest.encoder.dimension) == (
        "hash-encoder",
        "hash-1",
        32,
    )
    assert (manifest.analyzer.name, manifest.analyzer.version) == ("words", "1")
    assert dict(manifest.weights["bm25"].parameters) == {"k1": 0.9, "b": 0.4}
    made = manifest.provenance
    assert (made.sources[0].passages, made.sources[0].duplicates) == (6, 1)
    assert made.command == "dpr-index build …"
    assert set(made.seconds) == {"corpus", "terms", "weights", "windows", "encode", "dense", "seal", "verify"}
    assert {"python", "numpy", "pyarrow", "faiss-cpu"} <= set(made.versions)
    assert made.created_utc.endswith("Z")


def test_every_file_is_recorded_and_nothing_else_is_left(tmp_path: Path) -> None:
    root = tmp_path / "index"
    manifest = small_index(root)
    assert set(content(root)) == {*manifest.files, "CURRENT", "generations/000001.json"}


def test_building_again_gives_the_next_generation_and_the_same_results(tmp_path: Path) -> None:
    root = tmp_path / "index"
    first = small_index(root)
    before = hits(root)
    second = small_index(root)
    assert [manifest.name for manifest in read_all(root)] == ["000001", "000002"]
    assert hits(root) == before
    first_files, second_files = (
        {Path(name).name: record for name, record in manifest.files.items()} for manifest in (first, second)
    )
    assert first_files == second_files


def test_a_reader_of_the_old_generation_goes_on_reading_it(tmp_path: Path) -> None:
    small_index(tmp_path / "index")
    index = open_index(tmp_path / "index", analyzer=WordAnalyzer())
    small_index(tmp_path / "index", PASSAGES[:2])
    assert index.retriever("bm25").search(["capital of France"], 1)[0][0].passage_id == "paris"
    assert len(index.passages) == 6


@pytest.mark.parametrize("kind", ["flat", "hnsw"])
def test_each_dense_kind_is_served(tmp_path: Path, kind: str) -> None:
    manifest = small_index(tmp_path / "index", dense=DenseOptions(kind))
    assert manifest.dense is not None
    assert (manifest.dense.kind, manifest.dense.question_recall) == (kind, None)
    (actual,) = (
        open_index(tmp_path / "index", encoder=HashEncoder()).retriever("dense").search(["capital of France"], 1)
    )
    assert actual[0].passage_id == "paris"


def test_a_recall_is_reached_for_questions_too(tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text(
        "Where is Rome?\tRome is the capital of Italy\nWhat is kimchi?\tkimchi is a dish\n", encoding="utf-8"
    )
    options = DenseOptions("hnsw", target_recall=0.9, question_sources=(f"pairs:{pairs}",))
    dense = small_index(tmp_path / "index", dense=options).dense
    assert dense is not None
    assert {point.question_recall_at_10 for point in dense.curve} == {1.0}
    assert dense.question_recall == 1.0
    assert read_all(tmp_path / "index")[0].dense == dense
    with pytest.raises(DataError, match="is not a source of questions"):
        small_index(tmp_path / "index", dense=replace(options, question_sources=(str(pairs),)))


def test_a_new_build_says_that_it_does_not_take_fitted_weights_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "index"
    small_index(root)
    save_fusion(root, Fusion("zscore", {"dense": 0.4, "bm25": 0.6}))
    assert not caplog.messages
    assert small_index(root).fusion is None
    assert ["dense 0.4, bm25 0.6" in message for message in caplog.messages] == [True]
    assert small_index(root).fusion is None
    assert len(caplog.messages) == 1


def test_without_an_encoder_there_are_no_vectors(tmp_path: Path) -> None:
    manifest = small_index(tmp_path / "index", encoder=None)
    assert (manifest.encoder, manifest.dense) == (None, None)
    assert not list((tmp_path / "index").rglob("vectors.npy"))


@pytest.mark.parametrize("title", ["", "제목"])
def test_one_passage_without_terms_is_an_index(tmp_path: Path, title: str) -> None:
    small_index(tmp_path / "index", [Passage("blank", "…", title)])
    index = open_index(tmp_path / "index", encoder=HashEncoder(), analyzer=WordAnalyzer())
    for name in index.names:
        assert index.retriever(name).search(["nothing of the kind"], 3)[0][:0] == []


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"dense": DenseOptions(vectors_file="v.npy")}, "dense vectors_file"),
        ({"windows": WindowRule()}, "windows"),
        ({"dense": DenseOptions("hnsw")}, "dense kind"),
        ({"dense": DenseOptions("hnsw", target_recall=0.9)}, "dense kind"),
    ],
)
def test_options_of_vectors_are_refused_where_there_are_none(
    options: dict[str, Any], name: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=f"without an encoder has no vectors, but {name} is set; leave it out"):
        small_index(tmp_path / "index", encoder=None, **options)


def test_a_refused_build_leaves_no_folder(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for root in (tmp_path / "new" / "index", tmp_path / "mine"):
        source = tmp_path / "corpus.jsonl"
        source.write_text('{"id": "a", "text": ""}\n', encoding="utf-8")
        with pytest.raises(DataError, match="the field 'text' is empty"):
            build(BuildOptions(sources=(str(source),), output=root), HashEncoder(), WordAnalyzer())
    assert sorted(tmp_path.iterdir()) == [tmp_path / "corpus.jsonl", tmp_path / "mine"]
    assert not list((tmp_path / "mine").iterdir())


@pytest.mark.parametrize("published_before", [False, True])
def test_a_build_that_fails_changes_nothing(tmp_path: Path, published_before: bool) -> None:
    root = tmp_path / "index"
    if published_before:
        small_index(root)
    before = content(root)
    with pytest.raises(DataError, match="the encoder failed"):
        small_index(root, PASSAGES[:2], encoder=Failing())
    after = content(root)
    assert {name: data for name, data in after.items() if ".building-" not in name} == before
    assert ".building-journal" in after
    assert small_index(root, PASSAGES[:2]).passages == 2
    assert not [name for name in content(root) if ".building-" in name]


def test_what_fails_its_verification_is_neither_published_nor_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "index"
    small_index(root)
    before = content(root)

    def spoil_the_vectors(*_: object, **__: object) -> int:
        create_vectors(next(root.rglob(".building-*/passages.arrow")).with_name("vectors.npy"), 6, 32)[:] = float("inf")
        return 6

    monkeypatch.setattr(room, "write_vectors", spoil_the_vectors)
    with pytest.raises(IndexFormatError, match="a vector is not finite"):
        build(BuildOptions(sources=(str(root.with_suffix(".jsonl")),), output=root), HashEncoder(), WordAnalyzer())
    assert content(root) == before


@pytest.mark.parametrize(
    ("make", "cause"),
    [
        (lambda: BuildOptions(sources=(), output=Path("index")), "no source to index"),
        (lambda: AddOptions(sources=(), index=Path("index")), "no source to add"),
        (lambda: DenseOptions("annoy"), "unknown index type 'annoy'"),
        (lambda: DenseOptions(parameters={"m": 16}), "'flat' has no parameter 'm'"),
        (lambda: DenseOptions(question_sources=("pairs:held-out.tsv",)), "without a recall to reach"),
        (lambda: Bm25Options(b=2.0), "b is 2.0"),
        (lambda: Bm25Options("plus"), "unknown BM25 variant 'plus'"),
        (lambda: ChunkOptions(0), "passages of 0 tokens are empty; choose at least 1"),
        (lambda: ChunkOptions(5, overlap=5), "overlap of passages is 5 tokens; choose 0 or more, and fewer than the 5"),
        (lambda: ChunkOptions(5, overlap=-1), "overlap of passages is -1 tokens"),
    ],
)
def test_options_that_make_no_sense_are_refused(make: Callable[[], object], cause: str) -> None:
    with pytest.raises(ConfigError, match=cause):
        make()


def test_stages_are_reported_in_order_and_to_their_end(tmp_path: Path) -> None:
    reports: list[tuple[str, int, int | None]] = []
    root = tmp_path / "index"
    small_index(root)
    source = str(root.with_suffix(".jsonl"))
    build(
        BuildOptions(sources=(source,), output=root),
        HashEncoder(),
        WordAnalyzer(),
        lambda *report: reports.append(report),
    )
    last = {stage: (done, total) for stage, done, total in reports}
    assert list(last) == ["corpus", "terms", "windows", "encode", "dense", "weights", "seal", "verify"]
    assert all(done == total for done, total in last.values())
