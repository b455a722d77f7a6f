"""BERT_q and BERT_p while they are trained: whole weights, or LoRA and added word embeddings on a frozen base."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dpr.errors import ConfigError, ModelError
from dpr.models.adapters import ExtendedEmbedding, add_lora, fold_lora, read_rows, train_rows, write_rows
from dpr.models.checkpoint import (
    base_name,
    base_of,
    first_line,
    is_adapter,
    load_model,
    load_tokenizer,
    quiet_transformers,
    resolve,
    save_tokenizer,
)
from dpr.models.dpr_checkpoint import tower_class
from dpr.models.encoders import check_sketch, check_use, fit_lengths
from dpr.models.head import Head
from dpr.models.lexical_sketch import LexicalSketch
from dpr.models.locate import locate_towers
from dpr.models.pair import PAIR_CONFIG, split_name
from dpr.models.sentence_transformers import read_head, write_sentence_transformers_files
from dpr.models.tokens import Tokens
from dpr.models.tower import EncoderConfig, Tower, hidden_dimension
from dpr.train.lexical import piece_rarity
from dpr.train.settings import Training
from dpr.train.trainable import set_up_model
from dpr.types import EncoderOptions

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Towers:
    """The pair, its tokenizers, the names of the bases that adapters are saved with, and the added WordPieces' ids."""

    question: Tower
    passage: Tower
    tokenizers: tuple[Any, Any]
    bases: tuple[str, str]
    added_pieces: range = range(0)

    @property
    def is_shared(self) -> bool:
        """Whether one BERT has both roles."""
        return self.passage is self.question

    @property
    def both(self) -> tuple[Tower, Tower]:
        """BERT_q and BERT_p."""
        return self.question, self.passage

    def module(self) -> nn.Module:
        """Return one module with the weights of both, each once."""
        return nn.ModuleDict({"question": self.question} | ({} if self.is_shared else {"passage": self.passage}))

    def save(self, output: Path) -> None:
        """Write ``encoder.json`` and a Hugging Face checkpoint, or an adapter, for each tower."""
        config = self.question.config
        output.mkdir(parents=True, exist_ok=True)
        (output / PAIR_CONFIG).write_text(json.dumps(asdict(config), indent=2) + "\n", encoding="utf-8")
        roles = ("question",) if self.is_shared else ("question", "passage")
        for role, tower, tokenizer, base in zip(roles, self.both, self.tokenizers, self.bases, strict=False):
            _save_tower(tower, tokenizer, base, output / role)


def make_towers(training: Training) -> Towers:
    """Load the base for training, in train mode, on the CPU.

    Raises:
        ModelError: the base cannot be loaded, or holds an adapter of another rank.
        ConfigError: a length or a pooling is not possible.
    """
    options = EncoderOptions(training.question_prompt, training.passage_prompt)
    question_dir, passage_dir, config = locate_towers(training.base, options)
    config = _configured(config, training)
    question = _trainable(question_dir, config, training, 0)
    for module in question.head:
        if any(True for _ in module.parameters()) and not isinstance(module, LexicalSketch):
            logger.info("the %s after the pooling of %s is not trained", type(module).__name__, training.base)
    if training.shared and passage_dir != question_dir:
        raise ConfigError(f"{training.base} has two different towers, which cannot be shared; train them separately")
    passage = question if training.shared else _trainable(passage_dir, config, training, 1)
    tokenizers = load_tokenizer(question_dir, question.model), load_tokenizer(passage_dir, passage.model)
    for tower, tokenizer, directory in zip((question, passage), tokenizers, (question_dir, passage_dir), strict=True):
        check_sketch(tower, tokenizer, directory)
        check_use(tower, tokenizer, directory)
    bases = _root_name(question_dir, training, 0), _root_name(passage_dir, training, 1)
    extension = read_rows(question_dir)
    added = 0 if extension is None else len(extension[0])
    return Towers(question, passage, tokenizers, bases, range(len(tokenizers[0]) - added, len(tokenizers[0])))


