"""``dpr-index estimate``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import filesize
from rich.console import Console
from rich.table import Table

from dpr.config import DEFAULT_ENCODER, ComputeOptions
from dpr.console import print_json, show_progress
from dpr.data.intake import ReadRules
from dpr.dense.index_types import index_type_of
from dpr.errors import ConfigError
from dpr.text.registry import analyzer as analyzer_by_name
from index_builder import options as option
from index_builder.option_groups import with_groups

if TYPE_CHECKING:
    from index_builder.estimate import Estimate


@with_groups
def estimate_command(
    corpus: option.Corpus,
    *,
    encoder: option.EncoderName = DEFAULT_ENCODER,
    no_dense: option.NoDense = False,
    splade: option.Splade = None,
    colbert: option.Colbert = None,
    compute: ComputeOptions,
    analyzer: option.AnalyzerName = "ko-en",
    dense_kind: option.EstimatedKind = option.DEFAULT_KIND,
    dense_parameter: option.DenseParameter = None,
    passages: option.EstimatedPassages = None,
    dimension: option.EstimatedDimension = None,
    windows: option.Windows = None,
    window_tokens: option.WindowTokens = None,
    window_overlap: option.WindowOverlap = None,
    rules: ReadRules,
    as_json: option.Json = False,
) -> None:
    """Estimate the disk, memory and time of an index of SOURCEs on this machine; nothing is built."""
    from dpr.models.encoders import load_encoder
    from index_builder.estimate import estimate, measure_speeds
    from index_builder.learned import load_learned_encoders
    from index_builder.learned_estimate import survey_learned
    from index_builder.local_sources import local_sources
    from index_builder.survey import survey
    from index_builder.windows import check_windows

    index_type = index_type_of(dense_kind, option.parse_parameters(dense_parameter or []))
    models = option.learned_models(splade, colbert)
    if no_dense and (dimension or dense_kind != option.DEFAULT_KIND or dense_parameter):
        raise ConfigError("--no-dense makes no vectors, but their dimension or an index type is set; leave it out")
    option.refuse_unused("--no-dense" if no_dense else "--dimension" if dimension else None, encoder, compute, models)
    rule = option.parse_windows(windows, window_tokens, window_overlap, no_dense=no_dense)
    with (
        show_progress("opening the sources and loading the encoder") as progress,
        local_sources(corpus, None, rules, progress) as sources,
    ):
        loaded = None if no_dense or dimension else load_encoder(encoder, compute.precision, compute.backend)
        if loaded and rule:
            check_windows(rule, loaded)
        encoders = load_learned_encoders(models, compute)
        surveyed = survey(sources, analyzer_by_name(analyzer), loaded, progress, rule, rules)
        learned = survey_learned(encoders, surveyed.sample)
    width = None if no_dense else dimension or surveyed.dimension
    result = estimate(surveyed, index_type, measure_speeds(index_type, width), passages, width, learned)
    if as_json:
        parts = {"disk_bytes": dict(result.disk), "seconds": dict(result.seconds)}
        print_json({**_facts(result), "cut_share": surveyed.cut, **parts})
    else:
        Console().print(_table(result, surveyed.cut))


def _facts(result: Estimate) -> dict[str, float | None]:
    return {
        "passages": result.passages,
        "vectors": result.vectors,
        "vectors_per_passage": None if result.vectors is None else round(result.vectors / result.passages, 2),
        "dimension": result.dimension,
        "index_bytes": sum(result.disk.values()),
        "building_disk_bytes": result.building_disk,
        "building_memory_bytes": result.building_memory,
        "serving_memory_bytes": result.serving_memory,
        **({"database_bytes": result.database} if result.database else {}),
    }


def _table(result: Estimate, cut: float | None) -> Table:
    table = Table(show_header=False)
    for name, value in _facts(result).items():
        table.add_row(name.removesuffix("_bytes").replace("_", " "), _cell(name, value))
    if cut is not None:
        table.add_row("passages longer than the encoder reads", f"{cut:.0%}")
    for name, size in result.disk.items():
        table.add_row(f"disk: {name}", filesize.decimal(size))
    for name, seconds in {**result.seconds, "all": sum(result.seconds.values())}.items():
        table.add_row(f"time: {name}", _duration(seconds))
    if result.dimension and "encode" not in result.seconds:
        table.add_row("time: encode", "unknown without the encoder")
    return table


def _cell(name: str, value: float | None) -> str:
    if value is None:
        return "none"
    return filesize.decimal(int(value)) if name.endswith("_bytes") else f"{value:,}"


def _duration(seconds: float) -> str:
    """Return a time as a user would say it: ``12.3 s``, ``4 min``, ``7.5 h``."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
