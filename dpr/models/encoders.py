"""BERT_q and BERT_p as an `Encoder`: separate or shared weights, with pooling and prompts of their files."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from dpr.config import DEFAULT_ENCODER
from dpr.errors import ModelError
from dpr.measured import EncodedPassages, TokensRead
from dpr.models.backends import choose_backend, choose_device, choose_precision
from dpr.models.checkpoint import content_hash, first_line, load_model, load_tokenizer
from dpr.models.dpr_checkpoint import encoder_class
from dpr.models.embed import ahead, embed
from dpr.models.encoder_compute import EncoderCompute, openvino_compute, question_compute, torch_compute
from dpr.models.locate import locate_encoders
from dpr.models.positions import longest_input
from dpr.models.sentence_transformers import UNLIMITED, read_head
from dpr.models.text_encoder import EncoderConfig, TextEncoder
from dpr.models.tokens import Tokens, count_tokens, pad, text_tokens, tokenize_and_measure, tokenize_questions
from dpr.types import EncoderOptions, FloatArray, Passage, Progress, no_progress
from dpr.value_types import checks_types

PASSAGES_AT_A_TIME = 2048
"""Passages that are sorted by length together, while the next ones are tokenized."""


class DualEncoder:
    """BERT_q and BERT_p with their tokenizers."""

    def __init__(
        self,
        name: str,
        fingerprint: str,
        encoders: tuple[TextEncoder, TextEncoder],
        computes: tuple[EncoderCompute, EncoderCompute],
        tokenizers: tuple[Any, Any],
        precision: torch.dtype,
    ) -> None:
        self.name = name
        self.fingerprint = fingerprint
        self.question_encoder, self.passage_encoder = encoders
        self._question_compute, self._passage_compute = computes
        self._question_tokenizer, self._passage_tokenizer = tokenizers
        self.config = _joint_config(*encoders)
        self.precision = precision
        self._last_lengths: Mapping[str, int] = {}

    @property
    def tokenizers(self) -> tuple[Any, Any]:
        """The tokenizers of questions and of passages."""
        return self._question_tokenizer, self._passage_tokenizer

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self.passage_encoder.dimension

    @property
    def question_prompt(self) -> str:
        """Text put before every question."""
        return self.config.question_prompt

    @property
    def passage_prompt(self) -> str:
        """Text put before every passage."""
        return self.config.passage_prompt

    def encode_questions(self, questions: Sequence[str]) -> FloatArray:
        """Return the vectors of questions, (Q, D)."""
        config = self.config
        tokens = tokenize_questions(self._question_tokenizer, questions, config.question_tokens, config.question_prompt)
        beside = config.question_tokens - self._question_room
        lengths = zip(questions, (len(of_question) - beside for of_question in tokens), strict=True)
        self._last_lengths = {question: length for question, length in lengths if length < self._question_room}
        return embed(self._question_compute, tokens, self._question_tokenizer.pad_token_id)

    def encode_passages(self, passages: Sequence[Passage], progress: Progress = no_progress) -> FloatArray:
        """Return the vectors of passages, (P, D), in their order."""
        return self.encode_and_measure(passages, progress).vectors

    @property
    def passage_tokens(self) -> int:
        """The number of tokens of a passage that BERT_p reads, with special tokens."""
        return self.config.passage_tokens

    def encode_and_measure(self, passages: Sequence[Passage], progress: Progress = no_progress) -> EncodedPassages:
        """Return the vectors of passages in their order, and which passages are too long for BERT_p."""
        is_cut = np.zeros(len(passages), dtype=np.bool_)
        vectors: FloatArray = np.empty((len(passages), self.dimension), dtype=np.float32)
        blocks = [passages[start : start + PASSAGES_AT_A_TIME] for start in range(0, len(passages), PASSAGES_AT_A_TIME)]
        first = 0
        for measured in ahead(self._measured_tokens, blocks):
            report = partial(_report, progress, first, len(passages))
            tokens = [tokens for tokens, _ in measured]
            block_vectors = embed(self._passage_compute, tokens, self._passage_tokenizer.pad_token_id, report)
            vectors[first : first + len(block_vectors)] = block_vectors
            is_cut[first : first + len(block_vectors)] = [was_cut for _, was_cut in measured]
            first += len(block_vectors)
        return EncodedPassages(vectors, is_cut)

    def _measured_tokens(self, passages: Sequence[Passage]) -> list[tuple[Tokens, bool]]:
        config = self.config
        return tokenize_and_measure(self._passage_tokenizer, passages, config.passage_tokens, config.passage_prompt)

    def tokens_read(self, question: str) -> TokensRead:
        """Return the number of a question's tokens that BERT_q reads, and of all."""
        total = self._last_lengths.get(question)  # of those that were just encoded
        if total is None:
            total = count_tokens(self._question_tokenizer, self.config.question_prompt + question) - self._prompt_tokens
        return TokensRead(min(total, self._question_room), total)

    @cached_property
    def _prompt_tokens(self) -> int:
        """The number of tokens of the prompt before a question; the space at its end belongs to the question's."""
        return count_tokens(self._question_tokenizer, self.config.question_prompt.rstrip())

    @cached_property
    def _question_room(self) -> int:
        """The number of a question's tokens that BERT_q reads, beside special tokens and the prompt."""
        special_tokens = int(self._question_tokenizer.num_special_tokens_to_add())
        return self.config.question_tokens - special_tokens - self._prompt_tokens

    def text_tokens(self, passages: Sequence[Passage]) -> list[TokensRead]:
        """Return the number of tokens of each passage's text that BERT_p reads after prompt and title, and of all."""
        config = self.config
        return text_tokens(self._passage_tokenizer, passages, config.passage_tokens, config.passage_prompt)

    def count_tokens(self, text: str) -> int:
        """Return the number of a text's tokens for BERT_p, without special tokens."""
        return count_tokens(self._passage_tokenizer, text)


