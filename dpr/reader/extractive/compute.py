"""From padded windows to logits: what a reader's network is run by."""

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
"""Padded tokens in a batch: ten passages of 155 tokens are one, and larger ones are no faster (decision 0013)."""


class WindowLogits(NamedTuple):
    """What a reader says of W windows: ``starts`` and ``ends`` (W, T), and ``relevance`` (W,), 0 without that head."""

    starts: FloatArray
    ends: FloatArray
    relevance: FloatArray


Inputs = Mapping[str, IntArray]
"""The model's inputs by name, each (W, T)."""


class Compute(NamedTuple):
    """A network that is ready to run: its function, how many padded tokens to give it at once, its inputs' names."""

    logits: Callable[[Inputs], WindowLogits]
    batch_tokens: int
    input_names: Sequence[str]


def torch_compute(network: ReaderNetwork, precision: torch.dtype) -> Compute:
    """Run a network by torch, on the device where its weights are."""
    device = network.device

    def logits(inputs: Inputs) -> WindowLogits:
        reduced = precision != torch.float32
        with torch.inference_mode(), torch.autocast(device.type, precision, enabled=reduced):
            found = network(**{name: torch.from_numpy(array).to(device) for name, array in inputs.items()})
        relevance = torch.zeros(len(found.starts)) if found.relevance is None else found.relevance
        return WindowLogits(*(part.float().cpu().numpy() for part in (found.starts, found.ends, relevance)))

    return Compute(logits, BATCH_TOKENS[device.type], network.input_names)


def openvino_compute(network: ReaderNetwork, precision: torch.dtype, cache_key: str | None = None) -> Compute:
    """Run a network by OpenVINO on the CPU; ``cache_key`` says which network it is, see `compile_openvino`.

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
        starts, ends, *others = model(pad_to_few_shapes(inputs, pad_id, longest))
        relevance = others[0][:windows] if others else np.zeros(windows, dtype=np.float32)
        return WindowLogits(starts[:windows, :width], ends[:windows, :width], relevance)

    return Compute(logits, OPENVINO_BATCH_TOKENS, network.input_names)
