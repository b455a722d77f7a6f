"""Train a cross-encoder on questions with passages."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dpr.errors import DataError
from dpr.evaluation.ranks import rank_metrics
from dpr.models.adapters import add_lora, save_weights
from dpr.models.checkpoint import load_model, load_tokenizer, quiet_transformers, resolve, save_tokenizer
from dpr.models.cross_encoder import ONE_LOGIT, CrossEncoder, PairTokenizer
from dpr.models.pair import question_encoder
from dpr.train.batches import Source, check_sources
from dpr.train.cross_encoder.settings import CrossEncoderTraining
from dpr.train.cross_encoder.step import CrossEncoderObjective
from dpr.train.engine import Run, RunOptions, Trainee, run_training
from dpr.train.negatives import with_negatives
from dpr.train.record import describe_origin
from dpr.train.trainable import count_trainable, set_up_model
from dpr.train.vocabulary_fit import texts_of, warn_of_splits
from dpr.types import Example

NEGATIVE_DEPTH = 30
"""The number of BM25 hits to choose negatives from, for a question without negatives."""


def train_cross_encoder(
    sources: Sequence[Source],
    output: Path,
    training: CrossEncoderTraining,
    held_out: Sequence[Example] = (),
    options: RunOptions = RunOptions(),  # noqa: B008 - frozen
) -> dict[str, object]:
    """Train a sequence classifier of one logit, save it to ``output``, and return the record; see `run_training`.

    With ``held_out`` questions the best weights are saved, by the ranks of positives among their own passages, else the
    last ones. If the base is a pair, its question encoder is used.

    Raises:
        DataError: there are no questions, one has no passage, or there are no negatives.
        ModelError: the base cannot be loaded or is frozen, or the loss is not finite.
        ConfigError: see `run_training`.
    """
    check_sources(sources)
    training = replace(training, base=question_encoder(training.base))
    origin = describe_origin(training.base, sources, held_out)
    prepare = partial(_prepare, sources, training, held_out)
    return run_training(output, training, origin, [training.base], prepare, options)


def _prepare(
    sources: Sequence[Source], training: CrossEncoderTraining, held_out: Sequence[Example], run: Run
) -> Trainee[list[Example]]:
    ranked = ranked_sources(sources)
    validation = held_out_groups(held_out, training.hard_negatives) if held_out else []
    model, saved = make_cross_encoder(training)
    model.to(run.device)
    tokenizer = load_tokenizer(resolve(training.base), model)
    warn_of_splits(tokenizer, texts_of(sources), training.base)
    counts = count_trainable(saved, [saved], training.base)
    scorer = CrossEncoder("training", "", model, tokenizer, run.precision)
    unranked = sum(len(source.examples) for source in sources) - sum(len(source.examples) for source in ranked)
    return Trainee(
        saved,
        CrossEncoderObjective(model, PairTokenizer(tokenizer, model), ranked, training, run.processes),
        partial(_save, saved, tokenizer),
        lambda: {**counts, "questions_without_negatives": unranked},
        partial(measure_ranks, scorer, model, validation) if held_out else None,
    )


def make_cross_encoder(training: CrossEncoderTraining) -> tuple[Any, Any]:
    """Return the base with one logit, in train mode, and the module to save: itself, or the adapter around it.

    The head, and the pooler if there is one, are trained as whole weights beside an adapter: many bases have neither.

    Raises:
        ModelError: the base cannot be loaded, or is a classifier of several labels.
    """
    from transformers import AutoModelForSequenceClassification

    base = resolve(training.base)
    model: Any = load_model(AutoModelForSequenceClassification, base, new_head=True, **ONE_LOGIT)
    set_up_model(model, training.dropout)
    model.train()
    if not training.lora_rank:
        return model, model
    modules = [(name, module) for name, module in model.named_children() if module is not model.base_model]
    full_modules = [*(name for name, module in modules if any(True for _ in module.parameters())), "pooler"]
    options = {"modules_to_save": full_modules, "exclude_modules": rf"(.*\.)?({'|'.join(full_modules)})(\..*)?"}
    with quiet_transformers():
        adapted = add_lora(
            model, training.lora_rank, training.lora_alpha, training.base, task_type="SEQ_CLS", **options
        )
    return model, adapted.train()


def measure_ranks(scorer: CrossEncoder, model: Any, held_out: Sequence[Example]) -> dict[str, float]:
    """Return `rank_metrics` of each question's best positive among its own passages; ties count as worse ranks."""
    model.eval()
    pairs = [(example, passage) for example in held_out for passage in (*example.positives, *example.negatives)]
    scores = scorer.score([example.question.text for example, _ in pairs], [passage for _, passage in pairs])
    model.train()
    ranks = []
    first = 0
    for example in held_out:
        negatives = first + len(example.positives)
        end = negatives + len(example.negatives)
        ranks.append(1 + np.count_nonzero(scores[negatives:end] >= scores[first:negatives].max()))
        first = end
    return rank_metrics(np.array(ranks))


def ranked_sources(sources: Sequence[Source]) -> list[Source]:
    """Return the sources with negatives; questions without any are dropped.

    A question keeps its own negatives; for others BM25 finds them among the positives of all sources.

    Raises:
        DataError: no question has negatives.
    """
    examples = [example for source in sources for example in source.examples]
    searched = iter(with_negatives(examples, NEGATIVE_DEPTH))
    ranked = []
    for source in sources:
        of_source = itertools.islice(searched, len(source.examples))
        ranked.append(replace(source, examples=[example for example in of_source if example.negatives]))
    if not any(source.examples for source in ranked):
        raise DataError(
            f"there are no negatives for any of the {len(examples)} questions of "
            f"{', '.join(source.name for source in sources)}; give data with negatives (dpr mine finds some), or with "
            "more passages"
        )
    return ranked


def held_out_groups(held_out: Sequence[Example], hard_negatives: int) -> list[Example]:
    """Return held-out questions with their positives and their first negatives.

    Raises:
        DataError: no question has a passage, or a negative.
    """
    answerable = [example for example in held_out if example.positives and not example.is_impossible]
    source = Source("the validation data", answerable)
    check_sources([source])
    [ranked] = ranked_sources([source])
    return [replace(example, negatives=example.negatives[:hard_negatives]) for example in ranked.examples]


def _save(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write whole weights with their tokenizer, or an adapter, which uses the tokenizer of its base."""
    if not save_weights(model, folder):
        save_tokenizer(tokenizer, folder)
