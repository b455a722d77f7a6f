"""Learned lists are built, searched, changed and verified like other lists; a changed index equals a fresh one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from dpr.config import ComputeOptions
from dpr.errors import ConfigError, IndexFormatError, ModelError, RequestError
from dpr.search.learned import LEARNED
from dpr.search.open import OpenIndex, open_index
from dpr.types import LearnedEncoder, Passage
from index_builder import cli, learned
from index_builder.build import BuildOptions, build
from index_builder.current import RecordedEncoder
from index_builder.learned import load_learned_encoders
from index_builder.update import AddOptions, add, compact, delete
from index_builder.verify import verify_index
from tests.fakes import WordAnalyzer
from tests.learned_models import make_colbert, make_splade
from tests.small_index import PASSAGES, small_index, write_jsonl

FP32 = ComputeOptions("fp32", "torch")
MORE = (Passage("lima", "Lima is the capital of Peru", "Lima"), Passage("soju", "soju is clear, and strong!", ""))
QUESTIONS = ("what is the capital of France?", "a dish of cabbage", "서울은 어디?")
NAMES = ("splade", "colbert")


@pytest.fixture(scope="session")
def models(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("learned")
    return {
        "splade": str(make_splade(tiny_checkpoint, folder / "splade")),
        "colbert": str(make_colbert(tiny_checkpoint, folder / "colbert")),
    }


@pytest.fixture(scope="session")
def encoders(models: Mapping[str, str]) -> Mapping[str, LearnedEncoder[Any]]:
    return load_learned_encoders(models, FP32)


def opened(root: Path) -> OpenIndex:
    return open_index(root, analyzer=WordAnalyzer(), compute=FP32)


def found(root: Path, name: str, questions: Sequence[str] = QUESTIONS, k: int = 10) -> list[list[tuple[str, float]]]:
    retriever = opened(root).retriever(name)
    return [[(hit.passage_id, hit.score) for hit in hits] for hits in retriever.search(questions, k)]


def added(root: Path, tmp_path: Path) -> None:
    sources = (write_jsonl(tmp_path / "more.jsonl", MORE),)
    add(AddOptions(sources=sources, index=root), RecordedEncoder(compute=FP32), WordAnalyzer())


def built(root: Path, passages: Sequence[Passage], encoders: Mapping[str, LearnedEncoder[Any]]) -> Path:
    path = root.with_suffix(".jsonl")
    source = str(path) if path.exists() else write_jsonl(path, passages)  # a rewritten source is another build
    build(BuildOptions(sources=(source,), output=root), None, WordAnalyzer(), learned=encoders)
    return root


@pytest.fixture
def root(tmp_path: Path, encoders: Mapping[str, LearnedEncoder[Any]]) -> Path:
    built(tmp_path / "index", PASSAGES, encoders)
    return tmp_path / "index"


def test_an_index_has_both_and_says_what_they_hold(root: Path, encoders: Mapping[str, LearnedEncoder[Any]]) -> None:
    index = opened(root)
    assert set(NAMES) <= set(index.names)
    for name in NAMES:
        assert index.manifest.learned[name].fingerprint == encoders[name].fingerprint
        assert index.manifest.segments[0].learned[name].entries > 0
    checks = verify_index(root, WordAnalyzer()).checks
    assert "weighted terms" in checks["learned lists"]


def test_splade_scores_are_inner_products_of_the_weights(
    root: Path, encoders: Mapping[str, LearnedEncoder[Any]]
) -> None:
    encoder = encoders["splade"]
    dense = [_matrix(encoder.encode_questions(QUESTIONS), encoder.dimension)]
    dense.append(_matrix(encoder.encode_passages(PASSAGES), encoder.dimension))
    expected = dense[0] @ dense[1].T
    for number, hits in enumerate(found(root, "splade")):
        scores = {passage.id: expected[number, row] for row, passage in enumerate(PASSAGES)}
        assert [passage_id for passage_id, _ in hits] == sorted(scores, key=lambda key: -scores[key])
        assert dict(hits) == pytest.approx(scores, rel=1e-5)


def test_colbert_scores_are_the_sums_of_the_greatest_similarities(
    root: Path, encoders: Mapping[str, LearnedEncoder[Any]]
) -> None:
    encoder = encoders["colbert"]
    questions, passages = encoder.encode_questions(QUESTIONS), encoder.encode_passages(PASSAGES)
    for number, hits in enumerate(found(root, "colbert")):
        of_question = questions.vectors[questions.starts[number] : questions.starts[number + 1]]
        scores = {}
        for row, passage in enumerate(PASSAGES):
            of_passage = passages.vectors[passages.starts[row] : passages.starts[row + 1]]
            scores[passage.id] = float((of_question @ of_passage.T).max(axis=1).sum())
        assert dict(hits) == pytest.approx(scores, rel=5e-4)  # the index rounds to float16


@pytest.mark.parametrize("name", NAMES)
def test_a_score_does_not_depend_on_the_batch(root: Path, name: str) -> None:
    alone = [found(root, name, [question])[0] for question in QUESTIONS]
    together = found(root, name)
    assert [[hit[0] for hit in hits] for hits in alone] == [[hit[0] for hit in hits] for hits in together]


@pytest.mark.parametrize("name", NAMES)
def test_a_changed_index_equals_a_fresh_one(
    root: Path, tmp_path: Path, name: str, encoders: Mapping[str, LearnedEncoder[Any]]
) -> None:
    added(root, tmp_path)
    delete(root, ["paris", "kimchi"], WordAnalyzer())
    remaining = [passage for passage in (*PASSAGES, *MORE) if passage.id not in ("paris", "kimchi")]
    built(tmp_path / "fresh", remaining, encoders)
    expected = found(tmp_path / "fresh", name)
    assert _alike(found(root, name), expected)
    verify_index(root, WordAnalyzer())
    compact(root, WordAnalyzer())
    verify_index(root, WordAnalyzer())
    assert _alike(found(root, name), expected)
    fresh, compacted = (read_manifest(path)["segments"][0]["learned"][name] for path in (tmp_path / "fresh", root))
    assert fresh["entries"] == compacted["entries"]


@pytest.mark.parametrize("shard", [1, 4])
def test_a_killed_build_encodes_only_what_is_missing(
    tmp_path: Path, shard: int, encoders: Mapping[str, LearnedEncoder[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learned, "SHARD_PASSAGES", shard)
    encoder = encoders["splade"]
    calls: list[int] = []

    class Failing:
        name, fingerprint, dimension = encoder.name, encoder.fingerprint, encoder.dimension
        encode_questions = encoder.encode_questions

        def __init__(self, allowed: int) -> None:
            self.allowed = allowed

        def encode_passages(self, passages: Sequence[Passage]) -> Any:
            calls.append(len(passages))
            if len(calls) > self.allowed:
                raise KeyboardInterrupt
            return encoder.encode_passages(passages)

    with pytest.raises(KeyboardInterrupt):
        built(tmp_path / "index", PASSAGES, {"splade": Failing(1)})
    calls.clear()
    built(tmp_path / "index", PASSAGES, {"splade": Failing(99)})
    assert sum(calls) == len(PASSAGES) - shard
    built(tmp_path / "fresh", PASSAGES, {"splade": encoder})
    assert _alike(found(tmp_path / "index", "splade"), found(tmp_path / "fresh", "splade"))
    assert not list((tmp_path / "index").rglob("shards"))


@pytest.mark.parametrize("name", NAMES)
def test_an_index_without_a_list_says_how_to_get_it(tmp_path: Path, name: str) -> None:
    small_index(tmp_path / "index", encoder=None)
    with pytest.raises(
        RequestError, match=rf"has no {LEARNED[name].unit} .* dpr-index build --{name} MODEL, or choose"
    ):
        opened(tmp_path / "index").retriever(name)


def test_another_model_in_the_place_of_the_recorded_one_is_refused(
    tmp_path: Path, models: Mapping[str, str], tiny_checkpoint: Path
) -> None:
    place = tmp_path / "model"
    shutil.copytree(models["splade"], place)
    (place / "added_tokens.json").write_text("{}", encoding="utf-8")  # a model of its own, which no index has open
    built(tmp_path / "index", PASSAGES, load_learned_encoders({"splade": str(place)}, FP32))
    config = json.loads((place / "config.json").read_text(encoding="utf-8"))
    (place / "config.json").write_text(json.dumps({**config, "layer_norm_eps": 0.5}), encoding="utf-8")
    with pytest.raises(IndexFormatError, match=r"another one \(.*\) is there now; put the former back"):
        found(tmp_path / "index", "splade")
    shutil.rmtree(place)
    with pytest.raises(ModelError, match="the index was made with this model for splade; put it back there"):
        found(tmp_path / "index", "splade")


def test_an_explanation_adds_up(root: Path) -> None:
    index = opened(root)
    for name in NAMES:
        retriever = index.retriever(name)
        for hit in retriever.search(QUESTIONS[:1], 10)[0]:
            entry = retriever.explain(QUESTIONS[0], hit.row).lists[name]
            assert entry.rank == hit.rank
            assert entry.score == pytest.approx(hit.score, rel=1e-5)
            if name == "splade":
                assert entry.terms
                assert sum(term.share for term in entry.terms) == pytest.approx(hit.score, rel=1e-5)


def test_the_commands_build_and_verify(tmp_path: Path, models: Mapping[str, str]) -> None:
    source = write_jsonl(tmp_path / "corpus.jsonl")
    options = ["--analyzer", "words", "--no-dense", "--precision", "fp32", "--backend", "torch", "--json"]
    chosen = [item for name, model in models.items() for item in (f"--{name}", model)]
    command = ["build", "--corpus", source, "--output", str(tmp_path / "index"), *chosen, *options]
    built = CliRunner().invoke(cli.app, command)
    assert built.exception is None, built.exception
    summary = json.loads(built.stdout)["learned"]
    assert summary["splade"]["weighted_terms"] > 0
    assert summary["colbert"]["token_vectors"] > 0
    assert summary["colbert"]["cut_passages"] == 1
    estimated = CliRunner().invoke(cli.app, ["estimate", "--corpus", source, *chosen, *options])
    assert estimated.exception is None, estimated.exception
    document = json.loads(estimated.stdout)
    for name in NAMES:
        files = (tmp_path / "index").glob(f"segments/*/{name}/*.npy")
        assert document["disk_bytes"][name] == pytest.approx(
            sum(file.stat().st_size - 128 for file in files), rel=0.001
        )
        assert name in document["seconds"]


def test_a_model_of_another_kind_is_refused(models: Mapping[str, str], tiny_checkpoint: Path) -> None:
    with pytest.raises(ModelError, match="is a ColBERT, which weighs no terms; choose a SPLADE model"):
        load_learned_encoders({"splade": models["colbert"]}, FP32)
    with pytest.raises(ModelError, match="is no late-interaction model: it has neither the files of PyLate"):
        load_learned_encoders({"colbert": models["splade"]}, FP32)
    with pytest.raises(ModelError, match="has no weights for cls"):
        load_learned_encoders({"splade": str(tiny_checkpoint)}, FP32)
    with pytest.raises(ConfigError, match="there is no learned list 'other'; choose from splade, colbert"):
        load_learned_encoders({"other": "x"}, FP32)


def read_manifest(root: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(max((root / "generations").glob("*.json")).read_text("utf-8"))
    return document


def _alike(actual: Sequence[Sequence[tuple[str, float]]], expected: Sequence[Sequence[tuple[str, float]]]) -> bool:
    return all(
        [hit[0] for hit in hits] == [hit[0] for hit in others]
        and np.allclose([hit[1] for hit in hits], [hit[1] for hit in others], rtol=1e-5)
        for hits, others in zip(actual, expected, strict=True)
    )


def _matrix(encoded: Any, terms: int) -> Any:
    matrix = np.zeros((len(encoded), terms), dtype=np.float32)
    owners = np.repeat(np.arange(len(encoded)), np.diff(encoded.starts))
    matrix[owners, encoded.terms] = encoded.weights
    return matrix
