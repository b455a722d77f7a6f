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
        ({"teacher": ""}, "there is no teacher"),
        ({"cross_encoder": "b"}, "there are two teachers"),
        (
            {"teacher": "", "cross_encoder": "b"},
            "the objective 'vectors' needs vectors",
        ),
        ({"teacher_temperature": 0.0}, r"teacher_temperature is 0\.0"),
        ({"label_weight": -1.0}, r"label_weight is -1\.0"),
        ({"batch_size": 0}, "batch_size is 0; it must be at least 1"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
    ],
)
def test_impossible_settings_are_refused(change: dict[str, Any], cause: str) -> None:
    with pytest.raises(ConfigError, match=cause):
        Distillation(**{"teacher": "a", **change})


def test_it_has_the_settings_of_other_trainings_of_encoders() -> None:
    own, others = ({field.name for field in fields(settings)} for settings in (Distillation, Training))
    assert others - own == {"learn_temperature", "symmetric", "compile"}
    assert own - others == {"objective", "teacher", "cross_encoder", "teacher_temperature", "label_weight"}


def test_normalization_is_the_teachers_unless_it_is_said() -> None:
    assert Distillation(teacher="a").for_student(teacher_normalizes=False).normalize is False
    assert Distillation(teacher="a", normalize=True).for_student(teacher_normalizes=False).normalize is True
