"""What the commands that train share: settings from the options, a run with its progress, and its record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from dpr.cli.options import show
from dpr.config import Config, load_config
from dpr.console import command_line, is_main, show_progress

if TYPE_CHECKING:
    from dpr.train.engine import RunOptions


def settings_of(kind: type[Config], config: Path | None, options: Mapping[str, object]) -> Config:
    """Return settings from a TOML file, overridden by the options that have a setting's name and are given.

    Raises:
        ConfigError: see `load_config`.
    """
    names = {field.name for field in fields(kind)}
    return load_config(kind, config, {name: value for name, value in options.items() if name in names})


@contextmanager
def training_run(overwrite: bool) -> Iterator[RunOptions]:
    """Show the progress of a training, and yield what it reports to and records."""
    from dpr.train.engine import RunOptions

    command = command_line("dpr")
    with show_progress("reading the training data and loading the base model") as progress:
        yield RunOptions(progress, command, overwrite)


def show_record(record: Mapping[str, object], as_json: bool) -> None:
    """Print the record of a training; one of several processes speaks for all."""
    if is_main():
        show(record, as_json)
