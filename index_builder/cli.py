"""``dpr-index``: build, change and verify an index, and manage its generations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from dpr.config import ComputeOptions
from dpr.console import VersionOption, command_line, print_json, run, show_progress
from dpr.data.intake import Intake, ReadRules
from dpr.errors import ConfigError, NothingNewError
from dpr.store.generation import publish_again, read_all, read_current
from dpr.usage import Commands
from index_builder.build_command import build_command
from index_builder.estimate_command import estimate_command
from index_builder.option_groups import with_groups
from index_builder.options import Corpus, Index, Json, MovedEncoder
from index_builder.summary import change_summary, generations_table, show, show_generation, summary
from index_builder.sync_command import sync_command

app = typer.Typer(
    cls=Commands,
    help="Build, change and verify search indexes of passages.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _options(version: VersionOption = False) -> None:  # its callback prints it
    pass


app.command("build")(build_command)


@app.command("add")
@with_groups
def add_command(
    index: Index,
    corpus: Corpus,
    *,
    encoder: MovedEncoder = None,
    compute: ComputeOptions,
    rules: ReadRules,
    as_json: Json = False,
) -> None:
    """Add the passages of SOURCEs to INDEX; skip those that it has already."""
    show_generation(index, _add(index, corpus, encoder, compute, rules), as_json)


@app.command("upsert")
@with_groups
def upsert_command(
    index: Index,
    corpus: Corpus,
    *,
    encoder: MovedEncoder = None,
    compute: ComputeOptions,
    rules: ReadRules,
    as_json: Json = False,
) -> None:
    """Add the documents of SOURCEs to INDEX; replace all of its passages of the same documents."""
    show_generation(index, _add(index, corpus, encoder, compute, rules, replaces=True), as_json)


@app.command("delete")
def delete_command(
    index: Index,
    id: Annotated[  # noqa: A002  # the option is called so
        list[str] | None, typer.Option("--id", metavar="ID", help="Id of a passage or of a document; repeatable.")
    ] = None,
    ids: Annotated[Path | None, typer.Option("--ids", metavar="FILE", help="A file of such ids, one a line.")] = None,
    encoding: Annotated[
        str,
        typer.Option(metavar="NAME", help="Encoding of that file: utf-8, cp949, utf-16 or another that Python knows."),
    ] = "utf-8",
    as_json: Json = False,
) -> None:
    """Delete passages from INDEX by their ids, or by their documents' ids."""
    from dpr.data.files import read_lines
    from index_builder.update import delete

    intake = Intake(ReadRules(encoding).encoding)
    names = {*(id or []), *(line.strip() for _, line in (read_lines(ids, intake) if ids else ()))}
    if not names:
        raise ConfigError("there is nothing to delete; give ids of passages or documents with --id or --ids")
    if broken := [name for name in names if name.encode("utf-8", "ignore").decode() != name]:
        raise ConfigError(f"--id {broken[0]!r} is not UTF-8; write the id in the terminal's encoding, or use --ids")
    before = read_current(index)
    with show_progress(f"opening the index {index}") as progress:
        manifest = delete(index, names, progress=progress, command=command_line("dpr-index"))
    show_generation(index, change_summary(index, before, manifest), as_json)


@app.command("compact")
def compact_command(index: Index, as_json: Json = False) -> None:
    """Merge all segments of INDEX into one, without deleted passages; nothing is encoded again."""
    from index_builder.update import compact

    with show_progress(f"opening the index {index}") as progress:
        manifest = compact(index, progress=progress, command=command_line("dpr-index"))
    show_generation(index, summary(manifest), as_json)


@app.command("split")
def split_command(
    index: Index,
    shards: Annotated[int, typer.Option(min=1, help="How many shards to write.")],
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the shards: DIR/shard-1, DIR/shard-2, ...")],
    as_json: Json = False,
) -> None:
    """Write INDEX as shards for the nodes of a router (dpr-serve --node); nothing is encoded again."""
    from index_builder.split import split

    with show_progress(f"opening the index {index}") as progress:
        written = split(index, shards, output, progress=progress, command=command_line("dpr-index"))
    collection = written[0][1].shard
    facts = {
        str(folder): {"generation": manifest.name, "passages": manifest.passages, "size_bytes": manifest.size_bytes}
        for folder, manifest in written
    }
    show({"collection": collection.collection if collection else None, "shards": facts}, as_json)


