"""Train BERT_q and BERT_p on questions with passages."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from torch import nn

from dpr.train.batches import Batch, Source, check_sources
from dpr.train.chunks import TokenCache
from dpr.train.encoder.model import make_pair
from dpr.train.encoder.settings import Training
from dpr.train.encoder.step import EncoderObjective, LabelObjective, Temperature
from dpr.train.engine import Run, RunOptions, Trainee, run_training
from dpr.train.long_passages import with_answer_windows
from dpr.train.record import describe_origin
from dpr.train.trainable import count_trainable
from dpr.train.validation import HeldOut
from dpr.train.vocabulary_fit import texts_of, warn_of_splits
from dpr.types import Example

logger = logging.getLogger(__name__)


def train(
    sources: Sequence[Source],
    output: Path,
    training: Training,
    held_out: Sequence[Example] = (),
    options: RunOptions = RunOptions(),  # noqa: B008 - frozen
) -> dict[str, object]:
    """Train BERT_q and BERT_p, save them to ``output``, and return the record; see `run_training`.

    With ``held_out`` questions the best weights are saved, else the last ones.

    Raises:
        DataError: there is no training data, or a question has no passage.
        ModelError: the base cannot be loaded or is frozen, or the loss is not finite.
        ConfigError: a setting does not fit the base, or see `run_training`.
    """
    check_sources(sources)
    validation = HeldOut.from_examples(held_out) if held_out else None
    origin = describe_origin(training.base, sources, held_out)
    prepare = partial(_prepare, sources, validation, training)
    return run_training(output, training, origin, [training.base], prepare, options)


def _prepare(sources: Sequence[Source], held_out: HeldOut | None, training: Training, run: Run) -> Trainee[Batch]:
    pair = make_pair(training)
    windowed = with_answer_windows(sources, pair.tokenizers[1], pair.question.config)
    tokens = TokenCache(pair.tokenizers, pair.question.config, windowed.sources)
    _warn(training, tokens, pair.question.config.passage_tokens, windowed.windows)
    warn_of_splits(pair.tokenizers[1], texts_of(sources), training.base)
    temperature = Temperature(training, pair.question.config.normalize)
    # the name "towers" is in saved training states
    module = nn.ModuleDict({"towers": pair.module(), "temperature": temperature}).to(run.device)
    if training.compile:
        for encoder in pair.both:
            encoder.model.compile(dynamic=True)
    counts = count_trainable(module, [encoder.model for encoder in pair.both], training.base)
    labels = LabelObjective(windowed.sources, tokens, temperature, training, run.processes)

    def facts() -> dict[str, object]:
        return {
            **counts,
            "cut_passages": tokens.cut_passages,
            "answer_windows": windowed.windows,
            "temperature": round(1 / float(temperature()), 6),
        }

    return Trainee(
        module,
        EncoderObjective(pair, labels, training.chunk_tokens),
        pair.save,
        facts,
        partial(held_out.measure, pair.both, pair.tokenizers, run.precision) if held_out else None,
        training.gradient_cache,
    )


def _warn(training: Training, tokens: TokenCache, passage_tokens: int, windows: int) -> None:
    if training.accumulation_steps > 1:
        logger.warning(
            "accumulation_steps %d averages %d batches before a step but adds no negatives: each question has those "
            "of its own batch (batch_size and gradient_cache make batches larger)",
            training.accumulation_steps,
            training.accumulation_steps,
        )
    if tokens.cut_passages:
        logger.warning(
            "%d of %d passages are longer than passage_tokens %d and are cut: to %d windows with an answer, the others "
            "to their beginning; chunk them or raise passage_tokens",
            tokens.cut_passages,
            tokens.passage_count - windows,
            passage_tokens,
            windows,
        )
