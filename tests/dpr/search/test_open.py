from __future__ import annotations

import gc
import json
import shutil
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

import dpr.search.resources as resources_module
from dpr.config import ComputeOptions
from dpr.errors import IndexFormatError, ModelError, RequestError
from dpr.filters import Filter
from dpr.filters.tree import Condition
from dpr.search.fusion import Fusion
from dpr.search.lazy import Lazy
from dpr.search.open import OpenIndex, open_index
from dpr.store.manifest import signed
from dpr.types import Encoder, EncoderOptions, FloatArray, Passage
from index_builder.dense import DenseOptions
from index_builder.sparse import Bm25Options
from tests.fakes import HashEncoder, WordAnalyzer
from tests.small_index import PASSAGES, small_index
from tests.tiny_models import make_bert

ALL = ("dense", "bm25", "tfidf", "rank-bm25", "hybrid")
BUT_PARIS = Condition("id", "!=", "paris")


class OtherAnalyzer(WordAnalyzer):
    version = "2"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("open") / "index"
    small_index(root)
    return root


@pytest.fixture
def root(published: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return shutil.copytree(published, tmp_path / "index")


def opened(root: Path) -> OpenIndex:
    return open_index(root, encoder=HashEncoder(), analyzer=WordAnalyzer())


def change_manifest(root: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = root / "generations" / "000001.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    path.write_text(json.dumps(signed(document)), encoding="utf-8")


def test_it_offers_all_retrievers(published: Path) -> None:
    index = opened(published)
    assert index.names == ALL
    assert index.generation == "000001"
    assert index.manifest.passages == len(PASSAGES)
    assert list(index.passages) == list(PASSAGES)


@pytest.mark.parametrize("name", ALL)
def test_each_retriever_finds_passages_by_row_and_id(published: Path, name: str) -> None:
    index = opened(published)
    retriever = index.retriever(name)
    (hits,) = retriever.search(["capital of France"], k=3)
    assert retriever.name == name
    assert hits[0].passage_id == "paris"
    assert [index.passages.id(hit.row) for hit in hits] == [hit.passage_id for hit in hits]


def test_the_hybrid_fuses_dense_and_bm25(published: Path) -> None:
    (hits,) = opened(published).retriever("hybrid").search(["capital of France"], k=1)
    assert set(hits[0].lists) == {"dense", "bm25"}


def test_a_fusion_of_the_callers_own_is_used(published: Path) -> None:
    index = opened(published)
    fusion = Fusion("rrf", {"dense": 0.0, "bm25": 1.0}, rrf_constant=60)
    (hits,) = index.retriever("hybrid", fusion).search(["capital of France"], k=1)
    assert hits[0].score == pytest.approx(1 / 61)
    assert index.retriever("hybrid").search(["capital of France"], k=1)[0][0].score != hits[0].score


class Bilingual(HashEncoder):
    """An encoder that knows the English for some Korean words."""

    def encode_questions(self, questions: Sequence[str]) -> FloatArray:
        english = {"강": "river", "바다": "sea", "도시": "city"}
        return super().encode_questions(
            [" ".join(english.get(word, word) for word in text.split()) for text in questions]
        )


def test_the_default_hybrid_leaves_a_question_to_the_list_that_knows_its_words(tmp_path: Path) -> None:
    """Of a Korean question BM25 knows but the year, which stands in another passage; of a code it knows all."""
    words = ["mountain", "clock", "music", "engine", "winter", "harbour", "printing", "silk", "bridge", "market"]
    passages = [
        Passage(f"p{number}", f"{first} {second}") for number, (first, second) in enumerate(permutations(words, 2))
    ]
    gold = Passage("gold", "river sea city")
    year, code = Passage("year", "bridge market 1997"), Passage("code", "engine ab-1234")
    small_index(tmp_path / "index", [*passages, gold, year, code])
    index = open_index(tmp_path / "index", encoder=Bilingual(), analyzer=WordAnalyzer())

    def first_of(question: str, fusion: Fusion | None = None) -> str:
        return index.retriever("hybrid", fusion).search([question], 1)[0][0].passage_id

    constant = Fusion(weights={"dense": 0.25, "bm25": 0.75})
    assert first_of("1997 강 바다 도시") == "gold"
    assert first_of("1997 강 바다 도시", constant) == "year"
    assert first_of("ab-1234") == "code"


def test_a_retriever_is_made_once_for_all_threads(published: Path) -> None:
    index = opened(published)
    with ThreadPoolExecutor(8) as pool:
        retrievers = list(pool.map(lambda _: index.retriever("hybrid"), range(32)))
    assert len(set(map(id, retrievers))) == 1


def test_an_index_is_freed_without_the_garbage_collector(published: Path) -> None:
    gc.collect()
    gc.disable()
    try:
        index = opened(published)
        for name in ALL:
            index.retriever(name).search(["ship"], 2)
            index.retriever(name, filter=BUT_PARIS).search(["ship"], 2)
        freed = [weakref.ref(part) for part in (index, index.resources, *index.resources.segments)]
        del index
        assert [part() for part in freed] == [None] * len(freed)
    finally:
        gc.enable()


@pytest.mark.parametrize(
    "part",
    [
        lambda index: index.resources.encoder,
        lambda index: index.resources.analyzer,
        lambda index: index.resources.vector_index,
        lambda index: index.resources.sparse_indexes["bm25"],
        lambda index: index.resources.sparse_indexes["rank-bm25"],
        lambda index: index.filtered.resources(BUT_PARIS).vector_index,
        lambda index: index.resources.segments[0].counts,
        lambda index: index.resources.segments[0].vectors,
        lambda index: index.resources.segments[0].windows,
        lambda index: index.resources.segments[0].vector_index,
        lambda index: index.resources.segments[0].vector_index_with_deleted,
    ],
)
def test_a_part_that_is_kept_outlives_its_index(
    published: Path, part: Callable[[OpenIndex], Lazy[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources_module, "_load_encoder", lambda *_: HashEncoder())
    monkeypatch.setattr(resources_module, "analyzer_by_name", lambda _name: WordAnalyzer())
    open_part = part(open_index(published))
    gc.collect()
    assert open_part() is open_part()


@pytest.mark.parametrize("name", [*ALL, "bm25+dense"])
@pytest.mark.parametrize("condition", [None, BUT_PARIS])
def test_a_retriever_that_is_kept_outlives_its_index(published: Path, name: str, condition: Filter | None) -> None:
    retriever = opened(published).retriever(name, filter=condition)
    gc.collect()
    expected = opened(published).retriever(name, filter=condition).search(["capital of Italy"], 3)
    assert retriever.search(["capital of Italy"], 3) == expected
    assert retriever.explain("capital of Italy", expected[0][0].row) is not None


def test_equal_scores_are_ordered_by_id_not_by_row(tmp_path: Path) -> None:
    twins = [Passage(passage_id, "the same text") for passage_id in ("c", "a", "b")]
    small_index(tmp_path / "index", twins)
    index = opened(tmp_path / "index")
    for name in index.names:
        (hits,) = index.retriever(name).search(["same text"], k=2)
        assert [hit.passage_id for hit in hits] == ["a", "b"], name


def test_an_unknown_retriever_is_a_request_error(published: Path) -> None:
    with pytest.raises(RequestError, match="unknown retriever 'vectors'; choose from dense, bm25, tfidf") as caught:
        opened(published).retriever("vectors")
    assert caught.value.field == "retriever"


def test_a_fusion_for_one_list_is_a_request_error(published: Path) -> None:
    with pytest.raises(RequestError, match="'bm25' fuses no lists") as caught:
        opened(published).retriever("bm25", Fusion())
    assert caught.value.field == "fusion"


@pytest.mark.parametrize("name", ["dense", "hybrid"])
def test_a_sparse_index_says_that_it_has_no_vectors(tmp_path: Path, name: str) -> None:
    small_index(tmp_path / "index", encoder=None)
    index = open_index(tmp_path / "index", encoder=HashEncoder(), analyzer=WordAnalyzer())
    assert index.names == ("bm25", "tfidf", "rank-bm25")
    with pytest.raises(RequestError, match=f"no vectors for the retriever '{name}'"):
        index.retriever(name)
    with pytest.raises(RequestError, match=r"leave the fusion out, or use lists such as bm25\+tfidf"):
        index.retriever("bm25", Fusion())


@pytest.mark.parametrize("variant", ["okapi", "lucene"])
def test_rank_bm25_is_okapi_whatever_the_variant_of_bm25(tmp_path: Path, variant: str) -> None:
    small_index(tmp_path / "index", bm25=Bm25Options(variant))
    index = opened(tmp_path / "index")
    assert index.names == ALL
    (okapi,) = index.retriever("rank-bm25").search(["capital of France"], 3)
    (bm25,) = index.retriever("bm25").search(["capital of France"], 3)
    assert bm25[0].passage_id == okapi[0].passage_id == "paris"
    assert (bm25[0].score == pytest.approx(okapi[0].score, abs=1e-4)) is (variant == "okapi")


TWO = ("Mars is red and Mars rovers drive on Mars", "Venus and Mars are planets")
TEN = (
    "tent pole bag list",
    "tent care for rain, tent drying and tent folding",
    "tent pole warranty",
    "tent pole lamp",
    "tent pole fault codes",
    "stove repair",
    "tent storage in winter",
    "pole colour options",
    "tent recycling point",
    "tent swap service",
)


@pytest.mark.parametrize(
    ("texts", "question", "best"),
    [
        (TWO, "Mars rovers", ["0"]),
        (TWO, "Mars planets", ["1"]),
        (TEN, "tent pole", ["2", "3", "0", "4"]),
        (TEN, "pole", ["2", "3", "7", "0", "4"]),
        (("tent",), "tent", ["0"]),
        (("tent", "tent", "pole"), "tent pole", ["2", "0", "1"]),
        (("the of", "tent", "tent stove"), "tent", ["1", "2"]),
    ],
)
def test_the_default_bm25_ranks_right_in_small_corpora(
    tmp_path: Path, texts: tuple[str, ...], question: str, best: list[str]
) -> None:
    passages = [Passage(str(number), text, "") for number, text in enumerate(texts)]
    small_index(tmp_path / "index", passages)
    assert open_index(tmp_path / "index").manifest.weights["bm25"].scheme == "bm25-lucene"
    (hits,) = opened(tmp_path / "index").retriever("bm25").search([question], 10)
    assert [hit.passage_id for hit in hits][: len(best)] == best
    assert all(hit.score > 0 for hit in hits)


def test_another_encoder_is_refused_when_it_is_given(published: Path) -> None:
    with pytest.raises(IndexFormatError, match=r"made with the encoder hash-encoder \(hash-1\), but this is .*hash-2"):
        open_index(published, encoder=HashEncoder("hash-2"))


def test_another_analyzer_is_refused_when_it_is_given(published: Path) -> None:
    with pytest.raises(IndexFormatError, match="the analyzer words of version 1, but this is words of version 2"):
        open_index(published, analyzer=OtherAnalyzer())


def test_the_recorded_analyzer_is_refused_in_another_version(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources_module, "analyzer_by_name", {"words": OtherAnalyzer()}.__getitem__)
    index = open_index(published)
    with pytest.raises(IndexFormatError, match="of version 2; install the former, or rebuild"):
        index.retriever("bm25")


@pytest.mark.parametrize(("given", "loaded"), [(None, "hash-encoder"), ("/models/moved", "/models/moved")])
def test_the_encoder_is_loaded_by_name_when_dense_is_first_asked_for(
    published: Path, monkeypatch: pytest.MonkeyPatch, given: str | None, loaded: str
) -> None:
    names: list[str] = []

    def load(name: str, _options: EncoderOptions, _compute: ComputeOptions) -> Encoder:
        names.append(name)
        return HashEncoder()

    monkeypatch.setattr(resources_module, "_load_encoder", load)
    index = open_index(published, encoder=given, analyzer=WordAnalyzer())
    index.retriever("bm25")
    assert names == []
    index.retriever("dense")
    index.retriever("hybrid")
    assert names == [loaded]


def test_a_loaded_encoder_that_changed_is_refused(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources_module, "_load_encoder", lambda *_: HashEncoder("hash-2"))
    with pytest.raises(IndexFormatError, match="hash-2"):
        open_index(published).retriever("dense")


def test_an_encoder_of_shorter_vectors_is_refused_as_another_encoder(
    published: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    shorter = make_bert(tiny_checkpoint, tmp_path / "shorter", 0, hidden_size=16)
    index = open_index(published, encoder=str(shorter))
    with pytest.raises(IndexFormatError, match=r"was made with the encoder hash-encoder .* cannot take its place"):
        index.retriever("dense")


def test_an_encoder_that_moved_is_asked_for(published: Path) -> None:
    with pytest.raises(ModelError, match="made with this encoder; set --encoder to its new location"):
        open_index(published).retriever("dense")


def test_no_index_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(
        IndexFormatError, match="does not exist; build an index there with dpr-index build --corpus SOURCE"
    ):
        open_index(tmp_path / "index")


def test_another_format_version_is_refused(root: Path) -> None:
    change_manifest(root, lambda document: document.update(format_version=1))
    with pytest.raises(IndexFormatError, match="format version 1"):
        open_index(root)


def test_an_unknown_dense_kind_is_refused(root: Path) -> None:
    change_manifest(root, lambda document: document["segments"][0]["dense"].update(kind="annoy"))
    with pytest.raises(IndexFormatError, match=r"cannot search the index's vectors .unknown index type 'annoy'"):
        open_index(root, encoder=HashEncoder()).retriever("dense")


def file_names() -> list[str]:
    return ["passages.arrow", "vectors.npy", "id_rank.npy", "bm25.npy", "tfidf.npy"]


@pytest.mark.parametrize("name", file_names())
def test_an_absent_file_is_named_at_once(root: Path, name: str) -> None:
    next(root.rglob(name)).unlink()
    with pytest.raises(IndexFormatError, match=f"{name} is missing; restore it"):
        open_index(root)


@pytest.mark.parametrize("name", file_names())
def test_a_truncated_file_is_named_at_once(root: Path, name: str) -> None:
    path = next(root.rglob(name))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(IndexFormatError, match=f"{name} has .* bytes, but its manifest says"):
        open_index(root)


@pytest.mark.parametrize("name", ["vectors.npy", "id_rank.npy", "bm25.npy", "frequencies.npy", "passages.arrow"])
def test_a_flipped_bit_is_refused_before_it_gives_other_answers(root: Path, name: str) -> None:
    path = next(root.rglob(name))
    content = bytearray(path.read_bytes())
    content[len(content) * 2 // 3] ^= 4
    path.write_bytes(content)
    with pytest.raises(IndexFormatError, match=f"{name} has changed"):
        open_index(root)


@pytest.mark.parametrize("kind", ["flat", "hnsw", "ivf-sq8"])
def test_an_index_whose_files_are_open_answers_when_its_folder_is_gone(tmp_path: Path, kind: str) -> None:
    root = tmp_path / "index"
    small_index(root, dense=DenseOptions(kind))
    questions = ["capital of France", "서울은"]
    stays, goes = (open_index(root, encoder=HashEncoder(), analyzer=WordAnalyzer()) for _ in range(2))
    expected = {name: stays.retriever(name).search(questions, 3) for name in stays.names}
    goes.open_files()
    root.rename(tmp_path / "renamed")
    shutil.rmtree(tmp_path / "renamed")
    assert {name: goes.retriever(name).search(questions, 3) for name in goes.names} == expected
    assert goes.passages[0].id == "seoul"
