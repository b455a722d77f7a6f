"""``dpr compare``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from dpr.cli.options import JsonOption, narrow_table
from dpr.console import escape, print_json
from dpr.data.intake import ReadRules
from dpr.errors import ConfigError, DataError

if TYPE_CHECKING:
    from dpr.evaluation.compare import Compared

    Runs = dict[str, dict[str, list[str]]]

DEFAULT_METRICS = ["recall@1", "recall@20", "mrr@10"]


def compare_command(
    qrels: Annotated[
        Path, typer.Option(metavar="FILE", help="Qrels: TREC's or BEIR's lines, or JSON of pytrec_eval or ranx.")
    ],
    run: Annotated[
        list[Path],
        typer.Option(
            metavar="FILE",
            help="A run: TREC, or JSON or Parquet of ranx, pytrec_eval, BEIR; repeatable, the first is the baseline.",
        ),
    ],
    metric: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME@K", help="recall, success, mrr or ndcg at a depth; repeatable."),
    ] = None,
    encoding: Annotated[
        str, typer.Option(metavar="NAME", help="Encoding of the files: utf-8, utf-16 or another that Python knows.")
    ] = "utf-8",
    skip_bad_rows: Annotated[
        bool, typer.Option("--skip-bad-rows", help="Leave out lines that cannot be read, name some and count them.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Test whether runs over the same questions differ by more than chance."""
    from dpr.evaluation.compare import compare_runs
    from dpr.evaluation.run_files import read_any_qrels

    rules = ReadRules(encoding, skip_bad_rows)
    judged = read_any_qrels(qrels, rules)
    runs = _read_runs(run, judged, qrels, rules)
    (first, baseline), *systems = runs.items()
    compared = compare_runs(baseline, dict(systems), judged, metric or DEFAULT_METRICS)
    missing_questions = {name: len(judged.keys() - ranked.keys()) for name, ranked in runs.items()}
    if as_json:
        print_json(_as_json(first, compared, missing_questions, len(judged)))
        return
    _print_table(first, compared, len(judged))
    for name, count in missing_questions.items():
        if count:
            Console(stderr=True).print(f"{escape(name)} lacks {count:,} of the questions: they score 0")


def _read_runs(paths: Sequence[Path], judged: Mapping[str, object], qrels: Path, rules: ReadRules) -> Runs:
    from dpr.evaluation.run_files import read_any_run

    if len(set(paths)) < max(2, len(paths)):
        names = ", ".join(map(str, paths))
        raise ConfigError(f"the runs to compare are {names}: give --run two or more files, each one once")
    runs = {}
    for name, path in zip(_names(paths), paths, strict=True):
        runs[name] = {
            question: [passage for passage, _ in hits] for question, hits in read_any_run(path, rules).items()
        }
        if not judged.keys() & runs[name].keys():
            raise DataError.at(path, None, f"the run has none of the {len(judged)} questions that {qrels} judges")
    return runs


def _names(paths: Sequence[Path]) -> list[str]:
    """Return the shortest ends of paths, without file endings, that are all different."""
    stems = [path.with_suffix("").parts for path in paths]
    for length in range(1, max(map(len, stems)) + 1):
        names = ["/".join(path_parts[-length:]) for path_parts in stems]
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in paths]


def _as_json(
    baseline: str, compared: Mapping[str, Sequence[Compared]], missing_questions: Mapping[str, int], questions: int
) -> dict[str, object]:
    first = {row.metric: {"value": row.baseline} for row in next(iter(compared.values()))}
    compared_systems = {name: {row.metric: _row_json(row) for row in rows} for name, rows in compared.items()}
    systems = {
        name: {"metrics": metrics, "missing_questions": missing_questions[name]}
        for name, metrics in {baseline: first, **compared_systems}.items()
    }
    return {"questions": questions, "baseline": baseline, "systems": systems}


def _row_json(row: Compared) -> dict[str, object]:
    return {
        "value": row.value,
        "difference": row.difference.mean,
        "low": row.difference.interval.low,
        "high": row.difference.interval.high,
        "p_value": row.difference.p_value,
        "corrected_p_value": row.corrected_p_value,
        "is_significant": row.is_significant,
    }


def _print_table(baseline: str, compared: Mapping[str, Sequence[Compared]], questions: int) -> None:
    title = f"{questions:,} questions, in per cent; differences from {escape(baseline)}"
    names = ("metric", "run", "value", "differ-\nence", "95 %\ninterval", "\np", "cor-\nrected p", "signif-\nicant")
    table = narrow_table(*names, title=title)
    table.columns[1].overflow = "fold"
    for rows in zip(*compared.values(), strict=True):
        table.add_row(rows[0].metric, escape(baseline), f"{100 * rows[0].baseline:.1f}")
        for name, row in zip(compared, rows, strict=True):
            table.add_row("", escape(name), f"{100 * row.value:.1f}", *_judgement(row))
    Console().print(table)


def _judgement(row: Compared) -> tuple[str, ...]:
    difference, interval = row.difference, row.difference.interval
    return (
        f"{100 * difference.mean:+.1f}",
        f"{100 * interval.low:+.1f} … {100 * interval.high:+.1f}",
        _p_value(difference.p_value),
        _p_value(row.corrected_p_value),
        "yes" if row.is_significant else "no",
    )


def _p_value(value: float) -> str:
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"
