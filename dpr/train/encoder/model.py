"""BERT_q and BERT_p for training: all weights, or LoRA adapters on a frozen base."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import nn

from dpr.errors import ConfigError, ModelError
from dpr.models.adapters import adapter_weights, add_lora, check_adapter, fold_lora, save_weights
from dpr.models.checkpoint import (
    base_name,
    first_line,
    is_adapter,
    load_model,
    load_tokenizer,
    next_base,
    quiet_transformers,
    resolve,
    save_tokenizer,
)
from dpr.models.dpr_checkpoint import encoder_class
from dpr.models.encoders import check_use, fit_lengths
from dpr.models.locate import locate_encoders
from dpr.models.pair import PAIR_CONFIG, split_name
from dpr.models.sentence_transformers import read_head, write_sentence_transformers_files
from dpr.models.text_encoder import EncoderConfig, TextEncoder, hidden_dimension
from dpr.train.encoder.settings import EncoderSchedule
from dpr.train.trainable import set_up_model
from dpr.types import EncoderOptions

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EncoderPair:
    """Question and passage encoder, their tokenizers, and the names of their bases."""

    question: TextEncoder
    passage: TextEncoder
    tokenizers: tuple[Any, Any]
    bases: tuple[str, str]

    @property
    def is_shared(self) -> bool:
        """Whether one BERT encodes questions and passages."""
        return self.passage is self.question

    @property
    def both(self) -> tuple[TextEncoder, TextEncoder]:
        """BERT_q and BERT_p."""
        return self.question, self.passage

    def module(self) -> nn.Module:
        """Return a module with the weights of both, each once."""
        return nn.ModuleDict({"question": self.question} | ({} if self.is_shared else {"passage": self.passage}))

    def save(self, output: Path) -> None:
        """Write ``encoder.json`` and a Hugging Face checkpoint, or an adapter, for each encoder."""
        config = self.question.config
        output.mkdir(parents=True, exist_ok=True)
        (output / PAIR_CONFIG).write_text(json.dumps(asdict(config), indent=2) + "\n", encoding="utf-8")
        roles = ("question",) if self.is_shared else ("question", "passage")
        for role, encoder, tokenizer, base in zip(roles, self.both, self.tokenizers, self.bases, strict=False):
            folder, model = output / role, encoder.model
            if hasattr(model, "peft_config"):
                model.peft_config["default"].base_model_name_or_path = base
            save_weights(model, folder)
            save_tokenizer(tokenizer, folder)
            write_sentence_transformers_files(folder, encoder.config, hidden_dimension(model), tuple(encoder.head))


def make_pair(training: EncoderSchedule) -> EncoderPair:
    """Load a base as two encoders, in train mode, on the CPU.

    Raises:
        ModelError: the base cannot be loaded, or has an adapter of another rank.
        ConfigError: a length or a pooling is not possible.
    """
    options = EncoderOptions(training.question_prompt, training.passage_prompt)
    question_dir, passage_dir, config = locate_encoders(training.base, options)
    config = replace(
        config,
        pooling=training.pooling or config.pooling,
        normalize=config.normalize if training.normalize is None else training.normalize,
        question_tokens=training.question_tokens or config.question_tokens,
        passage_tokens=training.passage_tokens or config.passage_tokens,
    )
    question = _trainable(question_dir, config, training, 0)
    for module in question.head:
        if any(True for _ in module.parameters()):
            logger.info("the %s after the pooling of %s is not trained", type(module).__name__, training.base)
    if training.shared and passage_dir != question_dir:
        raise ConfigError(f"{training.base} has two different encoders, which cannot be shared; set shared to false")
    passage = question if training.shared else _trainable(passage_dir, config, training, 1)
    tokenizers = load_tokenizer(question_dir, question.model), load_tokenizer(passage_dir, passage.model)
    for encoder, tokenizer, directory in zip((question, passage), tokenizers, (question_dir, passage_dir), strict=True):
        check_use(encoder, tokenizer, directory)
    bases = _adapted_base(question_dir, training, 0), _adapted_base(passage_dir, training, 1)
    return EncoderPair(question, passage, tokenizers, bases)


def _trainable(directory: Path, config: EncoderConfig, training: EncoderSchedule, role: int) -> TextEncoder:
    auto_class = encoder_class(directory)
    if training.lora_rank:
        model = _with_adapter(load_model(auto_class, next_base(directory) or directory), directory, training, role)
    else:
        model = load_model(auto_class, directory)
    for name, weight in model.named_parameters():
        if "pooler" in name:  # no encoder here uses it
            weight.requires_grad_(requires_grad=False)
    set_up_model(model, training.dropout)
    return TextEncoder(model, fit_lengths(config, model), read_head(directory)).train()


def _with_adapter(model: Any, directory: Path, training: EncoderSchedule, role: int) -> Any:
    """Freeze a base and add a new adapter, or the one of the directory to train it further."""
    from peft import PeftModel

    if is_adapter(directory):
        try:
            check_adapter(model, directory, adapter_weights(directory))
            with quiet_transformers():
                adapted: Any = PeftModel.from_pretrained(model, str(directory), is_trainable=True)
                fold_lora(adapted)
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise ModelError(f"{directory} cannot be loaded as an adapter: {first_line(error)}") from error
        rank = adapted.peft_config["default"].r
        if rank != training.lora_rank:
            raise ModelError(f"{directory} has an adapter of rank {rank}; train it with lora_rank {rank}, or merge it")
    else:
        name = _adapted_base(directory, training, role)
        with quiet_transformers():
            adapted = add_lora(model, training.lora_rank, training.lora_alpha, name, exclude_modules=r".*pooler.*")
    return adapted


def _adapted_base(directory: Path, training: EncoderSchedule, role: int) -> str:
    """Return the name of the base of an encoder's adapter, as the user or the adapter wrote it."""
    names = split_name(training.base)
    is_pair = (directory.parent / PAIR_CONFIG).is_file() and resolve(names[0]) != directory
    return base_name(directory) or (str(directory) if is_pair else names[-1 if role else 0])
