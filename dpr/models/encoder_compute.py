"""Run an encoder: from padded token ids to vectors, by torch or OpenVINO."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch

from dpr.models.openvino import ANY_SHAPE, OpenVINOModel, Shape, compile_openvino, compile_shapes
from dpr.models.packing import PackedStates, Packer, Positions, positions_of, unpack
from dpr.models.positions import longest_input
from dpr.models.shapes import pad_to_few_shapes, pad_token_of, rounded_up, widened, width_step
from dpr.models.text_encoder import TextEncoder, TextNetwork
from dpr.models.tokens import Batch
from dpr.types import FloatArray, IntArray

BATCH_TOKENS = {"cpu": 4096, "cuda": 65536}
"""Padded tokens in a batch for torch; on a CPU, the activations of a batch fit in its caches."""

OPENVINO_BATCH_TOKENS = 2048
"""Padded tokens in a batch for OpenVINO; larger ones are no faster (decision 0013)."""

QUESTION_WIDTHS = (24, 32)
"""Widths of the graphs for one question: 88 and 99 % of the questions of SQuAD dev are no longer (decision 0033)."""

Started = Callable[[], FloatArray]
"""Waits for a started batch and returns its vectors, (N, D)."""


class EncoderCompute(NamedTuple):
    """An encoder that is ready to run.

    Attributes:
        start: starts to compute a batch; a GPU computes while the caller prepares the next one.
        batch_tokens: padded tokens of a batch.
        dimension: the length of a vector, D.
        is_padded: whether padding costs what tokens cost.
    """

    start: Callable[[Batch], Started]
    batch_tokens: int
    dimension: int
    is_padded: bool = True


def torch_compute(encoder: TextNetwork, precision: torch.dtype) -> EncoderCompute:
    """Run an encoder by torch, on the device of its weights."""
    device = next(encoder.parameters()).device
    has_own_memory = device.type == "cuda"

    def moved(tensor: torch.Tensor) -> torch.Tensor:
        return tensor.pin_memory().to(device, non_blocking=True) if has_own_memory else tensor

    def start(batch: Batch) -> Started:
        with torch.inference_mode(), torch.autocast(device.type, precision, enabled=precision != torch.float32):
            vectors = encoder(**{name: moved(tensor) for name, tensor in batch.items()}).float()
        return lambda: vectors.cpu().numpy()

    return EncoderCompute(start, BATCH_TOKENS[device.type], encoder.dimension)


def has_windows(config: Any) -> bool:
    """Tell whether some layers of a model have sliding-window attention."""
    text = config.get_text_config()
    return bool(getattr(text, "sliding_window", None) or getattr(text, "local_attention", None))


def openvino_compute(encoder: TextNetwork, precision: torch.dtype, cache_key: str | None = None) -> EncoderCompute:
    """Run an encoder by OpenVINO on the CPU; ``cache_key`` identifies the encoder, see `compile_openvino`.

    Raises:
        ConfigError: a precision other than float32 or bfloat16.
        MissingDependencyError: the extra ``openvino`` is not installed.
        ModelError: the encoder cannot be converted.
    """
    return _padded_compute(encoder, _compiled(encoder, precision, cache_key, [ANY_SHAPE])[0])


def question_compute(encoder: TextEncoder, precision: torch.dtype, cache_key: str | None = None) -> EncoderCompute:
    """Run an encoder of questions by OpenVINO on the CPU: one short question, or several, in the least time.

    A single question has a graph of its width, one of `QUESTION_WIDTHS`. Several are packed (`dpr.models.packing`), if
    the model can be used so.

    Raises:
        ConfigError, MissingDependencyError, ModelError: as `openvino_compute` does.
    """
    pad_id, longest = padding_of(encoder)
    widths = sorted({min(rounded_up(width, width_step()), longest or width) for width in QUESTION_WIDTHS})
    positions = None if has_windows(encoder.model.config) else positions_of(encoder.eval().model)
    any_shape = [ANY_SHAPE] if positions is None else []
    graphs = _compiled(encoder, precision, cache_key, [*((1, width) for width in widths), *any_shape])
    if positions is None:
        several = _padded_compute(encoder, graphs.pop())
    else:
        several = _packed_compute(encoder, precision, cache_key, positions)

    def start(batch: Batch) -> Started:
        rows, columns = batch["input_ids"].shape
        graph = bisect_left(widths, columns)
        if rows > 1 or graph == len(widths):
            return several.start(batch)
        (vectors,) = graphs[graph](widened(arrays_of(batch), pad_id, widths[graph]))
        return lambda: vectors

    return several._replace(start=start)


def _padded_compute(encoder: TextNetwork, model: OpenVINOModel) -> EncoderCompute:
    pad_id, longest = padding_of(encoder)

    def start(batch: Batch) -> Started:
        (vectors,) = model(pad_to_few_shapes(arrays_of(batch), pad_id, longest))
        rows = len(batch["input_ids"])
        return lambda: vectors[:rows]

    return EncoderCompute(start, OPENVINO_BATCH_TOKENS, encoder.dimension)


def _packed_compute(
    encoder: TextEncoder, precision: torch.dtype, cache_key: str | None, positions: Positions
) -> EncoderCompute:
    """Run an encoder by OpenVINO over packed texts; torch makes the vectors of their states."""
    packer = Packer(positions, *padding_of(encoder))
    names = ("input_ids", "segments", "position_ids")
    model = compile_openvino(PackedStates(encoder.model).eval(), example_inputs(*names), precision, cache_key)

    def start(batch: Batch) -> Started:
        input_ids, mask = batch["input_ids"], batch["attention_mask"]
        packed = packer.pack(input_ids.numpy(), mask.sum(1).tolist())
        (states,) = model(dict(zip(names, packed, strict=False)))
        with torch.inference_mode():
            of_texts = unpack(torch.from_numpy(states), packed.origins, mask.shape[1])
            vectors: FloatArray = encoder.vectors(of_texts, input_ids, mask).float().numpy()
        return lambda: vectors

    return EncoderCompute(start, OPENVINO_BATCH_TOKENS, encoder.dimension, is_padded=False)


def _compiled(
    encoder: TextNetwork, precision: torch.dtype, cache_key: str | None, shapes: Sequence[Shape]
) -> list[OpenVINOModel]:
    if has_windows(encoder.model.config):  # OpenVINO's fused attention gives NaN where a whole window is padding
        encoder.model.set_attn_implementation("eager")
    example = example_inputs("input_ids", "attention_mask")
    return compile_shapes(encoder.eval(), example, shapes, precision, cache_key)


def example_inputs(*names: str) -> Batch:
    """Return what a conversion traces a model with: named inputs, each (2, 8)."""
    return {name: torch.ones((2, 8), dtype=torch.int64) for name in names}


def padding_of(network: TextNetwork) -> tuple[int, int | None]:
    """Return the padding token of a network's model, and the number of its positions, None without a limit."""
    return pad_token_of(network.model.config.get_text_config()), longest_input(network.model)


def arrays_of(batch: Batch) -> dict[str, IntArray]:
    """Return a batch as arrays, without a copy."""
    return {name: tensor.numpy() for name, tensor in batch.items()}
