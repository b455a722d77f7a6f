from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForQuestionAnswering

from dpr.errors import ConfigError, ModelError
from dpr.models.checkpoint import read_json
from dpr.models.export import ExportFormat
from dpr.reader.extractive.export import export_reader
from dpr.reader.extractive.model import ReaderConfig
from dpr.reader.extractive.reader import load_reader
from dpr.train.batches import Source
from dpr.train.reader.run import train_reader
from dpr.train.reader.settings import ReaderTraining
from dpr.types import Candidates, Example, Passage, Question

WHOLE = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.txt"}
ITEM = Candidates("name ?", (Passage("p", "x x the name is park ."), Passage("q", "no name")), (1.0, 0.0))
ASKED = Example(Question("q", "name ?", ("kim",)), (Passage("p", "the name is kim ."),), answer_starts=(12,))


@pytest.fixture(scope="module")
def adapter(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("adapter") / "reader"
    training = ReaderTraining(
        base=str(tiny_checkpoint), lora_rank=4, max_steps=2, learning_rate=0.05, relevance_head=True, negative_share=0
    )
    train_reader([Source("one", [ASKED])], output, training, ReaderConfig(64, 16, 16, 12))
    return output


def scores(folder: Path) -> list[float]:
    found = load_reader(folder, "fp32", backend="torch").spans([ITEM])[0]
    return [number for spans in found for number in (*spans.scores.tolist(), spans.null_score, spans.relevance)]


def test_whole_weights_read_the_same_and_open_elsewhere(adapter: Path, tmp_path: Path) -> None:
    export_reader(str(adapter), tmp_path / "whole")
    assert not (tmp_path / "whole" / "adapter_config.json").exists()
    assert scores(tmp_path / "whole") == pytest.approx(scores(adapter), abs=1e-4)
    model: Any = AutoModelForQuestionAnswering.from_pretrained(tmp_path / "whole")
    assert model.qa_outputs.weight.dtype == torch.float32
    assert (tmp_path / "whole" / "training.json").is_file()


def test_an_adapter_stays_an_adapter_in_half_the_space(adapter: Path, tmp_path: Path) -> None:
    export_reader(str(adapter), tmp_path / "small", ExportFormat("as-is", "fp16"))
    before, after = (folder / "adapter_model.safetensors" for folder in (adapter, tmp_path / "small"))
    assert after.stat().st_size < 0.75 * before.stat().st_size
    assert scores(tmp_path / "small") == pytest.approx(scores(adapter), abs=0.05)
    assert scores(tmp_path / "small") != scores(adapter)


def test_an_adapter_in_eight_bits_keeps_its_heads_in_sixteen_and_trains_further(adapter: Path, tmp_path: Path) -> None:
    export_reader(str(adapter), tmp_path / "small", ExportFormat("as-is", "fp8"))
    weights = load_file(tmp_path / "small" / "adapter_model.safetensors")
    types = {".lora_" in name: weight.dtype for name, weight in weights.items()}
    assert types == {True: torch.float8_e5m2, False: torch.float16}
    assert scores(tmp_path / "small") != scores(adapter)
    training = ReaderTraining(
        base=read_json(adapter / "training.json")["training"]["base"],
        lora_rank=4, max_steps=1, learning_rate=1e-9, relevance_head=True, negative_share=0,
        start_from=str(tmp_path / "small"),
    )  # fmt: skip
    train_reader([Source("one", [ASKED])], tmp_path / "further", training, ReaderConfig(64, 16, 16, 12))
    assert scores(tmp_path / "further") == pytest.approx(scores(tmp_path / "small"), abs=1e-3)


def test_an_adapter_of_a_lower_rank_takes_less_space(adapter: Path, tmp_path: Path) -> None:
    export_reader(str(adapter), tmp_path / "small", ExportFormat("as-is", lora_rank=2))
    before, after = (folder / "adapter_model.safetensors" for folder in (adapter, tmp_path / "small"))
    assert after.stat().st_size < 0.75 * before.stat().st_size
    assert scores(tmp_path / "small") != scores(adapter)


@pytest.mark.parametrize("form", ["as-is", "whole"])
def test_an_export_has_what_a_reader_needs_and_nothing_of_its_training(
    form: str, adapter: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(adapter, tmp_path / "run")
    assert not (run / "README.md").exists()
    for name in ("log.jsonl", "state.safetensors", "best.safetensors", "unfinished.json", "README.md", "notes.txt"):
        (run / name).touch()
    for folder in ("tensorboard", "checkpoint-500"):
        (run / folder).mkdir(exist_ok=True)
        (run / folder / "events").touch()
    export_reader(str(run), tmp_path / "small", ExportFormat(form))
    beside = {"reader.json", "reader.safetensors", "training.json"}
    weights = {"adapter_config.json", "adapter_model.safetensors"}
    names = {path.name for path in (tmp_path / "small").iterdir()}
    assert names == beside | (weights if form == "as-is" else names & WHOLE)
    assert scores(tmp_path / "small") == pytest.approx(scores(adapter), abs=1e-4)


def test_an_export_that_fails_leaves_what_was_there(adapter: Path, tmp_path: Path) -> None:
    damaged = shutil.copytree(adapter, tmp_path / "damaged")
    (damaged / "adapter_model.safetensors").write_bytes(b"no weights")
    for form in ("as-is", "whole"):
        with pytest.raises(ModelError):
            export_reader(str(damaged), tmp_path / "small", ExportFormat(form))
    assert not (tmp_path / "small").exists()
    export_reader(str(adapter), tmp_path / "small")
    before = scores(tmp_path / "small")
    with pytest.raises(ModelError):
        export_reader(str(damaged), tmp_path / "small", overwrite=True)
    assert scores(tmp_path / "small") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["damaged", "small"]


def test_bad_input_is_one_sentence(adapter: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="form 'half'"):
        export_reader(str(adapter), tmp_path / "x", ExportFormat("half"))
    with pytest.raises(ConfigError, match="dtype 'int8' is unknown; choose whole or as-is, and fp32, fp16, bf16"):
        export_reader(str(adapter), tmp_path / "x", ExportFormat("as-is", "int8"))
    with pytest.raises(ConfigError, match=r"is the folder of .* itself"):
        export_reader(str(adapter), adapter)
