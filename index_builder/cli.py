"""``dpr-index``: build an index, verify it, list its generations."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich import box, filesize
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dpr.config import DEFAULT_ENCODER
from dpr.console import print_json, run, show_progress
from dpr.errors import ConfigError
from dpr.store.generation import read_all, read_current
from dpr.store.manifest import Manifest
from dpr.text.registry import analyzer as analyzer_by_name
from dpr.types import Encoder

app = typer.Typer(
    help="Build search indexes of passages, and look after them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Index = Annotated[Path, typer.Argument(metavar="INDEX", help="Folder of the index.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@app.command("build")
def build_command(
    corpus: Annotated[
        list[str],
        typer.Option(
            metavar="SOURCE",
            help="A .jsonl, .tsv or .parquet file (.gz allowed), a folder of such files, or kind:PATH; repeatable.",
        ),
    ],
    output: Annotated[Path, typer.Option(metavar="INDEX", help="Folder of the index; created where there is none.")],
    encoder: Annotated[
        str, typer.Option(metavar="NAME_OR_DIR", help="The encoder of passages and questions.")
    ] = DEFAULT_ENCODER,
    no_dense: Annotated[
        bool, typer.Option("--no-dense", help="Build a sparse index only, without an encoder.")
    ] = False,
    precision: Annotated[str, typer.Option(help="Arithmetic of the encoder: auto, fp32 or bf16.")] = "auto",
    backend: Annotated[
        str, typer.Option(help="What runs the encoder: auto (OpenVINO on a CPU, if there), torch, openvino.")
    ] = "auto",
    analyzer: Annotated[str, typer.Option(metavar="NAME", help="What makes terms of a text.")] = "ko-en",
    dense_kind: Annotated[str, typer.Option(metavar="KIND", help="flat (exact) or hnsw (approximate).")] = "flat",
    dense_parameter: Annotated[
        list[str] | None, typer.Option(metavar="NAME=NUMBER", help="A parameter of the dense kind; repeatable.")
    ] = None,
    bm25_variant: Annotated[str, typer.Option(metavar="NAME", help="okapi or lucene.")] = "okapi",
    k1: Annotated[float, typer.Option(min=0.0, help="BM25: how slowly a repeated term saturates.")] = 1.2,
    b: Annotated[float, typer.Option(min=0.0, max=1.0, help="BM25: how much a passage's length counts.")] = 0.75,
    chunk_tokens: Annotated[
        int | None, typer.Option(min=1, help="Cut documents into passages of at most so many tokens.")
    ] = None,
    overlap_tokens: Annotated[int, typer.Option(min=0, help="Tokens that a passage shares with the one before.")] = 0,
    as_json: Json = False,
) -> None:
    """Index a corpus and publish it as the next generation of INDEX, whole or not at all."""
    from index_builder.build import BuildOptions, build

    options = BuildOptions(
        sources=tuple(corpus),
        output=output,
        dense_kind=dense_kind,
        dense_parameters=parse_parameters(dense_parameter or []),
        bm25_variant=bm25_variant,
        k1=k1,
        b=b,
        chunk_tokens=chunk_tokens,
        overlap_tokens=overlap_tokens,
        command=shlex.join(["dpr-index", *sys.argv[1:]]),
    )
    terms = analyzer_by_name(analyzer)
    towers = None if no_dense else _load_encoder(encoder, precision, backend)
    with show_progress() as progress:
        manifest = build(options, towers, terms, progress)
    _show(summary(manifest), as_json)


@app.command("verify")
def verify_command(index: Index, as_json: Json = False) -> None:
    """Read the published generation of INDEX whole and check that it is complete, unchanged and finds its passages."""
    from index_builder.verify import verify_index

    with show_progress() as progress:
        verification = verify_index(index, progress=progress)
    checks = {check.name: check.detail for check in verification.checks}
    _show({"generation": verification.generation, "is_sound": True, "checks": checks}, as_json)


@app.command("list")
def list_command(index: Index, as_json: Json = False) -> None:
    """List the generations of INDEX that are on the disk; one of them is published."""
    published, manifests = read_current(index).name, read_all(index)
    if as_json:
        print_json([{"is_published": manifest.name == published, **summary(manifest)} for manifest in manifests])
    else:
        Console().print(_generations_table(manifests, published))


def main() -> None:
    """Run the command line."""
    run(app)


def summary(manifest: Manifest) -> dict[str, object]:
    """Return what a user wants to know of a generation, by name."""
    encoder, dense, made = manifest.encoder, manifest.dense, manifest.provenance
    return {
        "generation": manifest.name,
        "created_utc": made.created_utc,
        "passages": manifest.passages,
        "duplicates_skipped": sum(source.duplicates for source in made.sources),
        "terms": manifest.terms,
        "analyzer": manifest.analyzer.name,
        "encoder": encoder.name if encoder else None,
        "dimension": encoder.dimension if encoder else None,
        "dense_kind": dense.kind if dense else None,
        "dense_recall": dense.recall if dense else None,
        "size_bytes": manifest.size_bytes,
        "seconds": dict(made.seconds),
    }


def parse_parameters(settings: Sequence[str]) -> dict[str, int]:
    """Return the parameters that were given as ``NAME=NUMBER``.

    Raises:
        ConfigError: one of them has another form.
    """
    parameters = {}
    for setting in settings:
        name, _, number = setting.partition("=")
        if not name or not number.isdecimal():
            raise ConfigError(f"{setting!r} is no parameter of a dense kind; write NAME=NUMBER, such as ef_search=128")
        parameters[name] = int(number)
    return parameters


def _load_encoder(name: str, precision: str, backend: str) -> Encoder:
    from dpr.models.encoders import load_encoder

    return load_encoder(name, precision, backend)


def _show(result: Mapping[str, object], as_json: bool) -> None:
    if as_json:
        print_json(result)
        return
    table = Table(show_header=False)
    for name, value in result.items():
        if isinstance(value, Mapping):
            for part, detail in value.items():
                table.add_row(f"{_words(name)}: {part}", escape(_cell(name, detail)))
        else:
            table.add_row(_words(name), escape(_cell(name, value)))
    Console().print(table)


def _generations_table(manifests: Sequence[Manifest], published: str) -> Table:
    table = Table(box=box.SIMPLE, caption="* published", caption_justify="left")
    for heading in ("generation", "created (UTC)", "passages", "encoder", "dense", "size"):
        table.add_column(heading, no_wrap=heading != "encoder", overflow="fold")
    for manifest in manifests:
        table.add_row(
            f"{manifest.name} *" if manifest.name == published else manifest.name,
            manifest.provenance.created_utc[:16].replace("T", " "),
            f"{manifest.passages:,}",
            escape(Path(manifest.encoder.name).name) if manifest.encoder else "none",
            manifest.dense.kind if manifest.dense else "none",
            filesize.decimal(manifest.size_bytes),
        )
    return table


def _words(name: str) -> str:
    return name.removesuffix("_bytes").removesuffix("_utc").replace("_", " ")


def _cell(name: str, value: object) -> str:
    if value is None:
        return "none"
    if name == "size_bytes" and isinstance(value, int):
        return filesize.decimal(value)
    return f"{value:,}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
