"""From question-passage pairs to BERT_q and BERT_p: sets a run up, takes it to its end, writes the pair."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import torch
from torch import nn

from dpr.models.backends import choose_device, choose_precision
from dpr.train.batches import Source, check_sources, epoch_batches
from dpr.train.chunks import TokenCache
from dpr.train.distributed import Processes, join_processes, leave_processes
from dpr.train.encoder.model import make_towers
from dpr.train.encoder.settings import Training
from dpr.train.encoder.step import Stepper, Temperature
from dpr.train.long_passages import with_answer_windows
from dpr.train.loop import Loop
from dpr.train.memory import plan_run
from dpr.train.record import base_hash, describe_source, run_facts, source_hash
from dpr.train.run_folder import RunFolder
from dpr.train.trainable import count_trainable
from dpr.train.validation import HeldOut
from dpr.train.vocabulary_fit import texts_of, warn_of_splits
from dpr.types import Example, Progress, no_progress

logger = logging.getLogger(__name__)


def train(
    sources: Sequence[Source],
    output: Path,
    training: Training,
    held_out: Sequence[Example] = (),
    progress: Progress = no_progress,
    command: str = "",
    overwrite: bool = False,
) -> dict[str, object]:
    """Train BERT_q and BERT_p, save them to ``output``, and return how it went.

    A run that was killed goes on from its last checkpoint when it is called again with the same arguments, to the same
    weights (with several processes only without dropout: the random numbers of the first alone are saved). Under
    ``torchrun`` the processes share each batch. Without ``held_out`` the last weights are kept, else those that did
    best on these questions. A run that ``output`` holds finished is not repeated, unless ``overwrite`` is set.

    Raises:
        DataError: there is nothing to train on, or a question has no passage.
        ModelError: the base cannot be loaded or is frozen, or the loss is not finite.
        ConfigError: a setting does not fit the base, a step does not fit in memory, or ``output`` is the base, or holds
            another model or run and ``overwrite`` is not set.
    """
    check_sources(sources)
    validation = HeldOut.of(held_out) if held_out else None
    processes = join_processes()
    try:
        run = _run_identity(training, sources, validation)
        folder = RunFolder(output, run, overwrite, processes)
        finished = folder.finished([training.base])
        if finished is not None:
            return finished
        return _train(sources, folder, training, validation, processes, progress, command)
    finally:
        leave_processes()


def _train(
    sources: Sequence[Source],
    folder: RunFolder,
    training: Training,
    held_out: HeldOut | None,
    processes: Processes,
    progress: Progress,
    command: str,
) -> dict[str, object]:
    torch.manual_seed(training.seed)
    device = choose_device()
    precision = choose_precision(training.precision, device)
    towers = make_towers(training)
    windowed = with_answer_windows(sources, towers.tokenizers[1], towers.question.config)
    tokens = TokenCache(towers.tokenizers, towers.question.config, windowed.sources)
    _warn(training, tokens, towers.question.config.passage_tokens, windowed.windows)
    warn_of_splits(towers.tokenizers[1], texts_of(sources), training.base)
    for tower in towers.both:
        tower.to(device)
    if training.compile:
        for tower in towers.both:
            tower.model.compile(dynamic=True)
    temperature = Temperature(training, towers.question.config.normalize).to(device)
    stepper = Stepper(towers, temperature, tokens, training, precision, processes)
    began = time.monotonic()
    batches_of = partial(epoch_batches, windowed.sources, training.batching())
    module = nn.ModuleDict({"towers": towers.module(), "temperature": temperature})
    counts = count_trainable(module, [tower.model for tower in towers.both], training.base)
    measure = partial(held_out.measure, towers.both, towers.tokenizers, precision) if held_out else None
    loop = Loop(module, stepper, batches_of, measure, training, precision, processes)
    folder.begin()
    plan = plan_run(stepper.memory(batches_of(0)), device, training.gradient_cache, folder, processes)
    stepper.gradient_cache = plan.gradient_cache
    standing, last = loop.run(folder.path, folder.run, progress)
    record: dict[str, object] = {
        **run_facts(command, precision, standing, last),
        **counts,
        **plan.described(),
        "training": asdict(training),
        "base_sha256": base_hash(training.base),
        "sources": {source.name: describe_source(source) for source in sources},
        "processes": processes.count,
        "negatives": last.negatives,
        "cut_passages": tokens.cut_passages,
        "answer_windows": windowed.windows,
        "temperature": round(1 / float(temperature()), 6),
        "seconds": round(time.monotonic() - began, 1),
        "run": folder.run,
    }
    if measure is not None:
        record["validation"] = measure()
    if processes.is_main:
        towers.save(folder.path)
        folder.finish(record)
    processes.wait()
    return record


def _warn(training: Training, tokens: TokenCache, passage_tokens: int, windows: int) -> None:
    if training.accumulation_steps > 1:
        logger.warning(
            "accumulation_steps %d averages %d batches before a step; it adds no negatives: each question is told "
            "from the passages of its own batch only (batch_size and gradient_cache make batches larger)",
            training.accumulation_steps,
            training.accumulation_steps,
        )
    if tokens.cut_passages:
        logger.warning(
            "%d of %d passages are longer than passage_tokens %d and are cut: to %d windows that hold an answer, the "
            "others to their beginning; chunk them or raise passage_tokens",
            tokens.cut_passages,
            tokens.passage_count - windows,
            passage_tokens,
            windows,
        )


def _run_identity(training: Training, sources: Sequence[Source], held_out: HeldOut | None) -> str:
    """Return what tells runs with other settings or data apart; how often a state is saved is no difference."""
    settings = asdict(replace(training, checkpoint_steps=1))
    described = [(source.name, source.weight, source_hash(source)) for source in sources]
    parts = [settings, base_hash(training.base), described]
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode())
    if held_out is not None:
        digest.update("\n".join(held_out.questions).encode())
    return digest.hexdigest()[:16]
