"""``dpr-index sync``."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from dpr.config import ComputeOptions
from dpr.console import command_line, show_progress
from dpr.data.intake import ReadRules
from dpr.errors import ConfigError, DPRError
from dpr.store.current import current_number
from dpr.types import Progress
from index_builder.local_sources import is_standard_input, local_sources
from index_builder.option_groups import with_groups
from index_builder.options import Corpus, Index, Json, MovedEncoder
from index_builder.summary import change_summary, show, show_generation

if TYPE_CHECKING:
    from index_builder.current import RecordedEncoder
    from index_builder.sync import SyncOptions, SyncPlan

logger = logging.getLogger(__name__)

INTERVAL_S = 5.0
LONGEST_INTERVAL_S = 86_400.0
"""Time between two looks of ``--watch``."""

NAMED_DOCUMENTS = 10
"""Documents of a kind that a table names; JSON names all."""

Stamps = list[list[tuple[str, int, int]]]
"""The name, size and time of each file of each source."""


@with_groups
def sync_command(
    index: Index,
    corpus: Corpus,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would change, and change nothing.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Go on until ctrl-C: sync whenever a file changes.")] = False,
    interval_s: Annotated[
        float | None,
        typer.Option(
            "--interval-s",
            min=0.1,
            max=LONGEST_INTERVAL_S,
            metavar="SECONDS",
            help="With --watch: time between two looks.",
            show_default=f"{INTERVAL_S:g}",
        ),
    ] = None,
    encoder: MovedEncoder = None,
    compute: ComputeOptions,
    rules: ReadRules,
    as_json: Json = False,
) -> None:
    """Bring INDEX to the state of SOURCEs: add what is new, replace what has changed, delete what is gone."""
    from index_builder.current import RecordedEncoder
    from index_builder.sync import SyncOptions

    options = SyncOptions(sources=tuple(corpus), index=index, rules=rules, command=command_line("dpr-index"))
    recorded = RecordedEncoder(encoder, compute)
    if dry_run and watch:
        raise ConfigError("--dry-run changes nothing, and --watch goes on changing the index; leave one of them out")
    if watch and any(map(is_standard_input, corpus)):
        raise ConfigError(
            "--watch looks at files again and again, and standard input comes once; leave one of them out"
        )
    if interval_s is not None and not watch:
        raise ConfigError(
            f"--interval-s is {interval_s:g}, but without --watch the sources are looked at once; leave it out"
        )
    current_number(index)  # a folder without an index is refused before anything is fetched beside it
    if dry_run:
        _show_plan(options, as_json)
        return
    before = _sync(options, recorded, as_json)
    if watch:
        _watch(options, recorded, interval_s or INTERVAL_S, as_json, before)


@contextmanager
def _local(options: SyncOptions, progress: Progress) -> Iterator[SyncOptions]:
    """Yield the options with sources of this machine; copies stay, so that the next sync fetches what changed alone."""
    with local_sources(options.sources, options.index, options.rules, progress, stays=True) as sources:
        yield replace(options, sources=sources)


def _show_plan(options: SyncOptions, as_json: bool) -> None:
    from index_builder.sync import plan_sync

    with (
        show_progress(f"opening the index {options.index} and its sources") as progress,
        _local(options, progress) as local,
    ):
        plan = plan_sync(local, progress)
    shown = None if as_json else NAMED_DOCUMENTS
    names = {name: list(getattr(plan, name)[:shown]) for name in ("new", "changed", "gone")}
    show({**_counts(plan, as_json), "documents": names}, as_json)


def _sync(options: SyncOptions, recorded: RecordedEncoder, as_json: bool, before: Stamps | None = None) -> Stamps:
    """Sync, unless the files are as ``before``; return what tells whether a file is another one."""
    from dpr.store.generation import read_current
    from index_builder.corpus import source_stamp
    from index_builder.sync import plan_sync, sync

    with (
        show_progress(f"opening the index {options.index} and its sources") as progress,
        _local(options, progress) as local,
    ):
        stamps = [source_stamp(source, options.rules) for source in local.sources]
        if stamps == before:
            return stamps
        plan = plan_sync(local, progress)
        published = read_current(options.index)
        manifest = sync(local, recorded, progress, plan) or published
    facts = change_summary(options.index, published, manifest)
    if manifest is published and not as_json:
        facts = {name: facts[name] for name in ("passage_changes", "generation", "passages", "size_bytes")}
    show_generation(options.index, {**_counts(plan, as_json), **facts}, as_json)
    return stamps


def _watch(options: SyncOptions, recorded: RecordedEncoder, interval_s: float, as_json: bool, before: Stamps) -> None:
    """Sync again whenever the name, size or time of a file is another than before, until the process is interrupted.

    What fails is logged and tried again: a file may be half written, a store out of reach, the index locked.
    """
    while True:
        time.sleep(interval_s)
        try:
            before = _sync(options, recorded, as_json, before)
        except DPRError as error:
            logger.warning("%s; trying again in %g s", error, interval_s)


def _counts(plan: SyncPlan, as_json: bool) -> dict[str, object]:
    counts = {
        "new": len(plan.new),
        "changed": len(plan.changed),
        "gone": len(plan.gone),
        "unchanged": plan.unchanged,
    }
    return {name if as_json else f"{name}_documents": count for name, count in counts.items()}
