"""Output of all commands: progress on stderr, results on stdout, errors as one sentence and an exit code."""

from __future__ import annotations

import json
import logging
import os
import re
import shlex
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich import markup as rich_markup
from rich import progress as rich_progress
from rich.console import Console
from rich.text import Text

from dpr import __version__
from dpr.durable import is_disk_full, lacks_temporary_folder, no_space
from dpr.errors import DiskFullError, DPRError
from dpr.progress_lines import progress_lines, stage_words
from dpr.types import Progress, no_progress

INTERRUPTED = 130
"""Exit code of a command that ctrl-C ended: 128 + SIGINT."""

FIRST_AFTER_S = 1.0
"""Seconds after which a terminal says what is done before the first stage."""


_ESCAPES = {code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), *range(0x2028, 0x202F), *range(0x2066, 0x206A))}
"""Control characters above ASCII, ends of lines, and what changes the direction of writing, as JSON escapes them."""

_PICTURES = {code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\n\t"} | {0x7F: "␡"}


def command_line(program: str) -> str:
    """Return the command line of this process, quoted for a shell, for records.

    Of the address of a file on the web, the query is left out, in which there may be a signature.
    """
    arguments = (re.sub(r"(https?://[^?]*)\?.*", r"\1?…", argument) for argument in sys.argv[1:])
    return shlex.join([program, *arguments])


def visible(text: str) -> str:
    """Return a text in which a terminal shows control characters, and does not obey them: ``␛[2J`` for a cleared one.

    Line breaks and tabs stay.
    """
    return text.translate(_ESCAPES | _PICTURES)


def escape(text: str) -> str:
    """Return a text as rich's markup shows it: brackets as they are, control characters made visible."""
    return rich_markup.escape(visible(text))


def cell(value: object) -> str:
    """Return a value of a result in words: numbers with separators, lists and mappings with commas between."""
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return f"{value:,}"
        case Mapping():
            return ", ".join(f"{name} {cell(item)}" for name, item in value.items()) or "none"
        case list() | tuple():
            return ", ".join(map(cell, value)) or "none"
        case _:
            return str(value)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"dense-passage-retrieval {__version__}")
        raise typer.Exit


VersionOption = Annotated[
    bool, typer.Option("--version", help="Print the version and end.", is_eager=True, callback=_print_version)
]


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
        self._console.print(Text(visible(self.format(record))), soft_wrap=True)


def is_main() -> bool:
    """Return whether this is the first, or the only, process of a run."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def show_log(console: Console) -> Iterator[None]:
    """Print what ``dpr`` logs, from INFO on; of several processes, all but the first print errors only."""
    program = logging.getLogger("dpr")
    lines, level = _LogLines(console, logging.INFO if is_main() else logging.ERROR), program.level
    program.addHandler(lines)
    program.setLevel(logging.INFO)
    try:
        yield
    finally:
        program.removeHandler(lines)
        program.setLevel(level)


@contextmanager
def show_progress(first: str) -> Iterator[Progress]:
    """Show on stderr how far each stage is that the yielded callback reports, and what ``dpr`` logs.

    A terminal shows a bar for each stage, with the log lines above; a file or a pipe gets plain lines, as
    `progress_lines` writes them. Of several processes, the first shows its progress. ``first`` says what is done before
    the first stage, to what: ``loading the encoder``.
    """
    console = Console(stderr=True)
    with show_log(console):
        if not is_main():
            yield no_progress
        elif sys.stderr.isatty() and not console.is_dumb_terminal:
            with _progress_bars(console, first) as report:
                yield report
        else:
            with progress_lines(lambda line: console.print(Text(visible(line)), soft_wrap=True), first) as report:
                yield report


@contextmanager
def _progress_bars(console: Console, first: str) -> Iterator[Progress]:
    bars = rich_progress.Progress(
        rich_progress.TextColumn("{task.description}"),
        rich_progress.BarColumn(bar_width=12),  # a line of 80 columns has room for what is done to what
        rich_progress.MofNCompleteColumn(),
        RateColumn(),
        rich_progress.TimeElapsedColumn(),
        rich_progress.TimeRemainingColumn(),
        console=console,
    )
    stages: dict[str, rich_progress.TaskID] = {}
    opening = threading.Timer(FIRST_AFTER_S, lambda: console.print(Text(f"{visible(first)} …"), soft_wrap=True))
    opening.daemon = True
    opening.start()

    def report(stage: str, count: int, total: int | None) -> None:
        opening.cancel()
        if stage not in stages:
            stages[stage] = bars.add_task(rich_markup.escape(stage_words(stage)[0]), total=total)
            bars.start()  # not before, so that what fails at once leaves no empty line above its message
        bars.update(stages[stage], completed=count, total=total)

    try:
        yield report
    finally:
        opening.cancel()
        if stages:
            bars.stop()


def print_json(value: object) -> None:
    """Print a result of dicts, lists, numbers and strings as indented JSON, Hangul as it is."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2).translate(_ESCAPES) + "\n")
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
    except SystemExit as end:
        if end.code == INTERRUPTED:
            _end("interrupted; run the same command again to continue", INTERRUPTED)
        raise
    except Exception as error:  # a full disk is met in as many classes as there are libraries
        if is_below(error, is_disk_full) and not isinstance(error, DiskFullError):
            _end(f"error: {no_space('a disk that this command writes to')}", DiskFullError.exit_code)
        if is_below(error, lacks_temporary_folder):
            cause = "there is no space left for temporary files, or no folder for them that may be written to"
            _end(f"error: {cause}; free some in /tmp, or name another folder with TMPDIR", DiskFullError.exit_code)
        if isinstance(error, DPRError | OSError):
            _end(f"error: {error}", getattr(error, "exit_code", DPRError.exit_code))
        raise
    sys.exit(0)


def is_below(error: BaseException | None, is_cause: Callable[[BaseException], bool]) -> bool:
    """Return whether an error is, or was raised from, one of a library or of Python with some cause."""
    while error is not None and (isinstance(error, DPRError) or not is_cause(error)):
        error = error.__cause__
    return error is not None


def _end(sentence: str, exit_code: int) -> NoReturn:
    sys.stderr.write(f"{visible(sentence)}\n")
    try:
        sys.stdout.flush()
    except OSError:  # Python would try again at its end, and say so
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # closed with the process
    sys.exit(exit_code)
