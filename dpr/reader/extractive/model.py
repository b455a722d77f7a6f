"""A reader's checkpoint: a Hugging Face question-answering model, or an adapter, with ``reader.json`` beside it."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from dpr.config import load_config
from dpr.durable import write_atomically
from dpr.errors import ConfigError, ModelError
from dpr.models.adapters import save_weights
from dpr.models.checkpoint import load_model, load_tokenizer, optional_json, save_tokenizer
from dpr.models.positions import longest_input
from dpr.reader.extractive.probability import RULES, Calibration, Evidence, calibration_for
from dpr.reader.extractive.windows import SPECIAL_TOKENS, WindowSize
from dpr.store.records import RecordError, decode

CONFIG_FILE, HEADS_FILE = "reader.json", "reader.safetensors"

_FORMER_CALIBRATION = ("calibration_temperature", "calibration_margin")
_FORMER_SETTINGS = (("added_rows_scale", 1.0), ("types_alike", False))
"""Settings with the value that does nothing; other values are refused (`dpr.models.former`)."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReaderConfig:
    """Settings of a reader: windows, the ranking of spans, and when a question is answered.

    Windows have ``max_tokens``, and neighbours share ``stride`` tokens: at least as many as an answer may have, so that
    every span is completely in a window. That holds for questions of up to ``question_tokens``, about the length of
    training questions. Longer questions get longer windows, see `window`, and are also read by their asking sentence.

    The score of an answer is span score - null score + ``retrieval_weight`` · z + ``relevance_weight`` · r, in logits:
    z is the retrieval score standardized over the question's passages, r the logit of the relevance head. A question is
    answered if the margin of its best answer, null score - span score, is at most ``null_threshold``.

    ``trim_particles`` removes the particle at the end of a Korean answer, see `dpr.reader.extractive.particles`.

    ``calibration`` gives the probability that the best answer is right, by the script of the question, see
    `dpr.reader.extractive.probability`; without it there is no probability.
    """

    max_tokens: int = 384
    stride: int = 128
    question_tokens: int = 64
    max_answer_tokens: int = 30
    null_threshold: float = 0.0
    retrieval_weight: float = 2.0
    relevance_weight: float = 0.0
    trim_particles: bool = False
    calibration: Mapping[str, Calibration] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.max_answer_tokens < 1 or self.question_tokens < 1:
            raise ConfigError(
                f"max_answer_tokens is {self.max_answer_tokens} and question_tokens {self.question_tokens}; "
                "both must be at least 1"
            )
        if not 0 <= self.stride < self.max_tokens - self.question_tokens - SPECIAL_TOKENS:
            raise ConfigError(
                f"stride {self.stride} leaves no new tokens in a window of {self.max_tokens} "
                f"after a question of {self.question_tokens}; raise max_tokens or lower stride"
            )
        if self.max_answer_tokens > self.stride + 1:
            raise ConfigError(
                f"max_answer_tokens {self.max_answer_tokens} exceeds the {self.stride} tokens that windows share "
                "(stride), so an answer could be cut; raise stride"
            )
        if unknown := sorted(set(self.calibration) - set(RULES)):
            raise ConfigError(f"calibration has the unknown script {unknown[0]!r}; choose {' or '.join(RULES)}")

    def longest_question(self, positions: int) -> int:
        """Return the longest question in tokens for a number of positions, with room for two answers."""
        return max(self.question_tokens, positions - SPECIAL_TOKENS - 2 * self.max_answer_tokens)

    def window(self, question_tokens: int, positions: int) -> WindowSize:
        """Return the window for a question, by its number of tokens and the model's number of positions.

        A longer question gets a longer window with as much of the passage, up to the positions of the model. Beyond
        that the passage has less room, and neighbours share half of it, but at least as much as an answer may need.
        """
        if question_tokens <= self.question_tokens:
            return WindowSize(self.max_tokens, self.stride, self.question_tokens)
        read = min(question_tokens, self.longest_question(positions))
        tokens = min(positions, self.max_tokens + read - self.question_tokens)
        room = tokens - read - SPECIAL_TOKENS
        return WindowSize(tokens, min(self.stride, max(self.max_answer_tokens - 1, room // 2)), read)

    def probability(self, question: str, evidence: Evidence) -> float | None:
        """Return the probability that a best answer is right; None for a reader without calibration."""
        calibration = calibration_for(question, self.calibration)
        return None if calibration is None else calibration.probability(evidence)


def fit_config(config: ReaderConfig, model: Any) -> ReaderConfig:
    """Return the configuration with windows that fit the model's positions, in the same proportions."""
    longest = longest_input(model) or config.max_tokens
    if longest >= config.max_tokens:
        return config
    share = longest / config.max_tokens
    stride = int(config.stride * share)
    return replace(
        config,
        max_tokens=longest,
        stride=stride,
        question_tokens=int(config.question_tokens * share),
        max_answer_tokens=min(config.max_answer_tokens, stride + 1),
    )


class Logits(NamedTuple):
    """Logits of W windows: ``starts`` and ``ends`` (W, T), and ``relevance`` (W,) if there is that head."""

    starts: torch.Tensor
    ends: torch.Tensor
    relevance: torch.Tensor | None


class ReaderNetwork(nn.Module):
    """A Hugging Face question-answering model, optionally with a relevance head.

    ``relevance`` is a head at [CLS] for whether the window contains the answer.
    """

    def __init__(self, model: Any, relevance: nn.Linear | None = None) -> None:
        super().__init__()
        self.model = model
        self.relevance = relevance

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        device: torch.device = self.model.device
        return device

    @property
    def input_names(self) -> tuple[str, ...]:
        """The names of the inputs; token types only if the model distinguishes them."""
        types = ("token_type_ids",) if getattr(self.model.config, "type_vocab_size", 0) > 1 else ()
        return ("input_ids", "attention_mask", *types)

    def forward(self, **inputs: torch.Tensor) -> Logits:
        """Return the logits of windows (W, T)."""
        # the layers of an adapter are in the model itself; peft's own forward would drop the token types
        model = self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model
        if self.relevance is None:
            output = model(**inputs)
            return Logits(output.start_logits, output.end_logits, None)
        output = model(**inputs, output_hidden_states=True)
        first = output.hidden_states[-1][:, 0]  # (W, D)
        return Logits(output.start_logits, output.end_logits, self.relevance(first).squeeze(-1))


def make_relevance_head(model: Any) -> nn.Linear:
    """Return an untrained relevance head for a model."""
    return nn.Linear(model.config.hidden_size, 1)


def load_reader_model(directory: Path) -> tuple[ReaderNetwork, Any, ReaderConfig]:
    """Return the model (fp32, eval mode), its tokenizer and its configuration.

    Raises:
        ModelError: the directory holds no question-answering model.
        ConfigError: ``reader.json`` has an unknown or impossible value.
    """
    from transformers import AutoModelForQuestionAnswering

    config = read_reader_config(directory)
    model = load_model(AutoModelForQuestionAnswering, directory)
    network = ReaderNetwork(model)
    load_heads(network, directory)
    return network.eval(), load_tokenizer(directory, model), config


def read_reader_config(directory: Path) -> ReaderConfig:
    """Return the configuration in ``reader.json``, or the defaults without that file.

    The calibration of an older reader, for the probability that a passage has an answer, is dropped (decision 0018),
    and so are former settings with a value that does nothing.

    Raises:
        ConfigError: the file has an unknown or impossible value.
    """
    path = directory / CONFIG_FILE
    values = optional_json(path)
    former = [values.pop(name, None) for name in _FORMER_CALIBRATION]
    values = {name: value for name, value in values.items() if (name, value) not in _FORMER_SETTINGS}
    calibration = values.pop("calibration", {})
    if former[0] is not None and not calibration:
        logger.warning(
            "%s was calibrated for the probability that a passage has an answer, not that the answer is right, so "
            "there is no probability; run dpr tune-reader with --index and --questions",
            directory,
        )
    config = load_config(ReaderConfig, overrides=values)
    try:
        return replace(config, calibration=decode(_Calibrations, {"by_script": calibration}).by_script)
    except RecordError as error:
        raise ConfigError(f"{path} has a calibration that cannot be used ({error}); tune the reader again") from error


@dataclass(frozen=True, slots=True)
class _Calibrations:
    by_script: Mapping[str, Calibration]


def load_heads(network: ReaderNetwork, directory: Path) -> None:
    """Load the additional heads in a reader's directory into a network; heads without weights there stay as they are.

    Raises:
        ModelError: they cannot be read, or belong to another model.
    """
    path = directory / HEADS_FILE
    if not path.is_file():
        return
    try:
        heads = load_file(path)
        if "relevance.weight" in heads:
            network.relevance = network.relevance or make_relevance_head(network.model)
        unknown = network.load_state_dict(heads, strict=False).unexpected_keys
    except (SafetensorError, RuntimeError) as error:
        raise ModelError(f"{path} cannot be read as heads of a reader ({error}); save the reader again") from error
    if unknown:
        raise ModelError(
            f"{path} has the unknown weights {unknown[0]!r}, which a newer version wrote; use that version"
        )


def save_reader_model(directory: Path, network: ReaderNetwork, tokenizer: Any, config: ReaderConfig) -> None:
    """Write a reader: weights or adapter, additional heads, tokenizer, ``reader.json``."""
    if not save_weights(network.model, directory):  # an adapter uses its base's tokenizer
        save_tokenizer(tokenizer, directory)
    heads = {
        name: tensor.contiguous() for name, tensor in network.state_dict().items() if not name.startswith("model.")
    }
    if heads:
        save_file(heads, directory / HEADS_FILE)
    save_reader_config(directory, config)


def save_reader_config(directory: Path, config: ReaderConfig) -> None:
    """Write ``reader.json``."""
    write_atomically(directory / CONFIG_FILE, json.dumps(asdict(config), indent=2) + "\n")
