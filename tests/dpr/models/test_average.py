from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from dpr.data.passages import read_examples
from dpr.errors import ConfigError, ModelError
from dpr.models.average import average
from dpr.models.encoders import load_encoder
from dpr.train.batches import Source
from dpr.train.encoder.run import train
from dpr.train.encoder.settings import Training
from tests.tiny_models import add_dense

TEXTS = ["Who?", "누가 한글을 만들었나?"]


@pytest.fixture(scope="module")
def sources(demo_files: tuple[Path, Path]) -> list[Source]:
    return [Source("korean", list(read_examples(f"korquad:{demo_files[1]}@:2")))]


@pytest.fixture(scope="module", params=[0, 4], ids=["whole", "adapters"])
def pairs(
    request: pytest.FixtureRequest,
    tiny_checkpoint: Path,
    sources: list[Source],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, Path]:
    """A training and one that goes on from it, of one form."""
    folder = tmp_path_factory.mktemp("pairs")
    first = Training(base=str(tiny_checkpoint), batch_size=8, max_steps=2, learning_rate=1e-2, precision="fp32")
    first = replace(first, lora_rank=request.param)
    train(sources, folder / "first", first)
    train(sources, folder / "second", replace(first, base=str(folder / "first")))
    return folder / "first", folder / "second"


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    found = sorted(folder.rglob("*.safetensors"))
    return {f"{path.relative_to(folder)} {name}": one for path in found for name, one in load_file(path).items()}


def test_each_weight_is_the_weighted_mean(pairs: tuple[Path, Path], tmp_path: Path) -> None:
    first, second = pairs
    average([str(first), str(second)], [1, 3], tmp_path / "mean", "dpr average")
    one, two, mean = tensors(first), tensors(second), tensors(tmp_path / "mean")
    assert one.keys() == two.keys() == mean.keys()
    assert any((one[name] != two[name]).any() for name in one)
    for name, tensor in mean.items():
        torch.testing.assert_close(tensor, 0.25 * one[name] + 0.75 * two[name])
    record = json.loads((tmp_path / "mean" / "training.json").read_text(encoding="utf-8"))
    assert [part["share"] for part in record["average"].values()] == [0.25, 0.75]
    assert record["average"][str(second)]["training"]["steps"] == 2


def test_the_mean_of_one_with_itself_is_that_one(pairs: tuple[Path, Path], tmp_path: Path) -> None:
    average([str(pairs[0]), str(pairs[0])], [], tmp_path / "mean")
    before, after = load_encoder(pairs[0], "fp32"), load_encoder(tmp_path / "mean", "fp32")
    np.testing.assert_allclose(after.encode_questions(TEXTS), before.encode_questions(TEXTS), atol=1e-6)
    for model in (pairs[0], tmp_path / "mean"):  # trained, and averaged
        files = list(model.rglob("*.safetensors"))
        assert files
        assert all(file.stat().st_mode & 0o666 == file.parent.stat().st_mode & 0o666 for file in files)


def test_one_base_may_have_two_paths(pairs: tuple[Path, Path], tiny_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tiny_checkpoint)
    second = shutil.copytree(pairs[1], tmp_path / "second")
    for path in second.rglob("adapter_config.json"):
        document = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps({**document, "base_model_name_or_path": str(tmp_path / "link")}), encoding="utf-8")
    average([str(pairs[0]), str(second)], [], tmp_path / "mean")
    assert tensors(tmp_path / "mean").keys() == tensors(second).keys()


def test_unlike_encoders_are_refused(pairs: tuple[Path, Path], tiny_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="they differ in form or base"):
        average([str(tiny_checkpoint), str(pairs[0])], [], tmp_path / "mean")
    dense = add_dense(pairs[0], tmp_path / "dense")
    with pytest.raises(ModelError, match="they differ in form or base"):
        average([str(pairs[0]), str(dense)], [], tmp_path / "mean")
    assert not (tmp_path / "mean").exists()


@pytest.mark.parametrize("pairs", [4], indirect=True, ids=["adapters"])
@pytest.mark.parametrize("is_last", [True, False])
def test_an_adapter_of_another_lora_alpha_counts_for_what_it_adds(
    pairs: tuple[Path, Path], is_last: bool, tmp_path: Path
) -> None:
    same = shutil.copytree(pairs[1], tmp_path / "same")
    for path in same.rglob("adapter_config.json"):
        document = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps({**document, "lora_alpha": 2 * document["lora_alpha"]}), encoding="utf-8")
        weights = load_file(path.parent / "adapter_model.safetensors")
        halved = {name: weight / 2 if ".lora_B." in name else weight for name, weight in weights.items()}
        save_file(halved, path.parent / "adapter_model.safetensors", {"format": "pt"})
    models = [str(pairs[1]), str(same)] if is_last else [str(same), str(pairs[1])]
    average(models, [], tmp_path / "mean")
    before, after = load_encoder(pairs[1], "fp32"), load_encoder(tmp_path / "mean", "fp32")
    np.testing.assert_allclose(after.encode_questions(TEXTS), before.encode_questions(TEXTS), atol=1e-6)


@pytest.mark.parametrize("shares", [[1.0], [1.0, 0.0], [1.0, float("nan")]])
def test_impossible_shares_are_refused(shares: list[float], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="give two or more models, each with a share above 0"):
        average(["one", "two"], shares, tmp_path / "mean")


def test_the_output_cannot_be_an_input(pairs: tuple[Path, Path]) -> None:
    with pytest.raises(ConfigError, match=r"is the folder of .* itself"):
        average([str(one) for one in pairs], [], pairs[1])
