"""Prompts and dimension: the build records them, and every later use of the index follows them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from dpr.models.encoders import load_encoder
from dpr.search.open import open_index
from dpr.store.manifest import Manifest
from dpr.types import EncoderOptions, Passage
from index_builder.cli import app
from tests.small_index import write_jsonl

PASSAGES = [Passage("ibm", "IBM built it."), Passage("rome", "Rome is a city.", "Rome")]


def call(*arguments: str) -> None:
    result = CliRunner().invoke(app, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output


@pytest.fixture(scope="module")
def index(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prompted")
    corpus = write_jsonl(folder / "corpus.jsonl", PASSAGES)
    options = "--question-prompt=ask: ", "--passage-prompt=text: ", "--dimension", "16", "--analyzer", "words"
    arguments = "--precision", "fp32", "--backend", "torch", "--encoder", str(tiny_checkpoint)
    call("build", "--corpus", corpus, "--output", str(folder / "index"), *options, *arguments)
    return folder / "index"


def test_the_manifest_says_how_the_encoder_was_used(index: Path, tiny_checkpoint: Path) -> None:
    manifest = Manifest.read(index / "generations" / "000001.json")
    assert manifest.encoder is not None
    assert manifest.encoder.options == EncoderOptions("ask: ", "text: ", 16)
    assert manifest.encoder.name == str(tiny_checkpoint)


def test_the_vectors_are_those_of_prompted_texts(index: Path, tiny_checkpoint: Path) -> None:
    plain = load_encoder(tiny_checkpoint, "fp32", "torch")
    texts = [Passage("ibm", "text: IBM built it."), Passage("rome", "Rome is a city.", "text: Rome")]
    expected = plain.encode_passages(texts)[:, :16]
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    vectors = open_index(index).resources.segments[0].vectors()
    np.testing.assert_allclose(vectors, expected, atol=1e-5)


def test_questions_get_the_recorded_prompt(index: Path, tiny_checkpoint: Path) -> None:
    encoder = open_index(index).resources.encoder()
    plain = load_encoder(tiny_checkpoint, options=EncoderOptions(dimension=16))
    np.testing.assert_allclose(encoder.encode_questions(["Who?"]), plain.encode_questions(["ask: Who?"]), atol=1e-4)
    hits = open_index(index).retriever("dense").search(["Who built it?"], 2)
    assert len(hits[0]) == 2


def test_passages_are_added_with_the_same_prompts(index: Path, tmp_path: Path) -> None:
    more = write_jsonl(tmp_path / "more.jsonl", [Passage("bonn", "Bonn was a capital.")])
    call("add", str(index), "--corpus", more, "--json")
    manifest = json.loads((index / "generations" / "000002.json").read_text(encoding="utf-8"))
    assert manifest["encoder"]["passage_prompt"] == "text: "
    call("verify", str(index))
