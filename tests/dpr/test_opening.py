"""One place opens a pipeline, and each option reaches every model that it should."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

import dpr
from dpr.cli import app
from dpr.errors import ConfigError, IndexFormatError, RequestError
from dpr.models.backends import PRECISIONS
from dpr.models.encoders import DualEncoder
from dpr.reader.extractive.reader import ExtractiveReader
from dpr.reader.generative.reader import GenerativeReader
from dpr.search.fusion import Fusion
from service.engine import open_qa as open_service
from service.settings import load_settings
from tests.tiny_models import make_bert

PASSAGES = [
    {"id": "deep", "text": "IBM built Deep Blue", "title": "Deep Blue"},
    {"id": "halla", "text": "백록담은 한라산 정상의 호수이다"},
]
WORDS = dpr.IndexOptions(analyzer="words")


@pytest.fixture(scope="module")
def encoder(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bert(tiny_checkpoint, tmp_path_factory.mktemp("opening") / "encoder", 1)


@pytest.fixture(scope="module")
def index(encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("opening") / "index"
    dpr.build_index(PASSAGES, folder, encoder=encoder, options=WORDS, compute=dpr.ComputeOptions("fp32", "torch"))
    return folder


def encoder_of(qa: dpr.QA) -> DualEncoder:
    encoder = qa.index.resources.encoder()
    assert isinstance(encoder, DualEncoder)
    return encoder


def test_the_first_listing_answers(index: Path, tiny_reader: Path) -> None:
    with dpr.open(index, reader=tiny_reader) as qa:
        hits = qa.retrieve("Who built Deep Blue?", k=1)
        answered = qa.answer(["한라산 정상의 호수는?", "Who built Deep Blue?"], k=2)
    assert [(hit.passage_id, hit.text) for hit in hits] == [("deep", "IBM built Deep Blue")]
    assert [result.question for result in answered] == ["한라산 정상의 호수는?", "Who built Deep Blue?"]
    assert all(result.answers[0].text for result in answered)
    assert repr(qa) == ("<QA of generation 000001, 2 passages, retrievers dense, bm25, tfidf, rank-bm25, hybrid>")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_precision_reaches_encoder_and_reader(index: Path, tiny_reader: Path, precision: str) -> None:
    compute = dpr.ComputeOptions(precision, "torch")
    settings = load_settings(index=index, reader=str(tiny_reader), precision=precision, backend="torch")
    for qa in (dpr.open(index, reader=tiny_reader, compute=compute), open_service(settings)):
        assert encoder_of(qa).precision == PRECISIONS[precision]
        assert isinstance(qa.reader, ExtractiveReader)


@pytest.mark.parametrize("command", [("ask", "--reader", "READER"), ("search",)])
def test_commands_hand_the_options_to_every_model(
    index: Path, tiny_reader: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    import dpr.models.encoders as encoders
    import dpr.reader.extractive.reader as readers

    told: list[tuple[str, str]] = []
    load_encoder, load_reader = encoders.load_encoder, readers.load_reader

    def encoder(name: str, precision: str, backend: str, options: dpr.EncoderOptions) -> DualEncoder:
        told.append((precision, backend))
        return load_encoder(name, precision, backend, options)

    def reader(name: str, precision: str, *, backend: str) -> ExtractiveReader:
        told.append((precision, backend))
        return load_reader(name, precision, backend=backend)

    monkeypatch.setattr(encoders, "load_encoder", encoder)
    monkeypatch.setattr(readers, "load_reader", reader)
    name, *reader_option = (str(tiny_reader) if word == "READER" else word for word in command)
    options = ("--precision", "bf16", "--backend", "torch", "--json")
    result = CliRunner().invoke(app, [name, "Deep Blue", "--index", str(index), *reader_option, *options])
    assert result.exception is None
    assert told == [("bf16", "torch")] * (2 if reader_option else 1)
    parsed = json.loads(result.stdout)
    assert (parsed["hits"] if name == "ask" else parsed)[0]["passage"]["id"] == "deep"


def test_names_of_options_are_those_of_the_models() -> None:
    assert sorted(PRECISIONS) == sorted({"fp32", "bf16", "fp16"})
    for name in ("auto", *PRECISIONS):
        assert dpr.ComputeOptions(name).precision == name
    with pytest.raises(ConfigError, match="unknown precision 'half'; choose auto, fp32, bf16, fp16"):
        dpr.ComputeOptions("half")
    with pytest.raises(ConfigError, match="unknown backend 'onnx'; choose auto, torch, openvino"):
        dpr.ComputeOptions(backend="onnx")


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU has fp16")
def test_a_precision_that_the_machine_lacks_is_not_blamed_on_the_encoder(index: Path) -> None:
    with pytest.raises(ConfigError, match="precision 'fp16' is for GPUs"):
        dpr.open(index, compute=dpr.ComputeOptions("fp16")).retrieve("Deep Blue")


def test_models_may_be_given_open(index: Path, encoder: Path, tiny_reader: Path) -> None:
    opened_encoder = dpr.load_encoder(encoder, "fp32", "torch")
    opened_reader = dpr.load_reader(tiny_reader, "fp32", backend="torch")
    qa = dpr.open(index, encoder=opened_encoder, reader=opened_reader)
    assert qa.index.resources.encoder() is opened_encoder
    assert qa.reader is opened_reader


def test_another_encoder_is_refused(index: Path, tiny_checkpoint: Path, tmp_path: Path) -> None:
    other = make_bert(tiny_checkpoint, tmp_path / "other", 2)
    with pytest.raises(IndexFormatError, match="the index was made with the encoder"):
        dpr.open(index, encoder=other).retrieve("Deep Blue")


def test_passages_alone_need_no_reader(index: Path) -> None:
    options = dpr.RetrievalOptions("hybrid", Fusion("rrf", {"dense": 0.0, "bm25": 1.0}))
    qa = dpr.open(index, reader=None, retrieval=options)
    assert not qa.has_reader
    assert qa.retrieve("Deep Blue")[0].score == pytest.approx(1 / 61)
    with pytest.raises(RequestError, match="no reader"):
        qa.answer("Deep Blue")


def test_a_generator_is_opened_with_its_options_and_hides_its_key(index: Path, tiny_reader: Path) -> None:
    options = dpr.GeneratorOptions("http://127.0.0.1:9/v1", "tiny", "sk-secret", 1.0)
    assert "sk-secret" not in repr(options)
    with dpr.open(index, reader=tiny_reader, generator=options) as qa:
        assert isinstance(qa.generator, GenerativeReader)
        assert qa.generator.fallback is not None
    with pytest.raises(ConfigError, match="no HTTP address"):
        dpr.open(index, generator=dpr.GeneratorOptions("localhost:9", "tiny"))


def test_an_absent_index_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(IndexFormatError):
        dpr.open(tmp_path / "nothing", generator=dpr.GeneratorOptions("http://127.0.0.1:9/v1", "tiny"))
