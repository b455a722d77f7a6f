"""What earlier versions made and this one does not read is refused in one sentence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from dpr.errors import ModelError
from dpr.models.checkpoint import base_of, resolve
from dpr.models.encoders import load_encoder
from dpr.reader.extractive.model import read_reader_config
from dpr.reader.extractive.reader import load_reader
from dpr.search.open import open_index
from tests.fakes import HashEncoder, WordAnalyzer
from tests.small_index import small_index

OLD_MODULES = ("sentence_transformers.models.Transformer", "sentence_transformers.models.Pooling",
               "lexical_sketch.LexicalSketch")  # fmt: skip


def sketch(folder: Path) -> None:
    modules = [{"idx": number, "path": "", "type": kind} for number, kind in enumerate(OLD_MODULES)]
    (folder / "modules.json").write_text(json.dumps(modules), encoding="utf-8")


def added_rows(folder: Path) -> None:
    save_file({"rows": torch.zeros(2, 32)}, folder / "vocabulary.safetensors", {"base": "some/base"})


def match_vector(folder: Path) -> None:
    save_file({"match": torch.zeros(32)}, folder / "reader.safetensors")


def setting(name: str, value: object) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        settings = json.loads((folder / "reader.json").read_text(encoding="utf-8")) | {name: value}
        (folder / "reader.json").write_text(json.dumps(settings, indent=2), encoding="utf-8")

    return write


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (sketch, r"has a sketch of the words in its vectors \(modules\.json\), which"),
        (added_rows, r"has word embeddings of added WordPieces beside an adapter \(vocabulary\.safetensors\), which"),
    ],
)
def test_an_encoder_of_an_earlier_version_is_refused(
    make: Callable[[Path], None], message: str, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    pair = tmp_path / "pair"
    shutil.copytree(tiny_checkpoint, pair / "question")
    (pair / "encoder.json").write_text("{}", encoding="utf-8")
    load_encoder(pair, "fp32", "torch")
    make(pair / "question")
    sentence = f"{message} this version does not support; train the model again and rebuild its indexes, or use the"
    for name in (pair, pair / "question"):
        with pytest.raises(ModelError, match=sentence):
            load_encoder(name)
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text('{"base_model_name_or_path": "pair/question"}', encoding="utf-8")
    with pytest.raises(ModelError, match=f"adapter needs its base pair/question, which is not available: .*{sentence}"):
        base_of(adapter)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (match_vector, r"match vector \(reader\.safetensors\), which this version does not support; train the"),
        (setting("added_rows_scale", 0.25), r"\(added_rows_scale\) \(reader\.json\), which this version does not"),
        (setting("added_rows_scale", 10.0), r"\(added_rows_scale\) \(reader\.json\), which this version does not"),
        (setting("types_alike", True), r"\(types_alike\) \(reader\.json\), which this version does not"),
    ],
)
def test_a_reader_of_an_earlier_version_is_refused(
    make: Callable[[Path], None], message: str, tiny_reader: Path, tmp_path: Path
) -> None:
    reader = shutil.copytree(tiny_reader, tmp_path / "reader")
    make(reader)
    with pytest.raises(ModelError, match=message):
        load_reader(reader)


@pytest.mark.parametrize(("name", "value"), [("added_rows_scale", 1.0), ("types_alike", False)])
def test_a_former_setting_that_did_nothing_is_no_hindrance(
    name: str, value: object, tiny_reader: Path, tmp_path: Path
) -> None:
    reader = shutil.copytree(tiny_reader, tmp_path / "reader")
    setting(name, value)(reader)
    assert load_reader(reader, "fp32", backend="torch").config == read_reader_config(tiny_reader)


@pytest.mark.parametrize("name", ["dpr-mini-ko-en", "dpr-mini-ko-en/question", "/old/models/reader-mini-ko-en"])
def test_a_model_that_is_no_longer_bundled_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match=f"the model {name} came with earlier versions, and this version does not"):
        resolve(name)


def test_an_index_of_a_model_that_is_no_longer_bundled_is_refused_where_it_is_needed(tmp_path: Path) -> None:
    encoder = HashEncoder()
    encoder.name = "dpr-mini-ko-en"
    small_index(tmp_path / "index", encoder=encoder)
    index = open_index(tmp_path / "index", analyzer=WordAnalyzer())
    assert index.retriever("bm25").search(["capital of France"], 1)[0][0].passage_id == "paris"
    for retriever in ("dense", "hybrid"):
        with pytest.raises(ModelError, match=r"rebuild its indexes, .* \(the index was made with this encoder"):
            index.retriever(retriever).search(["capital of France"], 1)
