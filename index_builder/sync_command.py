"""``dpr-index sync``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from dpr.config import ComputeOptions
from dpr.console import command_line, show_progress
from index_builder.options import (
    Backend,
    Corpus,
    DocumentLimit,
    Encoding,
    Exclude,
    Include,
    Index,
    Json,
    MovedEncoder,
    Precision,
    SkipBadRows,
    Strict,
    read_rules,
)
from index_builder.summary import show, summary

if TYPE_CHECKING:
    from index_builder.current import RecordedEncoder
    from index_builder.sync import SyncOptions, SyncPlan

NAMED_DOCUMENTS = 10
"""Documents of a kind that a table names; JSON names all."""


def sync_command(
    index: Index,
    corpus: Corpus,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would change, and change nothing.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Go on until ctrl-C: sync whenever a file changes.")] = False,
    interval_s: Annotated[
        float, typer.Option("--interval-s", min=0.1, metavar="SECONDS", help="With --watch: time between two looks.")
    ] = 5.0,
    encoder: MovedEncoder = None,
    precision: Precision = "auto",
    backend: Backend = "auto",
    include: Include = None,
    exclude: Exclude = None,
    encoding: Encoding = "utf-8",
    skip_bad_rows: SkipBadRows = False,
    strict: Strict = False,
    document_limit: DocumentLimit = None,
    as_json: Json = False,
) -> None:
    """Bring INDEX to the state of SOURCEs: add what is new, replace what has changed, delete what is gone."""
    from index_builder.current import RecordedEncoder
    from index_builder.sync import SyncOptions

    rules = read_rules(encoding, skip_bad_rows, include, exclude, strict, document_limit)
    options = SyncOptions(sources=tuple(corpus), index=index, rules=rules, command=command_line("dpr-index"))
    recorded = RecordedEncoder(encoder, ComputeOptions(precision, backend))
    if dry_run:
        _show_plan(options, as_json)
        return
    _sync(options, recorded, as_json)
    if watch:
        _watch(options, recorded, interval_s, as_json)


def _show_plan(options: SyncOptions, as_json: bool) -> None:
    from index_builder.sync import plan_sync

    with show_progress() as progress:
        plan = plan_sync(options, progress)
    shown = None if as_json else NAMED_DOCUMENTS
    names = {name: list(getattr(plan, name)[:shown]) for name in ("new", "changed", "gone")}
    show({**_counts(plan), "documents": names}, as_json)


def _sync(options: SyncOptions, recorded: RecordedEncoder, as_json: bool) -> None:
    from dpr.store.generation import read_current
    from index_builder.sync import plan_sync, sync

    with show_progress() as progress:
        plan = plan_sync(options, progress)
        manifest = sync(options, recorded, progress, plan) or read_current(options.index)
    show({**_counts(plan), **summary(manifest)}, as_json)


def _watch(options: SyncOptions, recorded: RecordedEncoder, interval_s: float, as_json: bool) -> None:
    """Sync again whenever the name, size or time of a file is another than before, until the process is interrupted."""
    from index_builder.corpus import source_stamp

    def stamps() -> list[list[tuple[str, int, int]]]:
        return [source_stamp(source, options.rules) for source in options.sources]

    before = stamps()
    while True:
        time.sleep(interval_s)
        after = stamps()
        if after != before:
            _sync(options, recorded, as_json)
            before = after


def _counts(plan: SyncPlan) -> dict[str, object]:
    return {
        "new": len(plan.new),
        "changed": len(plan.changed),
        "gone": len(plan.gone),
        "unchanged": plan.unchanged,
    }
