"""A reader's checkpoint: a Hugging Face question-answering model, or an adapter, with ``reader.json`` beside it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from dpr.config import load_config
from dpr.errors import ConfigError
from dpr.models.checkpoint import load_model, load_tokenizer, read_json


@dataclass(frozen=True, slots=True)
class ReaderConfig:
    """How passages are cut into windows and spans into answers.

    ``null_threshold``: a question is answered while null score - best span score stays at or below it.
    ``retrieval_weight``: what one standard deviation of the retrieval score is worth, in logits.
    """

    max_tokens: int = 384
    stride: int = 128
    question_tokens: int = 64
    max_answer_tokens: int = 30
    null_threshold: float = 0.0
    retrieval_weight: float = 2.0

    def __post_init__(self) -> None:
        if self.max_answer_tokens < 1 or self.question_tokens < 1:
            raise ConfigError("max_answer_tokens and question_tokens must be at least 1")
        if not 0 <= self.stride < self.max_tokens - self.question_tokens - 8:
            raise ConfigError(
                f"stride {self.stride} leaves no new tokens in a window of {self.max_tokens} "
                f"after a question of {self.question_tokens}; make max_tokens larger or stride smaller"
            )


def fit_config(config: ReaderConfig, model: Any) -> ReaderConfig:
    """Return the configuration with windows that the model's positions can hold, in the same proportions."""
    longest = int(getattr(model.config, "max_position_embeddings", config.max_tokens))
    if longest >= config.max_tokens:
        return config
    share = longest / config.max_tokens
    return replace(
        config,
        max_tokens=longest,
        stride=int(config.stride * share),
        question_tokens=int(config.question_tokens * share),
    )


def load_reader_model(directory: Path) -> tuple[Any, Any, ReaderConfig]:
    """Return the model (fp32, eval mode), its tokenizer and how to use them.

    Raises:
        ModelError: the directory holds no question-answering model.
        ConfigError: ``reader.json`` has an unknown or impossible value.
    """
    from transformers import AutoModelForQuestionAnswering

    saved = directory / "reader.json"
    config = load_config(ReaderConfig, overrides=read_json(saved) if saved.is_file() else {})
    return load_model(AutoModelForQuestionAnswering, directory), load_tokenizer(directory), config


def save_reader_config(directory: Path, config: ReaderConfig) -> None:
    """Write ``reader.json``."""
    (directory / "reader.json").write_text(json.dumps(asdict(config), indent=2) + "\n", encoding="utf-8")
