"""Whitening: a linear map after the pooling that gives every direction of the vectors its say.

Trained vectors vary much along a few directions, which then decide every inner product. The map divides each principal
direction by a power of its standard deviation: power 1 makes all directions alike (Su et al. 2021, "Whitening sentence
representations for better semantics and faster retrieval"), 0 changes nothing, and best is between. It is computed from
unlabelled questions and passages, which are encoded once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from dpr.errors import ConfigError, ModelError
from dpr.models.checkpoint import read_json
from dpr.models.encoders import DualEncoder, load_encoder
from dpr.models.export import RECORD, export
from dpr.models.head import IDENTITY, Dense, Head
from dpr.models.output import check_output
from dpr.models.sentence_transformers import read_head, write_sentence_transformers_files
from dpr.models.tower import hidden_dimension
from dpr.train.batches import Source, check_sources, evenly
from dpr.train.train import describe_source
from dpr.types import FloatArray, Passage, Progress, no_progress

FLOOR = 0.01
"""Added to each direction's variance, as a share of their mean: directions of no variance stay small."""


def whiten(
    name: str,
    sources: Sequence[Source],
    output: Path,
    power: float = 0.6,
    limit: int = 2000,
    command: str = "",
    progress: Progress = no_progress,
    overwrite: bool = False,
) -> dict[str, object]:
    """Write an encoder with a whitening map after its pooling to another folder, and return what was done.

    Adapters stay adapters. A map that the encoder has is kept: the new one comes after it.

    Args:
        name: the encoder.
        sources: questions with their passages, unlabelled here; each source counts alike, and so do its questions and
            its passages. A source's weight is not used.
        output: the folder to write.
        power: above 0 up to 1, see above.
        limit: at most so many questions, and passages, of each source.
        command: what the record says it was made by.
        progress: told how many passages of a source are encoded.
        overwrite: whether a model that the output holds may be replaced.

    Raises:
        DataError: there are no questions with passages.
        ConfigError: the power is out of range, there are too few texts, or the output is the encoder itself or its
            base, or holds a model and ``overwrite`` is not set.
        ModelError: the encoder cannot be loaded.
    """
    if not 0 < power <= 1 or limit < 2:
        raise ConfigError(f"power {power} and limit {limit}: give a power above 0 up to 1, and a limit of at least 2")
    check_sources(sources)
    check_output(output, [name], overwrite)
    encoder = load_encoder(name)
    if encoder.config.dimension is not None:
        raise ConfigError(
            f"{name} keeps {encoder.config.dimension} numbers of a vector, and whitening needs all; export it with more"
        )
    covariances = [
        np.cov(vectors, rowvar=False) for one in sources for vectors in _vectors(encoder, one, limit, progress)
    ]
    matrix = whitening_matrix(np.mean(covariances, axis=0), power)
    written = export(name, output, "as-is", overwrite=overwrite)
    for role, tower in zip(("question", "passage"), (encoder.question_tower, encoder.passage_tower), strict=True):
        folder = output / role
        if folder.is_dir():
            head = _with_map(read_head(folder), matrix)
            write_sentence_transformers_files(folder, encoder.config, hidden_dimension(tower.model), head)
    spent: dict[str, object] = {
        "command": command,
        "power": power,
        "limit": limit,
        "sources": {one.name: describe_source(one) for one in sources},
    }
    record = output / RECORD
    before = read_json(record) if record.is_file() else {}
    record.write_text(json.dumps({**before, "whitening": spent}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return {"output": str(output), "towers": written["towers"], "power": power, "dimension": len(matrix)}


def whitening_matrix(covariance: FloatArray, power: float) -> FloatArray:
    """Return the symmetric matrix C^(-power/2) of a covariance C, (D, D), scaled to keep the mean squared length."""
    variances, directions = np.linalg.eigh(covariance.astype(np.float64))
    if not np.isfinite(variances).all() or variances.max() <= 0:
        raise ModelError("the vectors of the texts are all alike, and there is nothing to whiten; give other texts")
    variances = variances.clip(min=0)
    scales = (variances + FLOOR * variances.mean()) ** (-power / 2)
    scales *= np.sqrt(variances.sum() / (variances * scales**2).sum())
    matrix: FloatArray = ((directions * scales) @ directions.T).astype(np.float32)
    return matrix


def _vectors(encoder: DualEncoder, source: Source, limit: int, progress: Progress) -> Iterable[FloatArray]:
    """Return the vectors of a source's questions and of its passages, evenly taken from its whole length."""
    questions = list(dict.fromkeys(example.question.text for example in source.examples))
    passages: dict[str, Passage] = {}
    for example in source.examples:
        passages.setdefault(example.positives[0].id, example.positives[0])
    if min(len(questions), len(passages)) < 2:
        raise ConfigError(f"{source.name}: whitening needs at least 2 questions and 2 passages; give more data")
    yield encoder.encode_questions(evenly(questions, limit))
    yield encoder.encode_passages(evenly(list(passages.values()), limit), progress)


def _with_map(head: Head, matrix: FloatArray) -> Head:
    """Return a head followed by the linear map ``matrix``, (D, D); a linear map at the head's end is merged with it."""
    last = head[-1] if head else None
    before = last.linear if isinstance(last, Dense) and last.activation_name == IDENTITY else None
    return (*(head[:-1] if before else head), Dense(_after(before, matrix)))


def _after(before: nn.Linear | None, matrix: FloatArray) -> nn.Linear:
    """Return the linear map that ``matrix``, (D, D), makes after another one, or alone."""
    weight = torch.from_numpy(matrix)
    has_bias = before is not None and before.bias is not None
    columns = before.in_features if before else len(matrix)
    projection = nn.Linear(columns, len(matrix), bias=has_bias).requires_grad_(requires_grad=False)
    projection.weight.copy_(weight @ before.weight if before else weight)
    if before and has_bias:
        projection.bias.copy_(weight @ before.bias)
    return projection
