"""From questions with answer spans to an MRC reader."""

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
from dpr.train.engine import Invocation, Run, Trainee, run_training
from dpr.train.negatives import add_negatives
from dpr.train.reader.altered import alter_questions
from dpr.train.reader.features import make_features
from dpr.train.reader.model import make_network
from dpr.train.reader.settings import ReaderTraining
from dpr.train.reader.step import ReaderObjective, Rows
from dpr.train.record import describe_examples, describe_origin
from dpr.train.trainable import count_trainable
from dpr.train.vocabulary_fit import texts_of, warn_of_splits
from dpr.types import Example, Progress, no_progress


@dataclass(frozen=True, slots=True)
class ReadingSet:
    """Held-out questions with their gold passages, and the answer rule that they are judged by."""

    examples: Sequence[Example]
    rule: str


def train_reader(
    sources: Sequence[Source],
    output: Path,
    training: ReaderTraining,
    config: ReaderConfig | None = None,
    held_out: Sequence[ReadingSet] = (),
    progress: Progress = no_progress,
    command: str = "",
    overwrite: bool = False,
) -> dict[str, object]:
    """Train a reader, save it to ``output``, and return how it went.

    A run that was killed goes on from its last checkpoint when it is called again with the same arguments, to the same
    weights. Under ``torchrun`` the processes share each batch. Without ``held_out`` the last weights are kept, else
    those that did best on these questions: by the mean of the sets' F1 or exact match. If the base is a pair, its
    question encoder is used. A run that ``output`` holds finished is not repeated, unless ``overwrite`` is set.

    Raises:
        DataError: there are no questions, or an answer lacks its offset.
        ModelError: the base cannot be loaded or is frozen, or the loss is not finite.
        ConfigError: a step does not fit in memory, or ``output`` is a model that is read, or holds another model or run
            and ``overwrite`` is not set.
    """
    if not any(source.examples for source in sources):
        raise DataError("there are no training questions; name a data set with questions and answers")
    training = replace(training, base=question_encoder(training.base))
    config = config or ReaderConfig()
    origin = describe_origin(training.base, sources) | {"config": asdict(config)}
    if held_out:
        origin["held_out"] = [{"rule": part.rule, **describe_examples(part.examples)} for part in held_out]
    if training.start_from:
        origin["start_from_sha256"] = content_hash(resolve(training.start_from))
    reads = [training.base, *filter(None, [training.start_from])]
    prepare = partial(_prepare, sources, training, config, held_out)
    return run_training(output, training, origin, reads, prepare, Invocation(progress, command, overwrite))


def _prepare(
    sources: Sequence[Source], training: ReaderTraining, config: ReaderConfig, held_out: Sequence[ReadingSet], run: Run
) -> Trainee[Rows]:
    network = make_network(training).to(run.device).train()
    tokenizer = load_tokenizer(resolve(training.base), network.model)
    warn_of_splits(tokenizer, texts_of(sources), training.base)
    counts = count_trainable(network, [network.model], training.base)
    config = fit_config(config, network.model)
    examples = [example for source in sources for example in _weighed(source, training.seed)]
    shown = add_negatives(examples, training.negative_share, training.negative_depth, training.seed)
    shown += alter_questions(examples, training.altered_share, training.seed)
    features = list(make_features(tokenizer, shown, config))
    reader = ExtractiveReader("training", torch_compute(network, run.precision), tokenizer, config)
    return Trainee(
        network,
        ReaderObjective(network, features, tokenizer.pad_token_id, training, run.processes),
        lambda folder: save_reader_model(folder, network, tokenizer, config),
        lambda: {**counts, "negatives": len(shown) - len(examples), "windows": len(features)},
        partial(_measure, reader, network, held_out) if held_out else None,
    )


def _weighed(source: Source, seed: int) -> list[Example]:
    """Return a source's examples as often as its weight says; of a part of them, those that the seed draws."""
    whole, part = divmod(source.weight, 1)
    order = torch.randperm(len(source.examples), generator=torch.Generator().manual_seed(seed)).tolist()
    drawn = [source.examples[place] for place in sorted(order[: round(part * len(order))])]
    return [*source.examples] * int(whole) + drawn


def _measure(reader: ExtractiveReader, network: nn.Module, held_out: Sequence[ReadingSet]) -> dict[str, float]:
    """Return F1 and exact match, in per cent, each the mean over the sets."""
    network.eval()
    found = [evaluate_reader(reader, part.examples, part.rule).metrics() for part in held_out]
    network.train()
    return {name: 100 * sum(metrics[name] for metrics in found) / len(found) for name in ReaderTraining.metrics}
