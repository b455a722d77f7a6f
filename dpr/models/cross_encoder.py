"""A cross-encoder: a model that reads a question together with a passage and scores the pair.

Any Hugging Face sequence classifier with one logit is a cross-encoder: MonoBERT (Nogueira & Cho 2019) and its
successors.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from dpr.errors import ModelError
from dpr.models.backends import choose_backend, choose_device, choose_precision
from dpr.models.checkpoint import content_hash, is_adapter, load_model, load_tokenizer, optional_json, resolve
from dpr.models.encoder_compute import BATCH_TOKENS, OPENVINO_BATCH_TOKENS, has_windows
from dpr.models.openvino import compile_openvino
from dpr.models.positions import longest_input
from dpr.models.sentence_transformers import SETTINGS_FILE
from dpr.models.shapes import pad_to_few_shapes, pad_token_of
from dpr.models.tokens import length_sorted_batches
from dpr.text.normalize import fold_forms
from dpr.types import FloatArray, Passage

MAX_TOKENS = 512
"""The longest pair in tokens, unless the model has fewer positions or its tokenizer records fewer."""

ONE_LOGIT: dict[str, Any] = {"num_labels": 1}
"""Configuration of a sequence classifier that scores pairs."""

Columns = dict[str, list[list[int]]]
"""The inputs of a model by name: N rows each, a number for each token of the pair."""


class PairTokenizer:
    """Tokenizes questions with passages, in the same way for training and for scoring.

    A passage's title precedes its text. A pair that is too long loses tokens of the longer of question and passage.
    """

    def __init__(self, tokenizer: Any, model: Any) -> None:
        self._tokenizer = tokenizer
        self._max_tokens = min(MAX_TOKENS, longest_input(model) or MAX_TOKENS, tokenizer.model_max_length)
        takes_types = "token_type_ids" in inspect.signature(model.forward).parameters
        self._takes_types = takes_types and getattr(model.config, "type_vocab_size", 2) > 1

    def columns(self, questions: Sequence[str], passages: Sequence[Passage]) -> Columns:
        """Return the model's inputs of each question with its passage, not padded."""
        texts = [fold_forms(passage.titled(" ").strip()) for passage in passages]
        plain_questions = [fold_forms(question) for question in questions]
        encoded = self._tokenizer(plain_questions, texts, truncation="longest_first", max_length=self._max_tokens)
        columns: Columns = dict(encoded)
        if not self._takes_types:
            columns.pop("token_type_ids", None)
        return columns

    def inputs(self, columns: Columns, rows: Sequence[int], device: torch.device) -> dict[str, torch.Tensor]:
        """Return some rows of the columns as padded tensors, each (B, longest)."""
        return {name: self._padded(name, [column[row] for row in rows]).to(device) for name, column in columns.items()}

    def _padded(self, name: str, rows: Sequence[list[int]]) -> torch.Tensor:
        fill = self._tokenizer.pad_token_id if name == "input_ids" else 0
        width = max(map(len, rows))
        return torch.tensor([row + [fill] * (width - len(row)) for row in rows])


Logits = Callable[[dict[str, torch.Tensor]], FloatArray]
"""Computes the logits of B pairs, (B,), from their inputs, each (B, T)."""