@app.command("publish")
def publish_command(
    index: Index,
    generation: Annotated[
        str, typer.Argument(metavar="GENERATION", help="The generation's name, as dpr-index list shows it.")
    ],
    as_json: Json = False,
) -> None:
    """Publish a generation of INDEX that is on disk, such as the one before a change that was wrong."""
    if not generation.isdecimal():
        raise ConfigError(
            f"{generation!r} is not a generation; give a number that dpr-index list shows, such as 000001"
        )
    show_generation(index, summary(publish_again(index, int(generation))), as_json)


@app.command("prune")
def prune_command(
    index: Index,
    keep: Annotated[int, typer.Option(min=0, help="How many generations to keep beside the published one.")] = 1,
    as_json: Json = False,
) -> None:
    """Remove old generations of INDEX, and the segments that no other generation uses."""
    from index_builder.external import prune

    removed = prune(index, keep)
    show({"published": read_current(index).name, "removed": removed}, as_json)


@app.command("load")
def load_command(index: Index, as_json: Json = False) -> None:
    """Load the tables of INDEX that its database lacks, from the files of INDEX; nothing is encoded."""
    from index_builder.external import load_tables

    with show_progress(f"opening the index {index}") as progress:
        segments = load_tables(index, progress)
    show({"generation": read_current(index).name, "segments": segments}, as_json)


@app.command("verify")
def verify_command(index: Index, as_json: Json = False) -> None:
    """Check that the published generation of INDEX is complete, unchanged and finds its passages."""
    from index_builder.verify import verify_index

    with show_progress(f"opening the index {index}") as progress:
        verification = verify_index(index, progress=progress)
    show({"generation": verification.generation, "is_sound": True, "checks": verification.checks}, as_json)


@app.command("list")
def list_command(index: Index, as_json: Json = False) -> None:
    """List the generations of INDEX that are on disk; one of them is published."""
    published, manifests = read_current(index).name, read_all(index)
    if as_json:
        print_json([{"is_published": manifest.name == published, **summary(manifest)} for manifest in manifests])
    else:
        Console().print(generations_table(manifests, published))


app.command("estimate")(estimate_command)
app.command("sync")(sync_command)


@app.command("export")
def export_command(
    index: Index,
    output: Annotated[Path, typer.Option(metavar="FILE", help="A .jsonl or .parquet file to write.")],
    vectors: Annotated[bool, typer.Option("--vectors", help="Write the vectors of each passage, too.")] = False,
    as_json: Json = False,
) -> None:
    """Write the passages of INDEX with their fields to a file, which can be indexed again."""
    from index_builder.export import export

    with show_progress(f"opening the index {index}") as progress:
        count = export(index, output, with_vectors=vectors, progress=progress)
    show({"passages": count, "file": str(output), "size_bytes": output.stat().st_size}, as_json)


def main() -> None:
    """Run the command line."""
    run(app)


def _add(
    index: Path,
    corpus: list[str],
    encoder: str | None,
    compute: ComputeOptions,
    rules: ReadRules,
    replaces: bool = False,
) -> dict[str, object]:
    from index_builder.corpus import check_sources
    from index_builder.current import RecordedEncoder
    from index_builder.local_sources import local_sources
    from index_builder.update import AddOptions, add

    before = read_current(index)  # a folder without an index is refused before anything is fetched beside it
    with (
        show_progress(f"opening the index {index} and its sources") as progress,
        local_sources(corpus, index, rules, progress) as sources,
    ):
        check_sources(sources, rules)
        options = AddOptions(
            sources=sources, index=index, replaces=replaces, rules=rules, command=command_line("dpr-index")
        )
        try:
            manifest = add(options, RecordedEncoder(encoder, compute), progress=progress)
        except NothingNewError as nothing_new:
            typer.echo(f"note: {nothing_new}", err=True)
            manifest = before
    return change_summary(index, before, manifest)
