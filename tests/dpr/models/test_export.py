from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from dpr.data.passages import read_examples
from dpr.errors import ConfigError
from dpr.models.adapters import read_rows, write_rows
from dpr.models.encoders import load_encoder
from dpr.models.export import export
from dpr.train.batches import Source
from dpr.train.settings import Training
from dpr.train.train import train
from dpr.types import FloatArray

TEXTS = ["Who?", "누가 한글을 만들었나?"]


@pytest.fixture(scope="module")
def adapter(tiny_checkpoint: Path, demo_files: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pair of LoRA adapters that took two large steps."""
    output = tmp_path_factory.mktemp("adapter")
    settings = Training(base=str(tiny_checkpoint), lora_rank=4, max_steps=2, batch_size=8, learning_rate=0.05)
    train([Source("demo", list(read_examples(f"squad:{demo_files[0]}@:1")))], output, settings)
    return output


def vectors(folder: Path) -> FloatArray:
    return load_encoder(folder, "fp32").encode_questions(TEXTS)


def test_whole_weights_give_the_same_vectors_and_open_elsewhere(adapter: Path, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    written = export(str(adapter), tmp_path / "whole")
    assert written["towers"] == 2
    assert not list(tmp_path.rglob("adapter_config.json"))
    assert vectors(tmp_path / "whole") == pytest.approx(vectors(adapter), abs=1e-6)
    theirs = SentenceTransformer(str(tmp_path / "whole" / "question"), device="cpu").encode(TEXTS)
    assert theirs == pytest.approx(vectors(adapter), abs=1e-5)


def test_adapters_stay_adapters_in_half_the_space(adapter: Path, tmp_path: Path) -> None:
    export(str(adapter), tmp_path / "small", "as-is", "fp16")
    before, after = (
        folder / "question" / "adapter_model.safetensors" for folder in (adapter, tmp_path / "small")
    )  # fmt: skip
    assert after.stat().st_size < 0.75 * before.stat().st_size
    difference = np.abs(vectors(tmp_path / "small") - vectors(adapter)).max()
    assert 0 < difference < 1e-3


def test_added_rows_take_a_byte_a_number(tiny_checkpoint: Path, adapter: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    shutil.copytree(adapter, tmp_path / "grown")
    (tmp_path / "grown" / "fusion.json").write_text("{}", encoding="utf-8")  # what lies beside a pair goes with it
    for role in ("question", "passage"):
        write_rows(tmp_path / "grown" / role, torch.randn(2, 32), str(tiny_checkpoint))
    export(str(tmp_path / "grown"), tmp_path / "small", "as-is", "int8")
    assert (tmp_path / "small" / "fusion.json").is_file()
    before, after = read_rows(tmp_path / "grown" / "question"), read_rows(tmp_path / "small" / "question")
    assert before is not None
    assert after is not None
    assert 0 < (before[0] - after[0]).abs().max() < 0.02
    assert after[1] == before[1]
    assert np.abs(vectors(tmp_path / "small") - vectors(adapter)).max() < 1e-3


def test_what_cannot_be_written_is_refused(adapter: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="form 'small' and dtype 'fp32': choose whole or as-is"):
        export(str(adapter), tmp_path, "small")
    with pytest.raises(ConfigError, match="'int8' is for word embeddings added to an adapter, in form 'as-is'"):
        export(str(adapter), tmp_path, "as-is", "int8")
    with pytest.raises(ConfigError, match=r"is the folder of .* itself"):
        export(str(adapter), adapter)
