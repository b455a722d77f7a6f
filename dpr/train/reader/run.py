"""Train an MRC reader on questions with answer spans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import nn

from dpr.benchmark.reader import evaluate_reader
from dpr.errors import DataError
from dpr.models.checkpoint import content_hash, load_tokenizer, resolve
from dpr.models.pair import question_encoder
from dpr.reader.extractive.compute import torch_compute
from dpr.reader.extractive.model import ReaderConfig, fit_config, save_reader_model
from dpr.reader.extractive.reader import ExtractiveReader
from dpr.train.batches import Source
from dpr.train.engine import Run, RunOptions, Trainee, run_training
from dpr.train.negatives import add_negatives
from dpr.train.reader.altered import alter_questions
from dpr.train.reader.features import make_features
from dpr.train.reader.model import make_network
from dpr.train.reader.settings import ReaderTraining
from dpr.train.reader.step import ReaderObjective, Rows
from dpr.train.record import describe_examples, describe_origin
from dpr.train.trainable import count_trainable
from dpr.train.vocabulary_fit import texts_of, warn_of_splits
from dpr.types import Example


@dataclass(frozen=True, slots=True)
class ReadingSet:
    """Held-out questions with gold passages, and the answer rule to evaluate them with."""

    examples: Sequence[Example]
    rule: str


def train_reader(
    sources: Sequence[Source],
    output: Path,
    training: ReaderTraining,
    config: ReaderConfig | None = None,
    held_out: Sequence[ReadingSet] = (),
    options: RunOptions = RunOptions(),  # noqa: B008 - frozen
) -> dict[str, object]:
    """Train a reader, save it to ``output``, and return the record; see `run_training`.

    With ``held_out`` questions the best weights are saved, by the mean F1 or exact match of the sets, else the last
    ones. If the base is a pair, its question encoder is used.

    Raises:
        DataError: there are no questions, or an answer lacks its offset.
        ModelError: the base cannot be loaded or is frozen, or the loss is not finite.
        ConfigError: see `run_training`.
    """
    if not any(source.examples for source in sources):
        raise DataError("there are no training questions; name a data set of questions with answers")
    training = replace(training, base=question_encoder(training.base))
    config = config or ReaderConfig()
    origin = describe_origin(training.base, sources) | {"config": asdict(config)}
    if held_out:
        origin["held_out"] = [
            {"rule": reading_set.rule, **describe_examples(reading_set.examples)} for reading_set in held_out
        ]
    if training.start_from:
        origin["start_from_sha256"] = content_hash(resolve(training.start_from))
    reads = [training.base, *filter(None, [training.start_from])]
    prepare = partial(_prepare, sources, training, config, held_out)
    return run_training(output, training, origin, reads, prepare, options)


def _prepare(
    sources: Sequence[Source], training: ReaderTraining, config: ReaderConfig, held_out: Sequence[ReadingSet], run: Run
) -> Trainee[Rows]:
    network = make_network(training).to(run.device).train()
    tokenizer = load_tokenizer(resolve(training.base), network.model)
    warn_of_splits(tokenizer, texts_of(sources), training.base)
    counts = count_trainable(network, [network.model], training.base)
    config = fit_config(config, network.model)
    examples = [example for source in sources for example in _weighed(source, training.seed)]
    training_examples = add_negatives(examples, training.negative_share, training.negative_depth, training.seed)
    training_examples += alter_questions(examples, training.altered_share, training.seed)
    features = list(make_features(tokenizer, training_examples, config))
    reader = ExtractiveReader("training", torch_compute(network, run.precision), tokenizer, config)
    return Trainee(
        network,
        ReaderObjective(network, features, tokenizer.pad_token_id, training, run.processes),
        lambda folder: save_reader_model(folder, network, tokenizer, config),
        lambda: {**counts, "negatives": len(training_examples) - len(examples), "windows": len(features)},
        partial(_measure, reader, network, held_out) if held_out else None,
    )


def _weighed(source: Source, seed: int) -> list[Example]:
    """Return a source's examples as often as its weight says; the seed selects those of a fraction."""
    repeats, fraction = divmod(source.weight, 1)
    order = torch.randperm(len(source.examples), generator=torch.Generator().manual_seed(seed)).tolist()
    extra = [source.examples[row] for row in sorted(order[: round(fraction * len(order))])]
    return [*source.examples] * int(repeats) + extra


def _measure(reader: ExtractiveReader, network: nn.Module, held_out: Sequence[ReadingSet]) -> dict[str, float]:
    """Return F1 and exact match in per cent, averaged over the sets."""
    network.eval()
    measured = [evaluate_reader(reader, reading_set.examples, reading_set.rule).metrics() for reading_set in held_out]
    network.train()
    return {name: 100 * sum(metrics[name] for metrics in measured) / len(measured) for name in ReaderTraining.metrics}
