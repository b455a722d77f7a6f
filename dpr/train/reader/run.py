"""From questions with answer spans to an MRC reader: sets a run up, takes it to its end, writes the reader."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import nn

from dpr.benchmark.reader import evaluate_reader
from dpr.errors import DataError
from dpr.models.backends import choose_device, choose_precision
from dpr.models.checkpoint import content_hash, load_tokenizer, resolve
from dpr.models.pair import question_encoder
from dpr.reader.extractive.compute import torch_compute
from dpr.reader.extractive.model import ReaderConfig, fit_config, save_reader_model
from dpr.reader.extractive.reader import ExtractiveReader
from dpr.train.batches import Source
from dpr.train.distributed import Processes, join_processes, leave_processes
from dpr.train.loop import Loop
from dpr.train.memory import check_step
from dpr.train.negatives import add_negatives
from dpr.train.reader.altered import alter_questions
from dpr.train.reader.features import make_features
from dpr.train.reader.model import make_network
from dpr.train.reader.settings import ReaderTraining
from dpr.train.reader.step import ReaderStepper, epoch_rows
from dpr.train.record import base_hash, run_facts
from dpr.train.run_folder import RunFolder
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
    processes = join_processes()
    try:
        training = replace(training, base=question_encoder(training.base))
        config = config or ReaderConfig()
        run = _run_identity(training, config, sources, held_out)
        folder = RunFolder(output, run, overwrite, processes)
        finished = folder.finished([training.base, *filter(None, [training.start_from])])
        if finished is not None:
            return finished
        return _train(sources, folder, training, config, held_out, processes, progress, command)
    finally:
        leave_processes()


def _train(
    sources: Sequence[Source],
    folder: RunFolder,
    training: ReaderTraining,
    config: ReaderConfig,
    held_out: Sequence[ReadingSet],
    processes: Processes,
    progress: Progress,
    command: str,
) -> dict[str, object]:
    torch.manual_seed(training.seed)
    device = choose_device()
    precision = choose_precision(training.precision, device)
    network = make_network(training).to(device).train()
    tokenizer = load_tokenizer(resolve(training.base), network.model)
    warn_of_splits(tokenizer, texts_of(sources), training.base)
    counts = count_trainable(network, [network.model], training.base)
    config = fit_config(config, network.model)
    examples = [example for source in sources for example in _weighed(source, training.seed)]
    shown = add_negatives(examples, training.negative_share, training.negative_depth, training.seed)
    shown += alter_questions(examples, training.altered_share, training.seed)
    features = list(make_features(tokenizer, shown, config))
    lengths = [len(feature.window) for feature in features]
    folder.begin()
    stepper = ReaderStepper(network, features, tokenizer.pad_token_id, training, precision, processes)
    batches_of = partial(epoch_rows, lengths, training.batch_tokens, training.seed)
    reader = ExtractiveReader("training", torch_compute(network, precision), tokenizer, config)
    measure = partial(_measure, reader, network, held_out) if held_out else None
    began = time.monotonic()
    loop = Loop(network, stepper, batches_of, measure, training, precision, processes)
    memory = check_step(stepper.memory(), device, processes)
    standing, last = loop.run(folder.path, folder.run, progress)
    record: dict[str, object] = {
        **run_facts(command, precision, standing, last),
        **counts,
        "memory": memory,
        "training": asdict(training),
        "base_sha256": base_hash(training.base),
        "sources": {source.name: _described(source) for source in sources},
        "negatives": len(shown) - len(examples),
        "windows": len(features),
        "processes": processes.count,
        "seconds": round(time.monotonic() - began, 1),
        "run": folder.run,
    }
    if measure is not None:
        record["validation"] = measure()
    if processes.is_main:
        save_reader_model(folder.path, network, tokenizer, config)
        folder.finish(record)
    processes.wait()
    return record


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


def _described(source: Source) -> dict[str, object]:
    return {"questions": len(source.examples), "weight": source.weight, "sha256": _source_hash(source)}


def _source_hash(source: Source) -> str:
    digest = hashlib.sha256()
    for example in source.examples:
        passages = " ".join(passage.id for passage in (*example.positives, *example.negatives))
        asked = (example.question.id, example.question.text, *example.question.answers, *example.answer_starts)
        digest.update(("\t".join(map(str, asked)) + f"\t{passages}\n").encode())
    return digest.hexdigest()


def _run_identity(
    training: ReaderTraining,
    config: ReaderConfig,
    sources: Sequence[Source],
    held_out: Sequence[ReadingSet],
) -> str:
    """Return what tells runs with other settings or data apart; how often a state is saved is no difference."""
    settings = [asdict(replace(training, checkpoint_steps=1)), asdict(config), base_hash(training.base)]
    parts = [(source.name, source.weight, _source_hash(source)) for source in sources]
    digest = hashlib.sha256(json.dumps([settings, parts], sort_keys=True).encode())
    for part in held_out:
        digest.update("\n".join([part.rule, *(example.question.text for example in part.examples)]).encode())
    if training.start_from:
        digest.update(content_hash(resolve(training.start_from)).encode())
    return digest.hexdigest()[:16]
