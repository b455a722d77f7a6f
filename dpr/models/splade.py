"""SPLADE: a masked language model that weighs the terms of its vocabulary for a text (Formal et al. 2021).

The weight of a term is the greatest log(1 + relu(logit)) of the term over the tokens of the text. A folder is a
``SparseEncoder`` of sentence-transformers (with a SpladePooling), or a plain checkpoint with a masked-language head.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dpr.config import AUTO_COMPUTE, ComputeOptions
from dpr.errors import ModelError
from dpr.measured import TokensRead
from dpr.models.backends import choose_backend, choose_device, choose_precision
from dpr.models.checkpoint import content_hash, load_model, load_tokenizer, read_json, resolve
from dpr.models.embed import outputs_of_batches
from dpr.models.encoder_compute import EncoderCompute, openvino_compute, torch_compute
from dpr.models.learned_files import model_fingerprint, module_entries, saved_prompts, saved_settings
from dpr.models.positions import longest_input
from dpr.models.sentence_transformers import WORD_LOGITS, length_of, transformer_settings
from dpr.models.text_encoder import TextNetwork
from dpr.models.tokens import Tokens, count_tokens, tokenize_and_measure, tokenize_questions
from dpr.types import BoolArray, FloatArray, Int32Array, Passage, TermWeights

TEXTS_AT_A_TIME = 256
"""Texts whose weights are held for the whole vocabulary at a time: 30 MiB for the vocabulary of BERT."""

LOGIT_BYTES = 1 << 27
"""Bytes of the logits of a batch, which has a number for each token and each term of the vocabulary."""


@dataclass(frozen=True, slots=True)
class SpladeConfig:
    """How a model's logits become weights.

    Attributes:
        pooling: ``max`` or ``sum`` over the tokens.
        is_double_log: whether the logarithm is taken twice (``log1p_relu``).
        tokens: how many tokens of a text are read, special tokens included.
        question_prompt: text put before every question.
        passage_prompt: text put before every passage.
    """

    pooling: str = "max"
    is_double_log: bool = False
    tokens: int = 512
    question_prompt: str = ""
    passage_prompt: str = ""


class SpladeNetwork(TextNetwork):
    """A masked language model with SPLADE's pooling."""

    def __init__(self, model: Any, config: SpladeConfig) -> None:
        super().__init__()
        self.model = model
        self.config = config

    @property
    def dimension(self) -> int:
        """The number of terms of the vocabulary, V."""
        return int(self.model.config.get_text_config().vocab_size)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return the weights (N, V) of texts of token ids (N, T)."""
        logits = self.model(input_ids=input_ids, attention_mask=attention_mask).logits.float()  # (N, T, V)
        weights = torch.log1p(torch.relu(logits * attention_mask.unsqueeze(-1)))
        if self.config.is_double_log:
            weights = torch.log1p(weights)
        return weights.amax(1) if self.config.pooling == "max" else weights.sum(1)


class SpladeEncoder:
    """Weighs terms for questions and passages; several threads may use it, one computes at a time."""

    def __init__(
        self, name: str, fingerprint: str, network: SpladeNetwork, compute: EncoderCompute, tokenizer: Any
    ) -> None:
        self.name = name
        self.fingerprint = fingerprint
        self.config = network.config
        self.dimension = network.dimension
        self._compute = compute
        self._tokenizer = tokenizer
        self._lock = threading.Lock()

    def encode_questions(self, questions: Sequence[str]) -> TermWeights:
        """Return the weighted terms of questions."""
        with self._lock:
            prompt, longest = self.config.question_prompt, self.config.tokens
            tokens = tokenize_questions(self._tokenizer, questions, longest, prompt)
            return self._weighed(tokens, np.zeros(len(tokens), dtype=np.bool_))

    def encode_passages(self, passages: Sequence[Passage]) -> TermWeights:
        """Return the weighted terms of passages; a title is read before the text, with a space between."""
        blocks: list[TermWeights] = []
        for first in range(0, len(passages), TEXTS_AT_A_TIME):
            with self._lock:
                texts = [Passage("", item.titled(" ").strip()) for item in passages[first : first + TEXTS_AT_A_TIME]]
                measured = tokenize_and_measure(self._tokenizer, texts, self.config.tokens, self.config.passage_prompt)
                is_cut = np.array([was_cut for _, was_cut in measured], dtype=np.bool_)
                blocks.append(self._weighed([tokens for tokens, _ in measured], is_cut))
        return _joined(blocks)

    def tokens_read(self, question: str) -> TokensRead:
        """Return the number of a question's tokens that are read, and of all."""
        with self._lock:
            special = int(self._tokenizer.num_special_tokens_to_add())
            prompt = count_tokens(self._tokenizer, self.config.question_prompt)
            total = count_tokens(self._tokenizer, question)
        return TokensRead(min(total, self.config.tokens - special - prompt), total)

    def terms(self, numbers: Sequence[int]) -> list[str]:
        """Return the terms of some numbers of the vocabulary, as the tokenizer writes them."""
        tokens: list[str] = self._tokenizer.convert_ids_to_tokens(list(numbers))
        return tokens

    def _weighed(self, tokens: Sequence[Tokens], is_cut: BoolArray) -> TermWeights:
        weights: FloatArray = np.zeros((len(tokens), self.dimension), dtype=np.float32)
        for first in range(0, len(tokens), TEXTS_AT_A_TIME):
            some = tokens[first : first + TEXTS_AT_A_TIME]
            for rows, outputs in outputs_of_batches(self._compute, some, self._tokenizer.pad_token_id):
                weights[[first + row for row in rows]] = outputs
        if not np.isfinite(weights).all():
            raise ModelError(f"the model {self.name} gave a weight that is not finite; try --precision fp32")
        owners, terms = np.nonzero(weights > 0)
        starts = np.concatenate(([0], np.cumsum(np.bincount(owners, minlength=len(tokens)))))
        return TermWeights(starts, terms.astype(np.int32), weights[owners, terms], is_cut)


