"""The report as Markdown: for a repository, a pull request or a mail."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from dpr.benchmark.breakdown import FEW_QUESTIONS
from dpr.benchmark.failures import clusters
from dpr.benchmark.machine import machine
from dpr.benchmark.report import BenchmarkReport
from dpr.benchmark.verdict import pareto_front, verdict
from dpr.durable import write_atomically
from dpr.versions import library_versions

SHOWN = ("recall@", "mrr@", "ndcg@", "map@", "rprec", "answer_recall@")


def write_markdown(path: Path, report: BenchmarkReport) -> None:
    """Write the report as Markdown, atomically."""
    write_atomically(path, as_markdown(report))


def as_markdown(report: BenchmarkReport) -> str:
    """Return the report as Markdown, with the picture of recall beside it."""
    answer, counts = verdict(report), report.question_set
    source = f" of `{counts.source}`" if counts.source else ""
    blocks = [
        "# Which retriever should I use?",
        f"**{answer.english[0]}** {' '.join(answer.english[1:])}",
        f"{counts.count:,} questions{source}, {report.pool.passages:,} passages.",
        *(f"> {note.english}" for note in report.notes()),
        "## Quality",
        "Means over all judged questions in per cent, with 95 % intervals.",
        _quality(report),
        "![Recall over the number of passages](recall.svg)",
        "## Pairs",
        *(f"* {pair.sentence()}" for pair in report.pairs if pair.metric == report.primary),
        *_cost(report),
        f"## Groups, by {report.primary}",
        _groups(report),
        f"\\* fewer than {FEW_QUESTIONS} questions say little"
        if any(group.is_small for group in report.groups)
        else "",
        "## Misses",
        _misses(report),
        "## How it was measured",
        _method(report),
    ]
    return "\n\n".join(_joined(blocks)) + "\n"


def _joined(blocks: Iterable[str]) -> list[str]:
    """Return the blocks with the items of one list in one block."""
    joined: list[str] = []
    for block in blocks:
        if joined and block[:2] in ("* ", "> ") and joined[-1][:2] == block[:2]:
            joined[-1] += f"\n{block}" if block[0] == "*" else f"\n>\n{block}"
        elif block:
            joined.append(block)
    return joined


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    escaped = ([cell.replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in escaped)


def _quality(report: BenchmarkReport) -> str:
    names = [name for name in report.systems[report.ranking[0]].metrics if name.startswith(SHOWN)]
    rows = []
    for name in report.ranking:
        metrics = report.systems[name].metrics
        cells = (
            f"{100 * metrics[each].value:.1f} ({100 * metrics[each].low:.1f}–{100 * metrics[each].high:.1f})"
            for each in names
        )
        rows.append([name, *cells])
    return _table(["system", *names], rows)


def _cost(report: BenchmarkReport) -> list[str]:
    front = pareto_front(report)
    timed = {name: cost for name in report.ranking if (cost := report.systems[name].cost)}
    if not timed:
        return []
    rows = [
        [
            f"**{name}**" if name in front else name,
            f"{cost.single_ms_p50:.1f}",
            f"{cost.single_ms_p95:.1f}",
            _number(cost.batch_ms_p50),
            _number(cost.batch_ms_p95),
            f"{cost.questions_per_s:,.0f}",
            _megabytes(cost.index_bytes),
            _number(cost.build_s),
            _megabytes(cost.memory_bytes),
        ]
        for name, cost in timed.items()
    ]
    batch = next(iter(timed.values())).batch_questions
    head = ("single p50 ms", "single p95 ms", f"batch of {batch} p50 ms", "batch p95 ms", "questions/s")
    return [
        "## Cost",
        "Bold: no other system is both better and faster.",
        _table(["system", *head, "index MB", "build s", "memory MB"], rows),
    ]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.1f}"


def _megabytes(count: int | None) -> str:
    return "–" if count is None else f"{count / 1e6:,.1f}"


def _groups(report: BenchmarkReport) -> str:
    rows = [
        [
            group.trait,
            group.value,
            f"{group.count:,}{'*' if group.is_small else ''}",
            *(f"{100 * group.systems[name].value:.1f}" for name in report.ranking),
        ]
        for group in report.groups
    ]
    return _table(["trait", "group", "questions", *report.ranking], rows)


def _misses(report: BenchmarkReport) -> str:
    counts = clusters(report.disagreements, report.ranking)
    if not counts:
        return "All systems get the same questions."
    introduction = f"""Questions that one system gets (a right passage among the first {report.first_hits}) and another
misses, by the cause that decides."""
    return f"{introduction}\n\n" + _table(
        ["cause", *report.ranking],
        ([cause, *(f"{of_system[name]:,}" for name in report.ranking)] for cause, of_system in counts.items()),
    )


def _method(report: BenchmarkReport) -> str:
    units = f"{report.documents:,} whole documents" if report.documents else "questions"
    fused = {name: report.systems[name].fusion_words.english for name in report.ranking}
    lines = [
        "A question that a system did not answer counts 0.",
        f"Intervals are bootstrap percentiles of 10,000 resamples of {units}; the seed is {report.seed}.",
        "The p-values are of paired randomization, corrected by Holm's method over all pairs of a measure.",
        f"Index generation {report.pool.generation}; {report.depth} hits of each system count.",
        *(f"Fusion of {name}: {words}." for name, words in fused.items() if words),
        f"Machine: {', '.join(f'{name} {value}' for name, value in machine().items())}.",
        f"Versions: {', '.join(f'{name} {version}' for name, version in library_versions().items())}.",
    ]
    command = f"\n\n```\n{report.command}\n```" if report.command else ""
    return "\n".join(lines) + command