@checks_types()
def load_encoder(
    name: str | Path = DEFAULT_ENCODER,
    precision: str = "auto",
    backend: str = "auto",
    options: EncoderOptions = EncoderOptions(),  # noqa: B008 - frozen
) -> DualEncoder:
    """Load BERT_q and BERT_p by directory, hub name or ``QUESTION,PASSAGE``.

    Raises:
        ModelError: an encoder cannot be loaded, used or converted for the backend, or the two do not belong together.
        ConfigError: the precision, the backend, an option, or a value of ``encoder.json`` is not valid.
    """
    question_dir, passage_dir, config = locate_encoders(str(name), options)
    device = choose_device()
    arithmetic, runtime = choose_precision(precision, device), choose_backend(backend, device)
    question = _load_text_encoder(question_dir, config, device)
    passage = question if passage_dir == question_dir else _load_text_encoder(passage_dir, config, device)
    if question.dimension != passage.dimension:
        raise ModelError(
            f"{name}: BERT_q has vectors of {question.dimension} numbers and BERT_p of {passage.dimension}; "
            "name the question and the passage encoder of one pair"
        )
    question_tokenizer = load_tokenizer(question_dir, question.model)
    passage_tokenizer = question_tokenizer if passage is question else load_tokenizer(passage_dir, passage.model)
    check_use(question, question_tokenizer, question_dir)
    check_use(passage, passage_tokenizer, passage_dir)
    return DualEncoder(
        name=str(name),
        fingerprint=_fingerprint(question_dir, passage_dir, _joint_config(question, passage)),
        encoders=(question, passage),
        computes=(
            _compute(question, question_dir, arithmetic, runtime, question_compute),
            _compute(passage, passage_dir, arithmetic, runtime, openvino_compute),
        ),
        tokenizers=(question_tokenizer, passage_tokenizer),
        precision=arithmetic,
    )