class CrossEncoder:
    """A sequence classifier of one logit.

    The backend ``openvino`` compiles its graph and stores it by its fingerprint; otherwise torch runs it.
    """

    def __init__(
        self,
        name: str,
        fingerprint: str,
        model: Any,
        tokenizer: Any,
        precision: torch.dtype,
        backend: str = "torch",
    ) -> None:
        self.name = name
        self.fingerprint = fingerprint
        self.precision = precision
        self._pairs = PairTokenizer(tokenizer, model)
        self._device = model.device
        if backend == "openvino":
            names = self._pairs.columns(["a"], [Passage("", "b")])
            self._logits = _openvino_logits(model, list(names), precision, fingerprint)
            self._batch_tokens = OPENVINO_BATCH_TOKENS
        else:
            self._logits, self._batch_tokens = _torch_logits(model, precision), BATCH_TOKENS[model.device.type]

    def score(self, questions: Sequence[str], passages: Sequence[Passage]) -> FloatArray:
        """Return the logit of each question with its passage, (N,); higher is more relevant.

        See `PairTokenizer` for what the model reads.
        """
        scores = np.empty(len(questions), dtype=np.float32)
        if not questions:
            return scores
        columns = self._pairs.columns(questions, passages)
        for rows in length_sorted_batches([len(ids) for ids in columns["input_ids"]], self._batch_tokens):
            scores[rows] = self._logits(self._pairs.inputs(columns, rows, self._device))
        return scores


def _torch_logits(model: Any, precision: torch.dtype) -> Logits:
    def logits(inputs: dict[str, torch.Tensor]) -> FloatArray:
        is_lower = precision != torch.float32
        with torch.inference_mode(), torch.autocast(model.device.type, precision, enabled=is_lower):
            scores: FloatArray = model(**inputs).logits[:, 0].float().cpu().numpy()
        return scores

    return logits


class _LogitsAlone(nn.Module):
    """A sequence classifier that returns only its logits."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, **inputs: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(**inputs).logits
        return logits


def _openvino_logits(model: Any, input_names: Sequence[str], precision: torch.dtype, cache_key: str) -> Logits:
    if has_windows(model.config):  # OpenVINO's fused attention gives NaN where a whole window is padding
        model.set_attn_implementation("eager")
    example = {name: torch.ones((2, 8), dtype=torch.int64) for name in input_names}
    compiled = compile_openvino(_LogitsAlone(model).eval(), example, precision, cache_key)
    pad_id, longest = pad_token_of(model.config.get_text_config()), longest_input(model)

    def logits(inputs: dict[str, torch.Tensor]) -> FloatArray:
        arrays = {name: tensor.numpy() for name, tensor in inputs.items()}
        (scores,) = compiled(pad_to_few_shapes(arrays, pad_id, longest))
        return scores[: len(inputs["input_ids"]), 0]

    return logits


def load_cross_encoder(name: str | Path, precision: str = "auto", backend: str = "torch") -> CrossEncoder:
    """Load a cross-encoder by directory or hub name; an adapter of `dpr train-cross-encoder` is merged into its base.

    Raises:
        ModelError: it cannot be loaded or converted for the backend, is no sequence classifier of one logit, or needs
            a prompt.
        ConfigError: the precision or the backend is unknown, or not for this machine.
    """
    directory = resolve(name)
    model = load_classifier(directory)
    settings = optional_json(directory / SETTINGS_FILE)
    if prompt := (settings.get("prompts") or {}).get(settings.get("default_prompt_name")):
        raise ModelError(
            f"{name} needs the prompt {prompt!r} before a pair, which is not supported; choose another model"
        )
    device = choose_device()
    return CrossEncoder(
        name=str(name),
        fingerprint=content_hash(directory)[:32],
        model=model.to(device),
        tokenizer=load_tokenizer(directory, model),
        precision=choose_precision(precision, device),
        backend=choose_backend(backend, device),
    )


def load_classifier(directory: Path) -> Any:
    """Load a sequence classifier of one logit; an adapter brings its head, since its base may have none.

    Raises:
        ModelError: it cannot be loaded, or has another number of labels.
    """
    from transformers import AutoModelForSequenceClassification

    options = ONE_LOGIT if is_adapter(directory) else {}
    model = load_model(AutoModelForSequenceClassification, directory, **options)
    if model.config.num_labels != 1:
        raise ModelError(
            f"{directory} has {model.config.num_labels} labels, but a cross-encoder has one score; "
            "give a model that was trained to rank passages"
        )
    return model
