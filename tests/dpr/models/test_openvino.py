from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import AutoModel, LongformerConfig, LongformerModel

from dpr.errors import ConfigError, MissingDependencyError, ModelError
from dpr.models import openvino as room
from dpr.models.checkpoint import content_hash
from dpr.models.encoder_compute import openvino_compute, question_compute
from dpr.models.openvino import (
    ANY_SHAPE,
    OpenVINOModel,
    compile_openvino,
    compile_shapes,
    import_openvino,
    is_available,
)
from dpr.models.text_encoder import EncoderConfig, TextEncoder
from dpr.types import IntArray
from tests.tiny_models import make_bert

# not importorskip, which would import the package with its telemetry
pytestmark = pytest.mark.skipif(not is_available(), reason="the extra openvino is not installed")

SHAPES = [(1, 3), (1, 1), (2, 16), (3, 16), (5, 7), (3, 128)]


class Two(nn.Module):
    """Two outputs of a BERT by name, and one that is not there."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, **inputs: torch.Tensor) -> dict[str, torch.Tensor | None]:
        states = self.model(**inputs).last_hidden_state
        return {"states": states, "nothing": None, "first": states[:, 0]}


@pytest.fixture(scope="module")
def bert(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, str]:
    """Return a model and the hash of its files."""
    folder = make_bert(tiny_checkpoint, tmp_path_factory.mktemp("bert"), seed=3, initializer_range=0.3)
    return Two(AutoModel.from_pretrained(folder).eval()), content_hash(folder)


@pytest.fixture(scope="module")
def compiled(bert: tuple[nn.Module, str]) -> OpenVINOModel:
    return compile_openvino(bert[0], batch(2, 8))


@pytest.fixture
def conversions(monkeypatch: pytest.MonkeyPatch) -> list[nn.Module]:
    """The modules that were converted, instead of read from the cache."""
    converted: list[nn.Module] = []
    convert = room._convert

    def counting(openvino: Any, module: nn.Module, example_inputs: Mapping[str, torch.Tensor]) -> Any:
        converted.append(module)
        return convert(openvino, module, example_inputs)

    monkeypatch.setattr(room, "_convert", counting)
    return converted


def batch(rows: int, width: int, seed: int = 0) -> dict[str, torch.Tensor]:
    """Return inputs of which all rows but the first are padded."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, width + 1, (rows,), generator=generator)
    lengths[0] = width
    mask = (torch.arange(width) < lengths[:, None]).long()
    ids = torch.randint(5, 300, (rows, width), generator=generator) * mask
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": (torch.arange(width) > width // 2) * mask}


def arrays(inputs: Mapping[str, torch.Tensor]) -> dict[str, IntArray]:
    return {name: tensor.numpy() for name, tensor in inputs.items()}


def expected(module: nn.Module, inputs: Mapping[str, torch.Tensor]) -> list[Any]:
    with torch.inference_mode():
        output = module(**inputs)
    return [value.numpy() for value in output.values() if value is not None]


@pytest.mark.parametrize(("rows", "width"), SHAPES)
def test_outputs_are_those_of_torch(
    bert: tuple[nn.Module, str], compiled: OpenVINOModel, rows: int, width: int
) -> None:
    module, _ = bert
    inputs = batch(rows, width)
    found = compiled(arrays(inputs))
    real = inputs["attention_mask"].numpy() == 1
    for ours, theirs in zip(found, expected(module, inputs), strict=True):
        assert ours.shape == theirs.shape
        kept = real if ours.ndim == 3 else slice(None)
        np.testing.assert_allclose(ours[kept], theirs[kept], atol=1e-4)


def test_bf16_is_near(bert: tuple[nn.Module, str]) -> None:
    module, _ = bert
    inputs = batch(4, 32)
    first = compile_openvino(module, batch(2, 8), torch.bfloat16)(arrays(inputs))[1]
    assert first.dtype == np.float32
    np.testing.assert_allclose(first, expected(module, inputs)[1], atol=0.1)


