"""Random models of a few thousand weights, derived from the fixture ``tiny_checkpoint``."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import BertConfig, BertForQuestionAnswering, BertForSequenceClassification, BertModel


def make_bert(tiny_checkpoint: Path, folder: Path, seed: int, **changes: Any) -> Path:
    """Save a BERT with other random weights, and perhaps another shape, under the same vocabulary."""
    config = BertConfig.from_pretrained(tiny_checkpoint)
    config.update(changes)
    torch.manual_seed(seed)
    return _saved(BertModel(config), tiny_checkpoint, folder)


def make_cross_encoder(tiny_checkpoint: Path, folder: Path, labels: int = 1, **changes: Any) -> Path:
    """Save a sequence classifier whose scores differ a good deal from pair to pair."""
    config = BertConfig.from_pretrained(tiny_checkpoint, num_labels=labels, initializer_range=0.3, **changes)
    torch.manual_seed(7)
    return _saved(BertForSequenceClassification(config), tiny_checkpoint, folder)


def make_reader(tiny_checkpoint: Path, folder: Path, relevance_head: bool = False) -> Path:
    """Save an MRC reader, perhaps with a relevance head, that answers whatever it is asked."""
    from dpr.models.checkpoint import load_tokenizer
    from dpr.reader.extractive.model import ReaderConfig, ReaderNetwork, make_relevance_head, save_reader_model

    torch.manual_seed(3)
    model = BertForQuestionAnswering(BertConfig.from_pretrained(tiny_checkpoint, initializer_range=0.3))
    network = ReaderNetwork(model, make_relevance_head(model) if relevance_head else None)
    config = ReaderConfig(64, 16, 16, max_answer_tokens=12, null_threshold=1e9)
    save_reader_model(folder, network, load_tokenizer(tiny_checkpoint), config)
    return folder


def add_dense(pair: Path, output: Path) -> Path:
    """Copy a pair, and give each of its encoders a linear map after the pooling."""
    from dpr.models.encoders import load_encoder
    from dpr.models.head import Dense
    from dpr.models.sentence_transformers import write_sentence_transformers_files

    shutil.copytree(pair, output)
    encoder = load_encoder(pair, "fp32", "torch")
    for role in ("question", "passage"):
        torch.manual_seed(5)
        linear = nn.Linear(encoder.dimension, encoder.dimension).requires_grad_(requires_grad=False)
        write_sentence_transformers_files(output / role, encoder.config, encoder.dimension, (Dense(linear),))
    return output


def _saved(model: Any, tiny_checkpoint: Path, folder: Path) -> Path:
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        if (tiny_checkpoint / name).is_file():
            shutil.copyfile(tiny_checkpoint / name, folder / name)
    return folder
