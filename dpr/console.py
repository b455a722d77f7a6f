"""What every command does alike: progress on stderr, results on stdout, errors as one sentence and an exit code."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from rich import progress as rich_progress
from rich.console import Console
from rich.text import Text

from dpr.errors import DPRError
from dpr.progress_lines import progress_lines
from dpr.types import Progress, no_progress

if TYPE_CHECKING:
    import typer

INTERRUPTED = 130
"""Exit code of a command that ctrl-C ended: 128 + SIGINT."""


class RateColumn(rich_progress.ProgressColumn):
    """Units per second."""

    def render(self, task: rich_progress.Task) -> Text:
        """Return the rate of the whole stage once it is done, and of its last moments before."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f}/s", style="progress.data.speed")


class _LogLines(logging.Handler):
    """Prints each log line above the progress bars, unchanged and without a cut."""

    def __init__(self, console: Console, level: int) -> None:
        super().__init__(level)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.print(Text(self.format(record)), soft_wrap=True)


def _is_main() -> bool:
    """Tell whether this is the first, or the only, process of a run."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def show_log(console: Console) -> Iterator[None]:
    """Print what ``dpr`` logs, from INFO on; of several processes, all but the first print errors only."""
    program = logging.getLogger("dpr")
    lines, level = _LogLines(console, logging.INFO if _is_main() else logging.ERROR), program.level
    program.addHandler(lines)
    program.setLevel(logging.INFO)
    try:
        yield
    finally:
        program.removeHandler(lines)
        program.setLevel(level)


@contextmanager
def show_progress() -> Iterator[Progress]:
    """Show on stderr how far each stage is that the yielded callback reports, and what ``dpr`` logs.

    A terminal shows a bar for each stage, with the log lines above; a file or a pipe gets plain lines, as
    `progress_lines` writes them. Of several processes, the first shows its progress.
    """
    console = Console(stderr=True)
    with show_log(console):
        if not _is_main():
            yield no_progress
        elif sys.stderr.isatty() and not console.is_dumb_terminal:
            with _progress_bars(console) as report:
                yield report
        else:
            with progress_lines(lambda line: console.print(Text(line), soft_wrap=True)) as report:
                yield report


@contextmanager
def _progress_bars(console: Console) -> Iterator[Progress]:
    bars = rich_progress.Progress(
        rich_progress.TextColumn("{task.description}"),
        rich_progress.BarColumn(),
        rich_progress.MofNCompleteColumn(),
        RateColumn(),
        rich_progress.TimeElapsedColumn(),
        rich_progress.TimeRemainingColumn(),
        console=console,
    )
    stages: dict[str, rich_progress.TaskID] = {}

    def report(stage: str, done: int, total: int | None) -> None:
        if stage not in stages:
            stages[stage] = bars.add_task(stage, total=total)
            bars.start()  # not before, so that what fails at once leaves no empty line above its message
        bars.update(stages[stage], completed=done, total=total)

    try:
        yield report
    finally:
        if stages:
            bars.stop()


def print_json(value: object) -> None:
    """Print a result of dicts, lists, numbers and strings as indented JSON, Hangul as it is."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")
    sys.stdout.flush()


def run(app: typer.Typer) -> NoReturn:
    """Run a command line and end the process: what fails on purpose, or in the file system, is one line on stderr.

    Call it before torch or FAISS is imported: each brings OpenMP threads, which here spin for a moment and then sleep.
    By default they spin on, and take the cores from each other and from other processes; without any spinning, one
    question alone takes twice as long to encode.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    try:
        app()
    except DPRError as error:
        _end(f"error: {error}", error.exit_code)
    except OSError as error:
        _end(f"error: {error}", DPRError.exit_code)
    except SystemExit as end:
        if end.code == INTERRUPTED:
            _end("interrupted; run the same command again, and it goes on from what is finished", INTERRUPTED)
        raise
    sys.exit(0)


def _end(sentence: str, exit_code: int) -> NoReturn:
    sys.stderr.write(f"{sentence}\n")
    sys.exit(exit_code)
