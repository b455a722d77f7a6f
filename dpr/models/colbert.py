"""Late interaction: a language model that gives a text a vector for each token (ColBERT, Khattab & Zaharia 2020).

A token's state is projected and scaled to length 1. A short question is filled up with mask tokens, whose vectors count
like those of its words; punctuation in passages gets no vector.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from dpr.config import AUTO_COMPUTE, ComputeOptions
from dpr.errors import ModelError
from dpr.measured import TokensRead
from dpr.models.backends import choose_backend, choose_device, choose_precision
from dpr.models.checkpoint import first_line, load_model, load_tokenizer, resolve
from dpr.models.colbert_config import ColbertConfig, colbert_config, is_original, projection_entries
from dpr.models.embed import outputs_of_batches
from dpr.models.encoder_compute import EncoderCompute, openvino_compute, torch_compute
from dpr.models.learned_files import model_fingerprint
from dpr.models.positions import longest_input
from dpr.models.projection import Projection, original_projection, read_projection
from dpr.models.text_encoder import TextNetwork
from dpr.models.tokens import Batch, Tokens, count_tokens, tokenize_and_measure, tokenize_questions
from dpr.types import BoolArray, FloatArray, Passage, TokenVectors

TEXTS_AT_A_TIME = 256


class TokenNetwork(TextNetwork):
    """A language model with the projection of its token states."""

    def __init__(self, model: Any, projections: Sequence[Projection]) -> None:
        super().__init__()
        self.model = model
        self.projections = nn.Sequential(*projections)
        self._dimension = projections[-1].linear.out_features

    @property
    def dimension(self) -> int:
        """The length of a token's vector, D."""
        return self._dimension

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return a vector of length 1 for each token, (N, T, D), of token ids (N, T)."""
        states = self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state  # (N, T, H)
        vectors: torch.Tensor = self.projections(states)
        return nn.functional.normalize(vectors, dim=-1)


class ColbertEncoder:
    """Gives token vectors to questions and passages; several threads may use it, one computes at a time."""

    def __init__(
        self, identity: tuple[str, str], network: TokenNetwork, config: ColbertConfig, compute: EncoderCompute,
        tokenizer: Any,
    ) -> None:  # fmt: skip
        """Take the name and the fingerprint of the model, and what it is run with.

        Raises:
            ModelError: the tokenizer lacks a token that is needed.
        """
        self.name, self.fingerprint = identity
        self.config = config
        self.dimension = network.dimension
        self._compute = compute
        self._tokenizer = tokenizer
        self._question_marker = self._marker(config.question_marker)
        self._passage_marker = self._marker(config.passage_marker)
        self._expansion_id = self._expansion() if config.expanded_tokens else 0
        numbers = {word: tokenizer.convert_tokens_to_ids(word) for word in config.skipped_words}
        self._skipped_ids = np.array(
            [number for number in numbers.values() if number != tokenizer.unk_token_id], np.int64
        )
        self._lock = threading.Lock()

    def encode_questions(self, questions: Sequence[str]) -> TokenVectors:
        """Return the token vectors of questions, those of the mask tokens included."""
        config = self.config
        with self._lock:
            longest = config.question_tokens - len(self._question_marker)
            tokens = tokenize_questions(self._tokenizer, questions, longest, config.question_prompt)
            marked = [self._marked(item, self._question_marker) for item in tokens]
            vectors: list[FloatArray] = [np.empty((0, self.dimension), np.float32)] * len(marked)
            for rows, batch in self._question_batches(marked):
                for row, states in zip(rows, self._compute.start(batch)(), strict=True):
                    vectors[row] = states[: max(len(marked[row]), config.expanded_tokens)]
        return _joined(vectors, np.zeros(len(marked), dtype=np.bool_), self.dimension)

    def encode_passages(self, passages: Sequence[Passage]) -> TokenVectors:
        """Return the token vectors of passages; a title is read before the text, with a space between."""
        vectors: list[FloatArray] = [np.empty((0, self.dimension), np.float32)] * len(passages)
        is_cut: BoolArray = np.zeros(len(passages), dtype=np.bool_)
        longest = self.config.passage_tokens - len(self._passage_marker)
        for first in range(0, len(passages), TEXTS_AT_A_TIME):
            texts = [Passage("", item.titled(" ").strip()) for item in passages[first : first + TEXTS_AT_A_TIME]]
            with self._lock:
                measured = tokenize_and_measure(self._tokenizer, texts, longest, self.config.passage_prompt)
                marked = [self._marked(tokens, self._passage_marker) for tokens, _ in measured]
                is_cut[first : first + len(texts)] = [was_cut for _, was_cut in measured]
                for rows, outputs in outputs_of_batches(self._compute, marked, self._tokenizer.pad_token_id):
                    for row, states in zip(rows, outputs, strict=True):
                        is_skipped = np.isin(marked[row], self._skipped_ids)
                        vectors[first + row] = states[: len(marked[row])][~is_skipped]
        return _joined(vectors, is_cut, self.dimension)

    def tokens_read(self, question: str) -> TokensRead:
        """Return the number of a question's tokens that are read, and of all."""
        with self._lock:
            special = int(self._tokenizer.num_special_tokens_to_add()) + len(self._question_marker)
            prompt = count_tokens(self._tokenizer, self.config.question_prompt)
            total = count_tokens(self._tokenizer, question)
        return TokensRead(min(total, self.config.question_tokens - special - prompt), total)

    def _question_batches(self, marked: Sequence[Tokens]) -> list[tuple[list[int], Batch]]:
        """Return questions in batches of one length, each filled up with the expansion token."""
        config, by_length = self.config, dict[int, list[int]]()
        for row, tokens in enumerate(marked):
            by_length.setdefault(max(len(tokens), config.expanded_tokens), []).append(row)
        batches = []
        for length, rows in by_length.items():
            size = max(1, self._compute.batch_tokens // max(1, length))
            for start in range(0, len(rows), size):
                some = rows[start : start + size]
                filled = [marked[row] + [self._expansion_id] * (length - len(marked[row])) for row in some]
                attention = [
                    [1] * length if config.attends_to_expansion else [1] * count + [0] * (length - count)
                    for count in (len(marked[row]) for row in some)
                ]
                batches.append((some, {"input_ids": torch.tensor(filled), "attention_mask": torch.tensor(attention)}))
        return batches

    def _marker(self, marker: str) -> Tokens:
        """Return the token that a marker is, as PyLate's and the original code insert it; none without a marker."""
        if not marker:
            return []
        vocabulary = self._tokenizer.get_vocab()
        for token in (marker, marker.strip()):
            if token in vocabulary:
                return [vocabulary[token]]
        raise ModelError(
            f"the tokenizer of {self.name} lacks the marker {marker!r} that its configuration names; copy the files of "
            "the model's tokenizer there"
        )

    def _expansion(self) -> int:
        tokenizer = self._tokenizer
        if self.config.expansion_token:
            return int(tokenizer.convert_tokens_to_ids(self.config.expansion_token))
        token_id = tokenizer.mask_token_id if tokenizer.mask_token_id is not None else tokenizer.eos_token_id
        if token_id is None:
            raise ModelError(
                f"the tokenizer of {self.name} has no mask token to fill up questions; choose another model"
            )
        return int(token_id)

    @staticmethod
    def _marked(tokens: Tokens, marker: Tokens) -> Tokens:
        return tokens[:1] + marker + tokens[1:]


def load_colbert(name: str | Path, compute: ComputeOptions = AUTO_COMPUTE) -> ColbertEncoder:
    """Load a late-interaction model by directory or hub name.

    Raises:
        ModelError: it cannot be loaded, is no late-interaction model, or needs an unsupported feature.
        ConfigError: the precision or the backend is unknown, or not for this machine.
    """
    from transformers import AutoModel

    directory = resolve(name)
    config = colbert_config(directory)
    device = choose_device()
    precision, backend = choose_precision(compute.precision, device), choose_backend(compute.backend, device)
    model = load_model(AutoModel, directory)
    longest = longest_input(model) or max(config.passage_tokens, config.question_tokens)
    config = replace(
        config,
        question_tokens=min(config.question_tokens, longest),
        passage_tokens=min(config.passage_tokens, longest),
        expanded_tokens=min(config.expanded_tokens, longest),
    )
    if is_original(directory):
        projections = [original_projection(directory)]
    else:
        projections = [read_projection(entry.folder) for entry in projection_entries(directory)]
    network = TokenNetwork(model, _checked(projections, model, directory)).eval().to(device)
    fingerprint = model_fingerprint(directory, asdict(config))
    running = (
        openvino_compute(network, precision, f"colbert {fingerprint}")
        if backend == "openvino"
        else torch_compute(network, precision)
    )
    tokenizer = load_tokenizer(directory, model)
    try:
        return ColbertEncoder((str(name), fingerprint), network, config, running, tokenizer)
    except (TypeError, ValueError) as error:
        raise ModelError(f"{directory} cannot be used for late interaction: {first_line(error)}") from error


def _checked(projections: list[Projection], model: Any, directory: Path) -> list[Projection]:
    width = int(model.config.get_text_config().hidden_size)
    if not projections:
        raise ModelError(f"{directory} has no projection of token states (a Dense module); choose a trained model")
    for projection in projections:
        if projection.linear.in_features != width:
            raise ModelError(
                f"{directory} has a projection of {projection.linear.in_features} numbers where {width} come in; "
                "its files are those of another model, so save the model again"
            )
        width = projection.linear.out_features
    return projections


def _joined(vectors: Sequence[FloatArray], is_cut: BoolArray, dimension: int) -> TokenVectors:
    starts = np.concatenate(([0], np.cumsum([len(item) for item in vectors], dtype=np.int64)))
    joined: FloatArray = np.concatenate([np.empty((0, dimension), np.float32), *vectors])
    return TokenVectors(starts, joined, is_cut)
