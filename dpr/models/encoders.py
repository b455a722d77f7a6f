"""BERT_q and BERT_p behind the Encoder protocol: separate or shared weights, mean or [CLS] pooling.

On disk an encoder is one of:

* a Hugging Face or sentence-transformers checkpoint (or an adapter): one tower for questions and passages; an original
  DPR checkpoint (`dpr.models.dpr_checkpoint`) is one too, though made for one of the two roles;
* a directory with ``encoder.json`` and the towers ``question/`` and ``passage/`` (or only ``question/``: shared).

A name may also be ``QUESTION,PASSAGE``: two directories or hub names.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dpr.config import DEFAULT_ENCODER, load_config
from dpr.errors import ModelError
from dpr.models.backends import choose_backend, choose_device, choose_precision
from dpr.models.checkpoint import (
    base_of,
    content_hash,
    load_model,
    load_tokenizer,
    read_json,
    resolve,
)
from dpr.models.dpr_checkpoint import DPR_CONFIG, is_dpr_checkpoint, refuse_swapped, tower_class
from dpr.models.embed import ahead, embed
from dpr.models.sentence_transformers import read_head
from dpr.models.tokens import Tokens, count_tokens, tokenize_and_measure, tokenize_questions
from dpr.models.tower import EncoderConfig, Tower
from dpr.models.tower_compute import TowerCompute, openvino_compute, torch_compute
from dpr.types import EncodedPassages, FloatArray, Passage, Progress, TokensRead, no_progress

PASSAGES_AT_A_TIME = 2048
"""Passages that are sorted by length together, while the next ones are made tokens of."""


class DualEncoder:
    """BERT_q and BERT_p with their tokenizers, ready to encode."""

    def __init__(
        self,
        name: str,
        fingerprint: str,
        towers: tuple[Tower, Tower],
        computes: tuple[TowerCompute, TowerCompute],
        tokenizers: tuple[Any, Any],
        precision: torch.dtype,
    ) -> None:
        self.name = name
        self.fingerprint = fingerprint
        self.question_tower, self.passage_tower = towers
        self._question_compute, self._passage_compute = computes
        self._question_tokenizer, self._passage_tokenizer = tokenizers
        self.config = self.question_tower.config
        self.precision = precision

    @property
    def tokenizers(self) -> tuple[Any, Any]:
        """The tokenizers of questions and of passages."""
        return self._question_tokenizer, self._passage_tokenizer

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self.passage_tower.dimension

    def encode_questions(self, questions: Sequence[str]) -> FloatArray:
        """Return the vectors of questions, (Q, D)."""
        tokens = tokenize_questions(self._question_tokenizer, questions, self.config.question_tokens)
        return embed(self._question_compute, tokens, self._question_tokenizer.pad_token_id)

    def encode_passages(self, passages: Sequence[Passage], progress: Progress = no_progress) -> FloatArray:
        """Return the vectors of passages, (P, D), in the order given."""
        return self.encode_and_measure(passages, progress).vectors

    @property
    def passage_tokens(self) -> int:
        """How many tokens of a passage BERT_p reads, special tokens included."""
        return self.config.passage_tokens

    def encode_and_measure(self, passages: Sequence[Passage], progress: Progress = no_progress) -> EncodedPassages:
        """Return the vectors of passages in the order given, and which of them are longer than BERT_p reads."""
        is_cut = np.zeros(len(passages), dtype=np.bool_)
        vectors: FloatArray = np.empty((len(passages), self.dimension), dtype=np.float32)
        parts = [passages[start : start + PASSAGES_AT_A_TIME] for start in range(0, len(passages), PASSAGES_AT_A_TIME)]
        done = 0
        for measured in ahead(self._measured_tokens, parts):
            report = partial(_report, progress, done, len(passages))
            tokens = [tokens for tokens, _ in measured]
            part = embed(self._passage_compute, tokens, self._passage_tokenizer.pad_token_id, report)
            vectors[done : done + len(part)] = part
            is_cut[done : done + len(part)] = [was_cut for _, was_cut in measured]
            done += len(part)
        return EncodedPassages(vectors, is_cut)

    def _measured_tokens(self, passages: Sequence[Passage]) -> list[tuple[Tokens, bool]]:
        return tokenize_and_measure(self._passage_tokenizer, passages, self.config.passage_tokens)

    def tokens_read(self, question: str) -> TokensRead:
        """Return how many of a question's tokens BERT_q reads."""
        special = int(self._question_tokenizer.num_special_tokens_to_add())
        total = count_tokens(self._question_tokenizer, question)
        return TokensRead(min(total, self.config.question_tokens - special), total)

    def count_tokens(self, text: str) -> int:
        """Return the number of tokens that BERT_p makes of a text, special tokens not counted."""
        return count_tokens(self._passage_tokenizer, text)