def check_use(encoder: TextEncoder, tokenizer: Any, directory: Path) -> None:
    """Encode two texts, and refuse an encoder whose vectors would differ from those of its library.

    Raises:
        ModelError: the model fails, has no token states, needs token types or depends on padding, or a prompt leaves no
            room for a text.
    """
    config = encoder.config
    for prompt, length in (
        (config.question_prompt, config.question_tokens),
        (config.passage_prompt, config.passage_tokens),
    ):
        if prompt and count_tokens(tokenizer, prompt) + tokenizer.num_special_tokens_to_add() >= length:
            raise ModelError(f"the prompt {prompt!r} fills all {length} tokens that {directory} reads; shorten it")
    was_training = encoder.model.training
    try:
        with torch.inference_mode():
            cause = _unlike_its_library(encoder.eval(), tokenizer)
    except (RuntimeError, ValueError, LookupError, TypeError, AttributeError, NotImplementedError) as error:
        cause = first_line(error)
    finally:
        encoder.train(was_training)
    if cause:
        name = type(encoder.model).__name__
        raise ModelError(f"{directory} cannot be used as an encoder of texts ({name}: {cause}); choose another encoder")


def _unlike_its_library(encoder: TextEncoder, tokenizer: Any) -> str:
    """Return how the vectors of an encoder differ from those of its library; empty if they do not."""
    encoded = tokenizer(["a", "a b c d e"])
    device = next(encoder.parameters()).device
    short, both = (
        {name: tensor.to(device) for name, tensor in pad(encoded["input_ids"][:count], tokenizer.pad_token_id).items()}
        for count in (1, 2)
    )
    alone = encoder(**short)
    if alone.shape != (1, encoder.dimension):
        return f"its vectors have {alone.shape[-1]} numbers, but its configuration says {encoder.dimension}"
    if not _is_close(encoder(**both)[:1], alone):
        return "its vectors depend on padding"
    types = encoded.get("token_type_ids")
    if types is not None and "token_type_ids" in inspect.signature(encoder.model.forward).parameters:
        plain = encoder.model(**short).last_hidden_state
        typed = encoder.model(**short, token_type_ids=torch.tensor(types[:1], device=device)).last_hidden_state
        if not _is_close(typed, plain):
            return "its vectors depend on token types, which are not supported"
    return ""


def _is_close(first: torch.Tensor, second: torch.Tensor) -> bool:
    return bool(nn.functional.cosine_similarity(first.float(), second.float(), dim=-1).min() > 0.999)


def _compute(
    encoder: TextEncoder,
    directory: Path,
    precision: torch.dtype,
    backend: str,
    by_openvino: Callable[[TextEncoder, torch.dtype, str], EncoderCompute],
) -> EncoderCompute:
    if backend == "torch":
        return torch_compute(encoder, precision)
    use = json.dumps([encoder.config.pooling, encoder.config.normalize, encoder.config.dimension])
    return by_openvino(encoder, precision, f"{content_hash(directory)} {use}")


def _report(progress: Progress, before: int, total: int, stage: str, completed: int, _total: int | None) -> None:
    progress(stage, before + completed, total)


def _load_text_encoder(directory: Path, config: EncoderConfig, device: torch.device) -> TextEncoder:
    model = load_model(encoder_class(directory), directory)
    return TextEncoder(model, fit_lengths(config, model), read_head(directory)).eval().to(device)


def fit_lengths(config: EncoderConfig, model: Any) -> EncoderConfig:
    """Return the configuration with lengths that the model's positions can hold."""
    longest = longest_input(model) or UNLIMITED
    return replace(
        config,
        passage_tokens=min(config.passage_tokens, longest),
        question_tokens=min(config.question_tokens, longest),
    )


def _joint_config(question: TextEncoder, passage: TextEncoder) -> EncoderConfig:
    """Return the configuration of two encoders: BERT_q's, with the passage length of BERT_p."""
    return replace(question.config, passage_tokens=passage.config.passage_tokens)


def _fingerprint(question_dir: Path, passage_dir: Path, config: EncoderConfig) -> str:
    shaping = asdict(config)
    del shaping["question_tokens"]  # it changes no passage's vector
    hashes = [content_hash(question_dir), content_hash(passage_dir), json.dumps(shaping, sort_keys=True)]
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()[:32]