def test_a_module_of_one_tensor_without_types(bert: tuple[nn.Module, str]) -> None:
    class States(Two):
        def forward(self, **inputs: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
            states: torch.Tensor = super().forward(**inputs)["states"]  # type: ignore[assignment]
            return states

    module = bert[0]
    inputs = batch(3, 9)
    del inputs["token_type_ids"]
    (found,) = compile_openvino(States(module.model).eval(), inputs)(arrays(inputs))
    np.testing.assert_allclose(found[0], expected(module, inputs)[0][0], atol=1e-4)


def test_a_model_of_one_shape_computes_what_one_of_any_shape_does(
    bert: tuple[nn.Module, str], compiled: OpenVINOModel
) -> None:
    inputs = arrays(batch(3, 16))
    of_one, of_any = compile_shapes(bert[0], batch(2, 8), [(3, 16), ANY_SHAPE])
    for model in (of_one, of_any):
        np.testing.assert_allclose(model(inputs)[0], compiled(inputs)[0], atol=1e-5)
    with pytest.raises(ModelError, match=r"OpenVINO cannot run inputs of shape \(2, 8\)"):
        of_one(arrays(batch(2, 8)))


def test_the_result_is_the_callers(compiled: OpenVINOModel) -> None:
    first = compiled(arrays(batch(2, 8, seed=1)))
    kept = [output.copy() for output in first]
    compiled(arrays(batch(2, 8, seed=2)))
    for ours, before in zip(first, kept, strict=True):
        np.testing.assert_array_equal(ours, before)


def test_a_cached_graph_is_not_converted_again(
    bert: tuple[nn.Module, str], conversions: list[nn.Module], tmp_path: Path
) -> None:
    module, key = bert
    outputs = []
    for precision in (torch.float32, torch.float32, torch.bfloat16):
        compiled = compile_openvino(module, batch(2, 8), precision, key, tmp_path)
        outputs.append(compiled(arrays(batch(3, 20))))
    assert len(conversions) == 1
    for first, second in zip(outputs[0], outputs[1], strict=True):
        np.testing.assert_array_equal(first, second)


def test_another_model_has_an_entry_of_its_own(
    bert: tuple[nn.Module, str], conversions: list[nn.Module], tmp_path: Path
) -> None:
    module, key = bert
    compile_openvino(module, batch(2, 8), cache_key=key, cache_folder=tmp_path)
    compile_openvino(module, batch(2, 8), cache_key="another", cache_folder=tmp_path)
    assert len(conversions) == 2


def test_without_a_key_nothing_is_kept(
    bert: tuple[nn.Module, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DPR_OPENVINO_CACHE", str(tmp_path / "cache"))
    compile_openvino(bert[0], batch(2, 8))
    assert not (tmp_path / "cache").exists()


def test_calls_from_many_threads_agree(compiled: OpenVINOModel) -> None:
    inputs = [batch(1 + seed % 4, 4 + 5 * (seed % 7), seed) for seed in range(40)]
    alone = [compiled(arrays(one)) for one in inputs]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(compiled, map(arrays, inputs)))
    for ours, theirs in zip(together, alone, strict=True):
        for first, second in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(first, second, atol=1e-6)


def test_other_inputs_are_refused(compiled: OpenVINOModel) -> None:
    inputs = arrays(batch(2, 8))
    types = inputs.pop("token_type_ids")
    with pytest.raises(ModelError, match="token_type_ids and got input_ids, attention_mask; pass exactly"):
        compiled(inputs)
    with pytest.raises(ModelError, match=r"shapes \(2, 8\), \(2, 8\), \(2, 5\)"):
        compiled({**inputs, "token_type_ids": types[:, :5]})
    assert compiled({**inputs, "token_type_ids": types})[0].shape == (2, 8, 32)


def test_fp16_is_refused(bert: tuple[nn.Module, str]) -> None:
    with pytest.raises(ConfigError, match=r"torch\.float16 is not supported with OpenVINO"):
        compile_openvino(bert[0], batch(2, 8), torch.float16)


def test_what_cannot_be_converted_is_one_sentence() -> None:
    class Unwilling(nn.Module):
        def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
            raise ValueError("not today")

    level = logging.getLogger().level
    with pytest.raises(ModelError, match=r"Unwilling cannot be converted to OpenVINO .*; use the backend torch"):
        compile_openvino(Unwilling(), {"input_ids": torch.ones((2, 8), dtype=torch.long)})
    assert logging.getLogger().level == level


def test_a_missing_package_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingDependencyError, match=r"\[openvino\]"):
        import_openvino()


def test_it_is_imported_when_asked_for_and_reports_to_nobody(tmp_path: Path) -> None:
    assert is_available()
    assert "openvino_telemetry" not in sys.modules  # nor by these tests
    program = (
        "import sys; from dpr.models.openvino import import_openvino, is_available; is_available()\n"
        "assert 'openvino' not in sys.modules\n"
        "import_openvino()\n"
        "import openvino.tools.ovc.telemetry_utils as utils\n"
        "print(utils.tm.__name__, 'openvino_telemetry' in sys.modules)\n"
    )
    environment = {"HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).resolve().parents[3])}
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["openvino.tools.ovc.telemetry_stub", "False"]
    assert not (tmp_path / "intel").exists()


class Remembering(nn.Module):
    """A module whose Python code reads the width of its inputs, which a trace makes a constant."""

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        width = int(torch.tensor(input_ids.shape[1]))
        return input_ids.float() * width


def test_a_graph_that_computes_other_than_its_module_is_refused() -> None:
    ids = {"input_ids": torch.ones((2, 8), dtype=torch.long)}
    with pytest.raises(
        ModelError, match="Remembering gives other results by OpenVINO than by torch; use the backend torch"
    ):
        compile_openvino(Remembering().eval(), ids)


class NearZero(nn.Module):
    """A module whose large numbers cancel out, as in a logit near 0, so that bf16 leaves little of them."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.states = nn.Embedding(10, 64)
        self.states.weight.data[:] = torch.randn(64)
        self.logit = nn.Linear(64, 1)
        self.logit.bias.data[:] = 0.001 - self.states.weight[0] @ self.logit.weight[0]

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.logit(self.states(input_ids))
        return logits


def test_a_graph_is_not_refused_for_rounding(caplog: pytest.LogCaptureFixture) -> None:
    if not torch.cpu.get_capabilities().get("avx512_bf16"):
        pytest.skip("OpenVINO computes bf16 in fp32 on this CPU")
    ids = {"input_ids": torch.ones((2, 8), dtype=torch.long)}
    (rounded,) = compile_openvino(NearZero().eval(), ids, torch.bfloat16)({"input_ids": np.ones((2, 3), dtype=int)})
    assert abs(rounded.mean() - 0.001) > 0.0002
    assert "NearZero gives results in bf16 that are far from those in fp32" in caplog.text


def test_an_encoder_that_pads_its_own_inputs_is_refused(tmp_path: Path) -> None:
    """It pads to a multiple of its window, and the trace makes a constant of how much."""
    config = LongformerConfig(
        vocab_size=200, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        attention_window=[8, 8], max_position_embeddings=130, pad_token_id=1, initializer_range=0.3,
    )  # fmt: skip
    encoder = TextEncoder(LongformerModel(config), EncoderConfig())
    for compute in (openvino_compute, question_compute):
        with pytest.raises(ModelError, match="LongformerModel gives other results by OpenVINO"):
            compute(encoder, torch.float32)
