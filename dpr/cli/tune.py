"""``dpr tune``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from dpr.cli.options import EncoderOption, IndexOption, JsonOption, RerankOption, check_output_file, rerank_of
from dpr.cli.questions import EncodingOption, SkipBadRowsOption
from dpr.cli.tune_settings import SettingsOption, names_of, read_sources, tell_settings
from dpr.console import command_line, escape, print_json, show_progress
from dpr.data.intake import ReadRules
from dpr.errors import ConfigError
from dpr.search.registry import HYBRID_LISTS

if TYPE_CHECKING:
    from dpr.evaluation.compare import Difference
    from dpr.tuning.one_standard_error import HeldOut
    from dpr.tuning.tuned_fusion import TunedFusion

MAX_ROWS = 21
"""Most rows of a curve; of a longer one, for three lists, only the notable points are shown."""

DEFAULT_LISTS, DEFAULT_METHOD = "dense,bm25", "zscore"


def tune_command(
    index: IndexOption,
    questions: Annotated[
        list[str], typer.Option(metavar="SOURCE", help="kind:PATH of questions with gold passages; repeatable.")
    ],
    retriever: Annotated[
        str, typer.Option(metavar="NAMES", help="Two or three lists to fuse, with commas between.")
    ] = DEFAULT_LISTS,
    metric: Annotated[str, typer.Option(metavar="NAME@K", help="What to maximize, such as recall@1.")] = "mrr@10",
    method: Annotated[str, typer.Option(help="How to fuse: zscore, minmax, raw or rrf.")] = DEFAULT_METHOD,
    folds: Annotated[int, typer.Option(help="Folds of the questions for the cross-validated gain; 0: none.")] = 5,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="JSON file for the weights: fusion.json of the encoder, or a --fusion-file."),
    ] = None,
    save: Annotated[
        bool, typer.Option("--save", help="Record the weights in the index: the default of every search of it.")
    ] = False,
    settings: SettingsOption = None,
    rerank: RerankOption = None,
    encoder: EncoderOption = None,
    encoding: EncodingOption = "utf-8",
    skip_bad_rows: SkipBadRowsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Find the fusion weights that suit an index and its questions."""
    from dpr.opening import open_qa
    from dpr.pipeline import RetrievalOptions
    from dpr.search.record import save_fusion, write_fusion
    from dpr.tuning.fusion import TuningOptions, tune
    from dpr.tuning.settings import SettingsOptions, tune_settings

    if settings is not None and (output, retriever, method) != (None, DEFAULT_LISTS, DEFAULT_METHOD):
        raise ConfigError(
            "--settings chooses lists and method itself; leave --output, --retriever and --method out, and record its "
            "choice with --save"
        )
    _refuse(output, retriever, rerank, settings, save=save)
    rules, retrieval = ReadRules(encoding, skip_bad_rows), RetrievalOptions(rerank=rerank_of(rerank, None))
    qa_index = open_qa(index, encoder=encoder, reader=None, retrieval=retrieval).index
    _refuse_absent(qa_index.names, retriever, settings)
    if settings is not None:
        settings_options = SettingsOptions(names_of(settings), metric, folds)
        with show_progress("reading the questions") as progress:
            stages = tune_settings(qa_index, read_sources(questions, rules)[0], settings_options, progress)
        tell_settings(stages, index if save else None, as_json)
        return
    with show_progress("reading the questions") as progress:
        examples, without_text = read_sources(questions, rules)
        options = TuningOptions(names_of(retriever), metric, method, folds, ", ".join(questions), without_text)
        tuned = tune(qa_index, examples, options, progress)
    if output is not None:
        write_fusion(output, tuned.fusion, tuned.summary(command_line("dpr")))
    if save:
        save_fusion(index, tuned.fusion)
    if as_json:
        print_json(tuned.as_json())
    else:
        _show(tuned, index if save else None, output)


