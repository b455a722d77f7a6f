"""``dpr-serve``: options to settings, and the process made ready for a server."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dpr.console import VersionOption, run
from service.settings import Settings, load_settings

if TYPE_CHECKING:
    from dpr.pipeline import QA

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def serve(
    index: Annotated[Path | None, typer.Option(help="Folder of the index to serve. [required; or DPR_INDEX]")] = None,
    reader: Annotated[str | None, typer.Option(help="Reader: folder or hub name. [default: the bundled one]")] = None,
    no_reader: Annotated[bool | None, typer.Option("--no-reader", help="Load no reader.")] = None,
    generator_url: Annotated[
        str | None, typer.Option(help="Address of a chat model that writes the answers; its key: DPR_GENERATOR_KEY.")
    ] = None,
    generator_model: Annotated[str | None, typer.Option(help="Name of that model at its address.")] = None,
    generator_timeout_s: Annotated[
        int | None, typer.Option(help="Time that it gets for one answer, seconds. [default: 30]")
    ] = None,
    encoder: Annotated[str | None, typer.Option(help="Encoder. [default: the one named in the index]")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on. [default: 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port, 0 for any free one. [default: 8000]")] = None,
    precision: Annotated[str | None, typer.Option(help="auto, fp32 or bf16. [default: auto]")] = None,
    backend: Annotated[
        str | None, typer.Option(help="What runs the models: auto, torch or openvino. [default: auto]")
    ] = None,
    retriever_default: Annotated[
        str | None, typer.Option(help="Retriever of requests that name none. [default: hybrid]")
    ] = None,
    rerank: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Reranker: a cross-encoder, or KIND:MODEL. [default: none]")
    ] = None,
    rerank_depth: Annotated[int | None, typer.Option(help="Hits that it rescores, 1 to 100. [default: 20]")] = None,
    fusion_file: Annotated[
        Path | None, typer.Option(help="How hybrid fuses, as dpr tune wrote it. [default: the index's own]")
    ] = None,
    max_in_flight: Annotated[int | None, typer.Option(help="Requests computed or waiting. [default: 32]")] = None,
    retry_after_s: Annotated[int | None, typer.Option(help="Retry-After of a 503, seconds. [default: 1]")] = None,
    max_body_bytes: Annotated[int | None, typer.Option(help="Largest request body. [default: 1048576]")] = None,
    shutdown_grace_s: Annotated[
        int | None, typer.Option(help="Time for running requests after SIGTERM, seconds. [default: 10]")
    ] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error. [default: info]")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the ready line as JSON.")] = False,
    version: VersionOption = False,  # its callback prints it
) -> None:
    """Serve an index over HTTP: answers at /v1/query, passages at /v1/retrieve.

    Each option is also an environment variable, such as DPR_MAX_IN_FLIGHT; the option wins.
    """
    given = locals()  # the options that are settings
    settings = load_settings(**{name: value for name, value in given.items() if name in Settings.model_fields})
    _log(settings)
    # Imported here, after `run` has said how OpenMP's threads wait.
    from service.server import run_server

    run_server(settings, lambda address, qa: print(_ready_line(address, qa, as_json), flush=True))


def main() -> None:
    """Run the command; an error of ours is one line on stderr and its exit code."""
    run(app)


def _ready_line(address: str, qa: QA, as_json: bool) -> str:
    generation, passages = qa.index.generation, len(qa.index.passages)
    answering = qa.generator or qa.reader
    reader = answering.name if answering else None
    if as_json:
        facts = {"address": address, "generation": generation, "passages": passages, "reader": reader}
        return json.dumps(facts, ensure_ascii=False)
    return f"ready at {address}: generation {generation}, {passages:,} passages, {reader or 'no'} reader; Ctrl-C stops"


def _log(settings: Settings) -> None:
    """Log our own lines from the level of the settings on, and those of libraries from WARNING on, if not debugging."""
    level = settings.log_level.upper()
    libraries = level if level in ("DEBUG", "ERROR") else "WARNING"
    logging.basicConfig(level=libraries, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    for name in ("dpr", "index_builder", "service"):
        logging.getLogger(name).setLevel(level)
    logging.getLogger("faiss").setLevel(logging.WARNING)  # it tells which of its builds it tries
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs whole addresses, and those may hold a key
