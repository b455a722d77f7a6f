from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from dpr.data.passages import read_examples
from dpr.errors import ConfigError, ModelError
from dpr.models.encoders import load_encoder
from dpr.models.export import ExportFormat, convert_weights, export, export_cross_encoder
from dpr.reader.extractive.export import export_reader
from dpr.train.batches import Source
from dpr.train.encoder.run import train
from dpr.train.encoder.settings import Training
from dpr.types import FloatArray
from tests.tiny_models import make_bert, make_cross_encoder, make_reader

TEXTS = ["Who?", "누가 한글을 만들었나?"]


@pytest.fixture(scope="module")
def adapter(tiny_checkpoint: Path, demo_files: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pair of LoRA adapters that took two large steps."""
    output = tmp_path_factory.mktemp("adapter")
    settings = Training(
        base=str(tiny_checkpoint), lora_rank=4, max_steps=2, batch_size=8, learning_rate=0.01, precision="fp32"
    )
    train([Source("demo", list(read_examples(f"squad:{demo_files[0]}@:1")))], output, settings)
    return output


def vectors(folder: Path) -> FloatArray:
    return load_encoder(folder, "fp32").encode_questions(TEXTS)


def test_whole_weights_give_the_same_vectors_and_open_elsewhere(adapter: Path, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    written = export(str(adapter), tmp_path / "whole")
    assert written["encoders"] == 2
    assert not list(tmp_path.rglob("adapter_config.json"))
    assert vectors(tmp_path / "whole") == pytest.approx(vectors(adapter), abs=1e-6)
    theirs = SentenceTransformer(str(tmp_path / "whole" / "question"), device="cpu").encode(TEXTS)
    assert theirs == pytest.approx(vectors(adapter), abs=1e-5)


def test_adapters_stay_adapters_in_half_the_space(adapter: Path, tmp_path: Path) -> None:
    shutil.copytree(adapter, tmp_path / "fitted")
    (tmp_path / "fitted" / "fusion.json").write_text("{}", encoding="utf-8")  # what lies beside a pair goes with it
    export(str(tmp_path / "fitted"), tmp_path / "small", ExportFormat("as-is", "fp16"))
    assert (tmp_path / "small" / "fusion.json").is_file()
    before, after = (
        folder / "question" / "adapter_model.safetensors" for folder in (adapter, tmp_path / "small")
    )  # fmt: skip
    assert after.stat().st_size < 0.75 * before.stat().st_size
    difference = np.abs(vectors(tmp_path / "small") - vectors(adapter)).max()
    assert 0 < difference < 1e-3


def test_an_adapter_in_eight_bits_takes_a_quarter_and_stays_one(adapter: Path, tmp_path: Path) -> None:
    export(str(adapter), tmp_path / "small", ExportFormat("as-is", "fp8"))
    before, after = (
        load_file(folder / "question" / "adapter_model.safetensors") for folder in (adapter, tmp_path / "small")
    )
    assert {weight.dtype for weight in after.values()} == {torch.float8_e5m2}
    for name, weight in before.items():
        # two bits after the leading one: an eighth at most
        torch.testing.assert_close(after[name].float(), weight, rtol=0.125, atol=2**-17)
    assert 0 < np.abs(vectors(tmp_path / "small") - vectors(adapter)).max() < 0.05
    export(str(tmp_path / "small"), tmp_path / "wide", ExportFormat("as-is", "fp16"))
    assert vectors(tmp_path / "wide") == pytest.approx(vectors(tmp_path / "small"), abs=1e-6)


@pytest.mark.parametrize("rank", [0, 2])
def test_of_an_adapter_in_eight_bits_no_number_is_rounded_again(adapter: Path, tmp_path: Path, rank: int) -> None:
    export(str(adapter), tmp_path / "small", ExportFormat("as-is", "fp8"))
    for dtype in ("fp32", "fp8"):
        export(str(tmp_path / "small"), tmp_path / dtype, ExportFormat("as-is", dtype, rank))
    exact, rounded = (
        load_file(tmp_path / dtype / "question" / "adapter_model.safetensors") for dtype in ("fp32", "fp8")
    )
    for name, weight in exact.items():
        assert bool((weight.to(torch.float8_e5m2).float() == rounded[name].float()).all())
        assert bool((weight == rounded[name].float()).all()) == (rank == 0)


def test_in_eight_bits_only_matrices_are_rounded_so_far(tmp_path: Path) -> None:
    path = tmp_path / "adapter_model.safetensors"
    kinds = {
        "query.lora_A.weight": (torch.float8_e5m2, (2, 3)),
        "query.lora_B.bias": (torch.float16, (3,)),
        "query.lora_magnitude_vector": (torch.float16, (3,)),
        "classifier.weight": (torch.float16, (2, 3)),
    }
    save_file({name: torch.rand(shape) for name, (_, shape) in kinds.items()}, path)
    convert_weights(path, torch.float8_e5m2)
    assert {name: weight.dtype for name, weight in load_file(path).items()} == {
        name: dtype for name, (dtype, _) in kinds.items()
    }


@pytest.mark.parametrize("number", [1e-6, 1e5, float("nan")])
@pytest.mark.parametrize("dtype", [torch.float8_e5m2, torch.float16])
def test_numbers_outside_the_range_of_a_dtype_are_refused(tmp_path: Path, number: float, dtype: torch.dtype) -> None:
    path = tmp_path / "adapter_model.safetensors"
    save_file({"a.lora_A.weight": torch.zeros(8, 4), "a.lora_B.weight": torch.full((64, 8), number)}, path)
    written = path.read_bytes()
    if (number, dtype) == (1e-6, torch.float16):
        convert_weights(path, dtype)
        return
    with pytest.raises(ModelError, match=r"a\.lora_B\.weight has numbers of up to .* choose another --dtype"):
        convert_weights(path, dtype)
    assert path.read_bytes() == written


@pytest.mark.parametrize(
    ("make", "write", "weight"),
    [
        (partial(make_bert, seed=1), export, "encoder.layer.0.output.dense.bias"),
        (make_cross_encoder, export_cross_encoder, "classifier.weight"),
        (make_reader, export_reader, "qa_outputs.bias"),
    ],
)
def test_numbers_of_whole_weights_outside_the_range_of_a_dtype_are_refused(
    tiny_checkpoint: Path, tmp_path: Path, make: Callable[..., Path], write: Callable[..., object], weight: str
) -> None:
    model = make(tiny_checkpoint, folder=tmp_path / "model")
    path = model / "model.safetensors"
    weights = load_file(path)
    weights[weight][:] = 65_600
    save_file(weights, path, {"format": "pt"})
    with pytest.raises(
        ModelError, match=rf"{weight} has numbers of up to 6\.6e\+04, and float16 keeps those of .* choose"
    ):
        write(str(model), tmp_path / "half", ExportFormat("whole", "fp16"))
    assert not (tmp_path / "half").exists()
    write(str(model), tmp_path / "half", ExportFormat("whole", "bf16"))


def test_eight_bits_are_for_adapters_alone(adapter: Path, tiny_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--dtype fp8 is for adapters that stay adapters; give an adapter and --form"):
        export(str(tiny_checkpoint), tmp_path / "x", ExportFormat("as-is", "fp8"))
    with pytest.raises(ConfigError, match="--dtype fp8 is for adapters"):
        ExportFormat("whole", "fp8")
    assert not (tmp_path / "x").exists()


def test_adapters_of_a_lower_rank_take_less_space(adapter: Path, tmp_path: Path) -> None:
    written = export(str(adapter), tmp_path / "small", ExportFormat("as-is", lora_rank=2))
    for path in (tmp_path / "small").glob("*/adapter_config.json"):
        assert json.loads(path.read_text(encoding="utf-8"))["r"] == 2
    assert written["encoders"] == 2
    assert not np.allclose(vectors(tmp_path / "small"), vectors(adapter), atol=1e-3)


def test_what_cannot_be_written_is_refused(adapter: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="form 'small' or dtype 'fp32' is unknown; choose whole or as-is"):
        export(str(adapter), tmp_path, ExportFormat("small"))
    with pytest.raises(ConfigError, match="dtype 'int8' is unknown; choose whole or as-is, and fp32, fp16, bf16"):
        export(str(adapter), tmp_path, ExportFormat("as-is", "int8"))
    with pytest.raises(ConfigError, match=r"is the folder of .* itself"):
        export(str(adapter), adapter)
