"""The help of the commands that train shows the default of each setting."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
import typer.main

from dpr.cli import app
from dpr.train.adaptation.settings import Adaptation
from dpr.train.cross_encoder.settings import CrossEncoderTraining
from dpr.train.distillation.settings import Distillation
from dpr.train.encoder.settings import Training
from dpr.train.reader.settings import ReaderTraining


@pytest.mark.parametrize(
    ("command", "settings"),
    [
        ("train", Training),
        ("train-reader", ReaderTraining),
        ("train-cross-encoder", CrossEncoderTraining),
        ("distill", Distillation),
        ("adapt", Adaptation),
    ],
)
def test_the_help_shows_the_default_of_a_setting(command: str, settings: Any) -> None:
    group: Any = typer.main.get_command(app)
    options = {option.name: option for option in group.commands[command].params}
    defaults = {field.name: field.default for field in fields(settings) if field.name in options}
    shown = {name: options[name].show_default for name in defaults}
    plain = {
        name: default for name, default in defaults.items() if type(default) in (int, float, str) and default != ""
    }
    assert {"epochs", "learning_rate", "seed"} <= plain.keys()
    assert {name: shown[name] for name in plain} == {
        name: default if isinstance(default, str) else f"{default:g}" for name, default in plain.items()
    }
