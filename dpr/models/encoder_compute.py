"""Run an encoder: from padded token ids to vectors, by torch or OpenVINO."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from dpr.models.openvino import compile_openvino
from dpr.models.positions import longest_input
from dpr.models.shapes import pad_to_few_shapes, pad_token_of, widened
from dpr.models.text_encoder import TextNetwork
from dpr.models.tokens import Batch
from dpr.types import FloatArray

BATCH_TOKENS = {"cpu": 4096, "cuda": 65536}
"""Padded tokens in a batch for torch; on a CPU, the activations of a batch fit in its caches."""

OPENVINO_BATCH_TOKENS = 2048
"""Padded tokens in a batch for OpenVINO; larger ones are no faster (decision 0013)."""

QUESTION_TOKENS = 32
"""Width of the graph for one question: 99 % of the questions of SQuAD dev and 85 % of KorQuAD dev are no longer."""

Started = Callable[[], FloatArray]
"""Waits for a started batch and returns its vectors, (N, D)."""


class EncoderCompute(NamedTuple):
    """An encoder that is ready to run.

    Attributes:
        start: starts to compute a batch; a GPU computes while the caller prepares the next one.
        batch_tokens: padded tokens of a batch.
        dimension: the length of a vector, D.
    """

    start: Callable[[Batch], Started]
    batch_tokens: int
    dimension: int


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


def openvino_compute(
    encoder: TextNetwork, precision: torch.dtype, cache_key: str | None = None, *, for_questions: bool = False
) -> EncoderCompute:
    """Run an encoder by OpenVINO on the CPU; ``cache_key`` identifies the encoder, see `compile_openvino`.

    With ``for_questions``, a single text of at most `QUESTION_TOKENS` tokens is encoded by a graph of its own.

    Raises:
        ConfigError: a precision other than float32 or bfloat16.
        MissingDependencyError: the extra ``openvino`` is not installed.
        ModelError: the encoder cannot be converted.
    """
    if has_windows(encoder.model.config):  # OpenVINO's fused attention gives NaN where a whole window is padding
        encoder.model.set_attn_implementation("eager")
    example = {name: torch.ones((2, 8), dtype=torch.int64) for name in ("input_ids", "attention_mask")}
    pad_id, longest = pad_token_of(encoder.model.config.get_text_config()), longest_input(encoder.model)
    question_tokens = min(QUESTION_TOKENS, longest or QUESTION_TOKENS)
    model = compile_openvino(
        encoder.eval(), example, precision, cache_key, shape=(1, question_tokens) if for_questions else None
    )

    def start(batch: Batch) -> Started:
        inputs = {name: tensor.numpy() for name, tensor in batch.items()}
        rows, width = inputs["input_ids"].shape
        if for_questions and rows == 1 and width <= question_tokens:
            (vectors,) = model(widened(inputs, pad_id, question_tokens))
        else:
            (vectors,) = model(pad_to_few_shapes(inputs, pad_id, longest))
        return lambda: vectors[:rows]

    return EncoderCompute(start, OPENVINO_BATCH_TOKENS, encoder.dimension)