def load_splade(name: str | Path, compute: ComputeOptions = AUTO_COMPUTE) -> SpladeEncoder:
    """Load a SPLADE model by directory or hub name.

    Raises:
        ModelError: it cannot be loaded, is no masked language model, or needs an unsupported feature.
        ConfigError: the precision or the backend is unknown, or not for this machine.
    """
    from transformers import AutoModelForMaskedLM

    directory = resolve(name)
    config = splade_config(directory)
    device = choose_device()
    precision, backend = choose_precision(compute.precision, device), choose_backend(compute.backend, device)
    model = load_model(AutoModelForMaskedLM, directory)
    longest = longest_input(model) or config.tokens
    network = SpladeNetwork(model, replace(config, tokens=min(config.tokens, longest))).eval().to(device)
    tokenizer = load_tokenizer(directory, model)
    if backend == "openvino":
        key = f"splade {content_hash(directory)} {network.config.pooling} {network.config.is_double_log}"
        running = openvino_compute(network, precision, key)
    else:
        running = torch_compute(network, precision)
    batch_tokens = max(1, min(running.batch_tokens, LOGIT_BYTES // (4 * network.dimension)))
    running = running._replace(batch_tokens=batch_tokens)
    return SpladeEncoder(str(name), model_fingerprint(directory, asdict(network.config)), network, running, tokenizer)


def splade_config(directory: Path) -> SpladeConfig:
    """Return how a folder's logits become weights; without files of sentence-transformers, by its defaults.

    Raises:
        ModelError: the folder is another kind of model, or needs an unsupported feature.
    """
    modules = module_entries(directory)
    kind = saved_settings(directory).get("model_type")
    if kind not in (None, "SparseEncoder"):
        raise ModelError(f"{directory} is a {kind}, which weighs no terms; choose a SPLADE model")
    length = length_of(directory, transformer_settings(directory, WORD_LOGITS))
    if not modules:
        return SpladeConfig(tokens=length)
    kinds = [entry.kind for entry in modules]
    if kinds not in (["Transformer", "SpladePooling"], ["MLMTransformer", "SpladePooling"]):
        raise ModelError(
            f"{directory} has the modules {', '.join(kinds)}, but only a Transformer with a SpladePooling is "
            "supported; choose another model"
        )
    if modules[0].folder != directory:
        raise ModelError(f"{directory} keeps its language model in {modules[0].folder.name}; save it again")
    pooling = read_json(modules[1].folder / "config.json")
    mode, activation = pooling.get("pooling_strategy", "max"), pooling.get("activation_function", "relu")
    if mode not in ("max", "sum") or activation not in ("relu", "log1p_relu"):
        raise ModelError(f"{directory} pools by {mode} of {activation}, which is not supported; choose another model")
    prompts = saved_prompts(directory)
    return SpladeConfig(mode, activation == "log1p_relu", length, prompts.question, prompts.passage)


def _joined(blocks: Sequence[TermWeights]) -> TermWeights:
    if not blocks:
        no_terms: Int32Array = np.empty(0, dtype=np.int32)
        return TermWeights(np.zeros(1, np.int64), no_terms, np.empty(0, np.float32), np.empty(0, np.bool_))
    counts = np.concatenate([np.diff(block.starts) for block in blocks])
    return TermWeights(
        np.concatenate(([0], np.cumsum(counts))),
        np.concatenate([block.terms for block in blocks]),
        np.concatenate([block.weights for block in blocks]),
        np.concatenate([block.is_cut for block in blocks]),
    )