def add_sketches(towers: Towers, dimension: int, passages: Collection[Tokens]) -> None:
    """Give towers that have none a sketch of the words, (S,) numbers, with the rarity of WordPieces in ``passages``.

    Raises:
        ConfigError: a tower has a sketch of another size, or a linear map, whose columns a new one would not fit.
    """
    for tower, tokenizer in zip(towers.both, towers.tokenizers, strict=True):
        if tower.sketch is not None and tower.sketch.dimension != dimension:
            raise ConfigError(
                f"sketch_dimension is {dimension}, but the base's is {tower.sketch.dimension}; leave it out"
            )
        if tower.sketch is None:
            if len(tower.head):
                raise ConfigError(
                    f"sketch_dimension {dimension}: the base has a {type(tower.head[0]).__name__} after its pooling, "
                    "which a sketch must come before; train the encoder from before its whitening"
                )
            rarity = torch.from_numpy(piece_rarity(passages, len(tokenizer)))
            rarity[tokenizer.all_special_ids] = 0
            tower.append_sketch(LexicalSketch(rarity, hidden_dimension(tower.model), dimension))


def _trainable_head(directory: Path) -> Head:
    """Return a base's head; the learned part of its sketch is trained further, all else stays."""
    head = read_head(directory)
    for module in head:
        if isinstance(module, LexicalSketch):
            module.importance.requires_grad_()
    return head


def _configured(config: EncoderConfig, training: Training) -> EncoderConfig:
    """Return how the base is used, with what the settings say instead."""
    return replace(
        config,
        pooling=training.pooling or config.pooling,
        normalize=config.normalize if training.normalize is None else training.normalize,
        question_tokens=training.question_tokens or config.question_tokens,
        passage_tokens=training.passage_tokens or config.passage_tokens,
    )


def _trainable(directory: Path, config: EncoderConfig, training: Training, role: int) -> Tower:
    auto_class = tower_class(directory)
    if training.lora_rank:
        model = _with_adapter(load_model(auto_class, base_of(directory)), directory, training, role)
    else:
        model = load_model(auto_class, directory)
    for name, weight in model.named_parameters():
        if "pooler" in name:  # no encoder here uses it
            weight.requires_grad_(requires_grad=False)
    set_up_model(model, training.dropout)
    return Tower(model, fit_lengths(config, model), _trainable_head(directory)).train()


def _with_adapter(model: Any, directory: Path, training: Training, role: int) -> Any:
    """Freeze a base and put a new adapter on it, or the directory's own to train it further."""
    from peft import PeftModel

    extension = read_rows(directory)
    if extension is not None:
        train_rows(model, extension[0])
    if is_adapter(directory):
        try:
            with quiet_transformers():
                adapted: Any = PeftModel.from_pretrained(model, str(directory), is_trainable=True)
                fold_lora(adapted)
        except (OSError, ValueError, RuntimeError) as error:
            raise ModelError(f"{directory} cannot be loaded as an adapter: {first_line(error)}") from error
        rank = adapted.peft_config["default"].r
        if rank != training.lora_rank:
            raise ModelError(f"{directory} has an adapter of rank {rank}; train it with lora_rank {rank}, or merge it")
    else:
        name = _root_name(directory, training, role)
        with quiet_transformers():
            adapted = add_lora(model, training.lora_rank, training.lora_alpha, name, exclude_modules=r".*pooler.*")
    for module in _extended(adapted):
        module.rows.requires_grad_()
    return adapted


def _extended(model: nn.Module) -> Iterator[ExtendedEmbedding]:
    return (module for module in model.modules() if isinstance(module, ExtendedEmbedding))


def _root_name(directory: Path, training: Training, role: int) -> str:
    """Return the name of the whole weights that an encoder builds on, as the user or the adapter gave it."""
    name = base_name(directory)
    if name is not None:
        return _root_name_of(name)
    names = split_name(training.base)
    is_pair = (directory.parent / PAIR_CONFIG).is_file() and resolve(names[0]) != directory
    return str(directory) if is_pair else names[-1 if role else 0]


def _root_name_of(name: str) -> str:
    inner = base_name(resolve(name))
    return name if inner is None else _root_name_of(inner)


def _save_tower(tower: Tower, tokenizer: Any, base: str, folder: Path) -> None:
    model = tower.model
    if hasattr(model, "peft_config"):
        model.peft_config["default"].base_model_name_or_path = base
        # its embeddings are saved below, and as rows only
        model.save_pretrained(folder, save_embedding_layers=False)
        (folder / "README.md").unlink(missing_ok=True)  # an empty model card of peft's
        for module in _extended(model):
            write_rows(folder, module.rows, base)
    else:
        model.save_pretrained(folder)
    save_tokenizer(tokenizer, folder)
    write_sentence_transformers_files(folder, tower.config, hidden_dimension(model), tuple(tower.head))