def load_encoder(name: str | Path = DEFAULT_ENCODER, precision: str = "auto", backend: str = "auto") -> DualEncoder:
    """Load BERT_q and BERT_p by directory, hub name or ``QUESTION,PASSAGE``.

    Raises:
        ModelError: a tower cannot be loaded or converted for the backend, or the two towers' dimensions differ.
        ConfigError: the precision, the backend, or a value of ``encoder.json``, is not known.
    """
    question_dir, passage_dir, config = locate_towers(str(name))
    device = choose_device()
    arithmetic, chosen = choose_precision(precision, device), choose_backend(backend, device)
    question = _load_tower(question_dir, config, device)
    passage = question if passage_dir == question_dir else _load_tower(passage_dir, config, device)
    if question.dimension != passage.dimension:
        raise ModelError(
            f"{name}: BERT_q gives vectors of {question.dimension} numbers and BERT_p of {passage.dimension}; "
            "give two towers of one pair"
        )
    question_tokenizer = load_tokenizer(question_dir)
    passage_tokenizer = question_tokenizer if passage is question else load_tokenizer(passage_dir)
    check_sketch(question, question_tokenizer, question_dir)
    check_sketch(passage, passage_tokenizer, passage_dir)
    question_compute = _compute(question, question_dir, arithmetic, chosen)
    return DualEncoder(
        name=str(name),
        fingerprint=_fingerprint(question_dir, passage_dir, question.config),
        towers=(question, passage),
        computes=(
            question_compute,
            question_compute if passage is question else _compute(passage, passage_dir, arithmetic, chosen),
        ),
        tokenizers=(question_tokenizer, passage_tokenizer),
        precision=arithmetic,
    )


def check_sketch(tower: Tower, tokenizer: Any, directory: Path) -> None:
    """Refuse a tower whose sketch was made for fewer WordPieces than its tokenizer has.

    Raises:
        ModelError: pieces were added after the sketch.
    """
    if tower.sketch is not None and len(tower.sketch.rarity) < len(tokenizer):
        raise ModelError(
            f"{directory} has a sketch of {len(tower.sketch.rarity)} WordPieces and a vocabulary of {len(tokenizer)}; "
            "add WordPieces to a base first, and train it with sketch_dimension then"
        )


def locate_towers(name: str) -> tuple[Path, Path, EncoderConfig]:
    """Return the directories of BERT_q and BERT_p, equal where they are shared, and how they are used.

    Raises:
        ModelError: the name is no encoder.
        ConfigError: a value of ``encoder.json`` is not known.
    """
    if "," in name and not Path(name).exists():
        question_dir, passage_dir = (resolve(part.strip()) for part in name.split(",", 1))
        refuse_swapped(question_dir, passage_dir)
        return question_dir, passage_dir, detect_config(question_dir)
    directory = resolve(name)
    if not (directory / "encoder.json").is_file():
        return directory, directory, detect_config(directory)
    config = load_config(EncoderConfig, overrides=read_json(directory / "encoder.json"))
    question_dir = resolve(directory / "question")
    passage_dir = directory / "passage"
    return question_dir, resolve(passage_dir) if passage_dir.exists() else question_dir, config


def detect_config(directory: Path) -> EncoderConfig:
    """Read pooling, normalization and length from a sentence-transformers directory; else the defaults."""
    if not (directory / "modules.json").is_file():
        directory = base_of(directory)
    config = DPR_CONFIG if is_dpr_checkpoint(directory) else EncoderConfig()
    pooling, modules, lengths = (
        directory / name for name in ("1_Pooling/config.json", "modules.json", "sentence_bert_config.json")
    )
    if pooling.is_file() and read_json(pooling).get("pooling_mode_cls_token"):
        config = replace(config, pooling="cls")
    if modules.is_file():
        config = replace(config, normalize="Normalize" in modules.read_text(encoding="utf-8"))
    if lengths.is_file() and (length := read_json(lengths).get("max_seq_length")):
        config = replace(config, passage_tokens=length, question_tokens=min(config.question_tokens, length))
    return config


def _compute(tower: Tower, directory: Path, precision: torch.dtype, backend: str) -> TowerCompute:
    if backend == "torch":
        return torch_compute(tower, precision)
    pooling = json.dumps([tower.config.pooling, tower.config.normalize])
    return openvino_compute(tower, precision, f"{content_hash(directory)} {pooling}")


def _report(progress: Progress, before: int, total: int, stage: str, done: int, _part: int | None) -> None:
    progress(stage, before + done, total)


def _load_tower(directory: Path, config: EncoderConfig, device: torch.device) -> Tower:
    model = load_model(tower_class(directory), directory)
    return Tower(model, fit_lengths(config, model), read_head(directory)).to(device)


def fit_lengths(config: EncoderConfig, model: Any) -> EncoderConfig:
    """Return the configuration with lengths that the model's positions can hold."""
    longest = int(getattr(model.config, "max_position_embeddings", config.passage_tokens))
    return replace(
        config,
        passage_tokens=min(config.passage_tokens, longest),
        question_tokens=min(config.question_tokens, longest),
    )


def _fingerprint(question_dir: Path, passage_dir: Path, config: EncoderConfig) -> str:
    shaping = asdict(config)
    del shaping["question_tokens"]  # how much of a question is read changes no passage's vector
    parts = [content_hash(question_dir), content_hash(passage_dir), json.dumps(shaping, sort_keys=True)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
