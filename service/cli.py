"""``dpr-serve``: options to settings, and the process made ready for a server."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dpr.console import VersionOption, run
from dpr.errors import ConfigError
from dpr.threads import use_threads
from dpr.usage import Commands
from service.options import with_options_of_settings
from service.security.commands import keys_app
from service.settings import load_settings
from service.telemetry.logs import install_log

if TYPE_CHECKING:
    from dpr.pipeline import QA

logger = logging.getLogger(__name__)

app = typer.Typer(cls=Commands, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
app.add_typer(keys_app, name="keys")


@app.callback(invoke_without_command=True)
@with_options_of_settings
def serve(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option(help="TOML file of settings; options and variables win. [or DPR_CONFIG]")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the ready line as JSON.")] = False,
    version: VersionOption = False,  # noqa: ARG001  # its callback prints it
    **options: Any,
) -> None:
    """Serve an index over HTTP: answers at /v1/query, passages at /v1/retrieve.

    Each option is also an environment variable, such as DPR_MAX_IN_FLIGHT, and a key of the file; the option wins.
    """
    if context.invoked_subcommand is not None:
        if unread := [name for name, value in options.items() if value is not None]:
            flag, command = f"--{unread[0].replace('_', '-')}", context.invoked_subcommand
            raise ConfigError(f"{flag} stands before {command}, where it has no meaning; write it after {command}")
        return
    settings = load_settings(config=config, **options)
    install_log(settings.log_level, settings.log_format)
    if settings.threads is not None:
        use_threads(settings.threads)
    logger.info("importing the libraries of the service")  # some seconds
    # Imported here, after `run` has said how OpenMP's threads wait.
    from service.server import run_server

    run_server(settings, lambda address, qa: print(_ready_line(address, qa, as_json), flush=True))


def main() -> None:
    """Run the command; an error of ours is one line on stderr and its exit code."""
    run(app)


def _ready_line(address: str, qa: QA, as_json: bool) -> str:
    from service.status import public_name

    generation, passages = qa.index.generation, len(qa.index.passages)
    answering = qa.generator or qa.reader
    reader = public_name(answering.name) if answering else None
    if as_json:
        facts = {"address": address, "generation": generation, "passages": passages, "reader": reader}
        return json.dumps(facts, ensure_ascii=False)
    return f"ready at {address}: generation {generation}, {passages:,} passages, {reader or 'no'} reader; Ctrl-C stops"
