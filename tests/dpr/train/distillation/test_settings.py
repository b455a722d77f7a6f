from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from dpr.errors import ConfigError
from dpr.train.distillation.settings import Distillation
from dpr.train.encoder.settings import Training


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"objective": "logits"}, "unknown objective 'logits'; choose vectors, parallel, scores"),
        ({"teacher": ""}, "no teacher is given"),
        ({"cross_encoder": "b"}, "both a teacher and a cross_encoder are given"),
        ({"teacher": "", "cross_encoder": "b"}, "a cross_encoder has no vectors, which the objective 'vectors' learns"),
        ({"teacher_temperature": 0.0}, r"teacher_temperature is 0\.0"),
        ({"label_weight": -1.0}, r"label_weight is -1\.0"),
        ({"batch_size": 0}, "batch_size is 0; it must be at least 1"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
    ],
)
def test_impossible_settings_are_refused(change: dict[str, Any], cause: str) -> None:
    with pytest.raises(ConfigError, match=cause):
        Distillation(**{"teacher": "a", **change})


def test_the_settings_that_training_has_too_are_passed_on() -> None:
    settings = Distillation(teacher="a", base="b", lora_rank=4, batch_size=3, temperature=0.5, patience=2)
    training = settings.training()
    shared = {field.name for field in fields(Training)} & {field.name for field in fields(Distillation)}
    assert {"base", "lora_rank", "seed", "metric", "checkpoint_steps"} <= shared
    assert all(getattr(training, name) == getattr(settings, name) for name in shared)


def test_normalization_is_the_teachers_unless_it_is_said() -> None:
    assert Distillation(teacher="a").training(normalize=False).normalize is False
    assert Distillation(teacher="a", normalize=True).training(normalize=False).normalize is True