def _refuse(output: Path | None, retriever: str, rerank: str | None, settings: str | None, *, save: bool) -> None:
    """Refuse an unused reranker, an output that cannot be written, and to store weights of other lists than hybrid."""
    from dpr.tuning.fusion import is_hybrid

    if rerank is not None and "rerank" not in names_of(settings or ""):
        raise ConfigError("--rerank is for --settings rerank, which is not named; name it, or leave --rerank out")
    if output is not None:
        check_output_file(output)
    if (output is not None or save) and not is_hybrid(names_of(retriever)):
        raise ConfigError(
            f"--retriever {retriever} names other lists than {' and '.join(HYBRID_LISTS)}, which hybrid fuses; leave "
            "--output and --save out"
        )


def _refuse_absent(names: Sequence[str], retriever: str, settings: str | None) -> None:
    """Refuse to fuse the lists of hybrid, which nobody named, for an index that has the retrievers ``names``."""
    if set(HYBRID_LISTS) <= set(names):
        return
    cause = f"the index has no vectors for the list {HYBRID_LISTS[0]!r}"
    if settings is not None and "fusion" in names_of(settings):
        raise ConfigError(f"{cause}, and --settings fusion fuses it with bm25; leave fusion out, as in --settings bm25")
    if settings is None and retriever == DEFAULT_LISTS:
        raise ConfigError(
            f"{cause}, which is fused with bm25 unless --retriever names other lists; give --retriever bm25,tfidf"
        )


def _show(tuned: TunedFusion, index: Path | None, output: Path | None) -> None:
    """Show what was found, and the index and the file that it was recorded in."""
    console = Console()
    console.print(_curve(tuned))
    weights = ", ".join(f"{name} {weight:g}" for name, weight in tuned.selected.weights.items())
    console.print(f"chosen: [b]{weights}[/b]", highlight=False)
    if tuned.held_out:
        console.print(_sentence(tuned.held_out, tuned.objective, tuned.questions.count), highlight=False)
    files = [*([f"the index {index}"] if index is not None else []), *([str(output)] if output is not None else [])]
    if files:
        console.print(f"recorded in {escape(' and in '.join(files))}", highlight=False, soft_wrap=True)


def _curve(tuned: TunedFusion) -> Table:
    metrics = list(tuned.selected.metrics)
    subject = f"{tuned.questions.count:,} questions on {tuned.documents:,} documents"
    table = Table(
        *(*tuned.selected.weights, *metrics, ""),
        box=SIMPLE_HEAD,
        pad_edge=False,
        title=f"{subject}, {tuned.method}, in per cent",
    )
    for number, point in enumerate(tuned.curve):
        notes = _notes(tuned, number)
        if notes or len(tuned.curve) <= MAX_ROWS:
            values = (f"{100 * point.metrics[name]:.2f}" for name in metrics)
            style = "bold" if number == tuned.choice.selected else None
            table.add_row(*(f"{weight:.2f}" for weight in point.weights.values()), *values, notes, style=style)
    return table


def _notes(tuned: TunedFusion, number: int) -> str:
    point = tuned.curve[number]
    notes = [name + " alone" for name, weight in point.weights.items() if weight == 1]
    choice = tuned.choice
    notes += [word for word, index in (("best", choice.best), ("chosen", choice.selected)) if index == number]
    is_equal = number in choice.within_error and number not in (choice.best, choice.selected)
    notes += ["as good as the best"] if is_equal and len(tuned.curve) <= MAX_ROWS else []
    return ", ".join(notes)


def _sentence(held_out: HeldOut, objective: str, questions: int) -> str:
    return (
        f"On questions that the weights were not fitted to ({held_out.folds} folds by document of {questions:,} "
        f"questions), {objective} is {100 * held_out.value:.2f}: {_gain(held_out.over_list)} against the best single "
        f"list, {_gain(held_out.over_default)} against the default weights."
    )


def _gain(gain: Difference) -> str:
    low, high = 100 * gain.interval.low, 100 * gain.interval.high
    return f"{100 * gain.mean:+.2f} ({low:+.2f} … {high:+.2f})"
