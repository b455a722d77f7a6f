"""Distill a teacher into a student encoder."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from dpr.errors import ConfigError
from dpr.models.cross_encoder import CrossEncoder, load_cross_encoder
from dpr.models.encoders import DualEncoder, load_encoder
from dpr.train.distillation.data import DistillationData
from dpr.train.distillation.score_objective import ScoreObjective
from dpr.train.distillation.settings import Distillation
from dpr.train.distillation.vector_objective import VectorObjective
from dpr.train.encoder.model import make_pair
from dpr.train.encoder.step import EncoderObjective, PairObjective
from dpr.train.engine import Run, RunOptions, Trainee, run_training
from dpr.train.record import base_hash, describe_examples
from dpr.train.trainable import count_trainable
from dpr.train.validation import HeldOut
from dpr.train.vocabulary_fit import warn_of_splits
from dpr.types import Example

_OBJECTIVES: Mapping[str, Callable[..., PairObjective[Any]]] = {
    "vectors": VectorObjective,
    "parallel": VectorObjective,
    "scores": ScoreObjective,
}


def distill(
    data: DistillationData,
    output: Path,
    settings: Distillation,
    held_out: Sequence[Example] = (),
    options: RunOptions = RunOptions(),  # noqa: B008 - frozen
) -> dict[str, object]:
    """Train a student, save it to ``output``, and return the record; see `run_training`.

    The teacher's vectors or scores are computed first and stored in ``output``, where a killed run finds them. With
    ``held_out`` questions the best weights are saved, else the last ones.

    Raises:
        DataError: a source is empty, or a question has no passage.
        ModelError: teacher or base cannot be loaded, the base is frozen, or the loss is not finite.
        ConfigError: a setting does not fit the base, the teacher or the data, or see `run_training`.
    """
    count = os.environ.get("WORLD_SIZE", "1")
    if count != "1":
        raise ConfigError(
            f"torchrun started {count} processes, but distillation runs in one; start it without torchrun"
        )
    data.check(settings.objective)
    validation = HeldOut.from_examples(held_out) if held_out else None
    teachers = [_load_teacher(settings)]
    teacher = teachers[0]
    origin: dict[str, object] = {
        "teacher": {"name": teacher.name, "fingerprint": teacher.fingerprint},
        "base_sha256": base_hash(settings.base),
        "sources": data.as_record(),
    }
    if held_out:
        origin["held_out"] = describe_examples(held_out)
    del teacher  # `_prepare` pops it from the list, so that its memory becomes free for the student
    reads = [settings.base, settings.teacher or settings.cross_encoder]
    prepare = partial(_prepare, data, teachers, validation, settings)
    return run_training(output, settings, origin, reads, prepare, options)


def _prepare(
    data: DistillationData,
    teachers: list[DualEncoder | CrossEncoder],
    held_out: HeldOut | None,
    settings: Distillation,
    run: Run,
) -> Trainee[Any]:
    teacher = teachers.pop()
    if isinstance(teacher, DualEncoder) and settings.objective != "scores":
        settings = settings.for_student(teacher.config.normalize)
    pair = make_pair(settings)
    warn_of_splits(pair.tokenizers[1], data.sample(), settings.base)
    module = pair.module().to(run.device)
    counts = count_trainable(module, [encoder.model for encoder in pair.both], settings.base)
    run.folder.begin()  # the teacher's vectors or scores are stored there
    objective = _OBJECTIVES[settings.objective](data, teacher, pair, settings, run.folder.path, run.progress)
    return Trainee(
        module,
        EncoderObjective(pair, objective, settings.chunk_tokens),
        pair.save,
        lambda: counts,
        partial(held_out.measure, pair.both, pair.tokenizers, run.precision) if held_out else None,
        settings.gradient_cache,
    )


def _load_teacher(settings: Distillation) -> DualEncoder | CrossEncoder:
    if settings.cross_encoder:
        return load_cross_encoder(settings.cross_encoder, settings.precision)
    return load_encoder(settings.teacher, settings.precision)
