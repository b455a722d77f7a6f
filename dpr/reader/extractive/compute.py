"""Run a reader's network: from padded windows to logits, by torch or OpenVINO."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch

from dpr.models.encoder_compute import BATCH_TOKENS
from dpr.models.openvino import compile_openvino
from dpr.models.positions import longest_input
from dpr.models.shapes import pad_to_few_shapes, pad_token_of
from dpr.reader.extractive.model import ReaderNetwork
from dpr.types import FloatArray, IntArray

OPENVINO_BATCH_TOKENS = 2048
"""Padded tokens in a batch, enough for ten passages of 155 tokens; larger ones are no faster (decision 0013)."""


class WindowLogits(NamedTuple):
    """Logits of W windows: ``starts`` and ``ends`` (W, T), and ``relevance`` (W,), 0 without that head."""

    starts: FloatArray
    ends: FloatArray
    relevance: FloatArray


Inputs = Mapping[str, IntArray]
"""The model's inputs by name, each (W, T)."""


class Compute(NamedTuple):
    """A network that is ready to run: its function, the padded tokens of a batch, and the names of its inputs."""

    logits: Callable[[Inputs], WindowLogits]
    batch_tokens: int
    input_names: Sequence[str]


def torch_compute(network: ReaderNetwork, precision: torch.dtype) -> Compute:
    """Run a network by torch, on the device of its weights."""
    device = network.device

    def logits(inputs: Inputs) -> WindowLogits:
        reduced = precision != torch.float32
        with torch.inference_mode(), torch.autocast(device.type, precision, enabled=reduced):
            output = network(**{name: torch.from_numpy(array).to(device) for name, array in inputs.items()})
        relevance = torch.zeros(len(output.starts)) if output.relevance is None else output.relevance
        return WindowLogits(*(tensor.float().cpu().numpy() for tensor in (output.starts, output.ends, relevance)))

    return Compute(logits, BATCH_TOKENS[device.type], network.input_names)


def openvino_compute(network: ReaderNetwork, precision: torch.dtype, cache_key: str | None = None) -> Compute:
    """Run a network by OpenVINO on the CPU; ``cache_key`` identifies the network, see `compile_openvino`.

    Raises:
        ConfigError: a precision other than float32 or bfloat16.
        MissingDependencyError: the extra ``openvino`` is not installed.
        ModelError: the network cannot be converted.
    """
    example = {name: torch.ones((2, 8), dtype=torch.int64) for name in network.input_names}
    model = compile_openvino(network, example, precision, cache_key)
    pad_id, longest = pad_token_of(network.model.config), longest_input(network.model)

    def logits(inputs: Inputs) -> WindowLogits:
        windows, width = inputs["input_ids"].shape
        starts, ends, *optional = model(pad_to_few_shapes(inputs, pad_id, longest))
        relevance = optional[0][:windows] if optional else np.zeros(windows, dtype=np.float32)
        return WindowLogits(starts[:windows, :width], ends[:windows, :width], relevance)

    return Compute(logits, OPENVINO_BATCH_TOKENS, network.input_names)
