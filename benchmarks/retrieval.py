"""Sparse against dense on SQuAD and KorQuAD, in small and large pools; writes docs/results.md.

    python -m benchmarks.retrieval --data DATA --work runs/results --output docs/results.md [--only korquad-small]

``DATA`` holds the data sets as published: ``squad/``, ``korquad/``, ``kobest-boolq/``, ``qed/``, ``squadshifts/``. Each
pool is indexed once with the bundled encoder, and each set is measured with `dpr benchmark` in a process of its own.
What lies in the work folder already is not made again. The page has the sets that were measured.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

Report = Mapping[str, Any]

SQUAD, KORQUAD = "squad:squad/dev-v1.1.json", "korquad:korquad/KorQuAD_v1.0_dev.json"
BOOLQ = tuple(f"boolq:kobest-boolq/{split}.tsv" for split in ("train", "dev", "test"))
ENGLISH = (
    SQUAD,
    "squad:squad/train-v1.1-44-articles.json",
    "qed:qed/nq-train-qed.jsonl",
    "squad:squadshifts/reddit_v1.0.json",
    "squad:squadshifts/amazon_reviews_v1.0.json",
)
INTRODUCTION = """# Results

What wins where, measured with `dpr benchmark` and the bundled encoder. The page is written by `python -m
benchmarks.retrieval`; [the benchmark](benchmark.md) explains the measures. Values are per cent with 95 % intervals;
whole articles are drawn, so that few articles give wide intervals.

These pools are far smaller than Wikipedia: none of these numbers belongs beside those of the DPR paper. Times are of
{processor}, {cores} cores, which other work shared meanwhile, now more, now less: they show an order of magnitude."""

METRICS = ("recall@1", "recall@5", "recall@20", "mrr@10", "answer_recall@5")


@dataclass(frozen=True, slots=True)
class ResultSet:
    """A pool of passages and the questions asked of it."""

    name: str
    title: str
    corpus: tuple[str, ...]
    questions: str


SETS = (
    ResultSet("squad-small", "SQuAD 1.1 dev, its own passages", (SQUAD,), SQUAD),
    ResultSet("squad-large", "SQuAD 1.1 dev among SQuAD train, QED and SQuADShifts", ENGLISH, SQUAD),
    ResultSet("korquad-small", "KorQuAD 1.0, last 20 articles of dev, among all of dev", (KORQUAD,), f"{KORQUAD}@120:"),
    ResultSet("korquad-large", "the same among KorQuAD dev and BoolQ", (KORQUAD, *BOOLQ), f"{KORQUAD}@120:"),
)


def main() -> None:
    options = parse_options()
    chosen = [each for each in SETS if not options.only or each.name in options.only]
    for result_set in chosen:
        measure(result_set, options.data, options.work)
    reports = {
        each.title: json.loads(path.read_text(encoding="utf-8"))
        for each in SETS
        if (path := options.work / each.name / "report" / "report.json").is_file()
    }
    options.output.write_text(page(reports), encoding="utf-8")
    Console(stderr=True).print(f"{options.output} has {len(reports)} of {len(SETS)} sets")


def measure(result_set: ResultSet, data: Path, work: Path) -> None:
    """Index the pool and measure it, unless that was done."""
    index, report = work / result_set.name / "index", work / result_set.name / "report"
    if not (index / "CURRENT").is_file():
        corpus = [part for source in result_set.corpus for part in ("--corpus", located(source, data))]
        run("import index_builder.cli as program", ["build", *corpus, "--output", str(index)])
    if not (report / "report.json").is_file():
        questions = located(result_set.questions, data)
        run(
            "import dpr.cli as program",
            ["benchmark", "--index", str(index), "--questions", questions, "--output", str(report)],
        )


def located(source: str, data: Path) -> str:
    kind, _, path = source.partition(":")
    return f"{kind}:{data / path}"


def run(program: str, arguments: Sequence[str]) -> None:
    subprocess.run([sys.executable, "-c", f"{program}; program.main()", *arguments], check=True)


def page(reports: Mapping[str, Report]) -> str:
    """Return the page with a section for each set."""
    machine = next(iter(reports.values()))["machine"] if reports else {}
    blocks = [INTRODUCTION.format(processor=machine.get("processor", ""), cores=machine.get("cores", ""))]
    for title, report in reports.items():
        blocks += section(title, report)
    return "\n\n".join(blocks) + "\n"


def section(title: str, report: Report) -> Iterable[str]:
    """Yield the blocks of a set: size, command, table, pairs and causes."""
    systems = report["systems"]
    ranking = sorted(systems, key=lambda name: -systems[name]["metrics"][report["primary"]]["value"])
    names = [name for name in METRICS if name in systems[ranking[0]]["metrics"]]
    yield f"## {title}"
    counts = f"{report['questions']['count']:,} questions about {report['documents']:,} articles"
    yield f"{counts}, {report['pool']['passages']:,} passages."
    yield from (f"> {note}" for note in report["notes"])
    head = ["system", *names, "ms, single p50", "questions/s", "index MB"]
    yield table(head, ([name, *cells(systems[name], names)] for name in ranking))
    yield "\n".join(f"* {sentence(pair)}" for pair in report["pairs"] if pair["metric"] == report["primary"])
    causes = "; ".join(
        f"{cause}: {', '.join(f'{name} {counts[name]:,}' for name in ranking)}"
        for cause, counts in report["clusters"].items()
    )
    yield f"Misses where another system finds the passage among its first {report['first_hits']}: {causes}."


def cells(system: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    metrics, cost = system["metrics"], system["cost"]
    shares = [
        f"{100 * metrics[name]['value']:.1f} ({100 * metrics[name]['low']:.1f}–{100 * metrics[name]['high']:.1f})"
        for name in names
    ]
    megabytes = f"{cost['index_bytes'] / 1e6:,.1f}" if cost["index_bytes"] else "–"
    return [*shares, f"{cost['single_ms_p50']:.1f}", f"{cost['questions_per_s']:,.0f}", megabytes]


def sentence(pair: Mapping[str, Any]) -> str:
    """Return the sentence of a pair, as the report's own."""
    from dpr.benchmark.pairs import Pair

    return Pair(**{name: value for name, value in pair.items() if name != "is_significant"}).sentence()


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--work", type=Path, default=Path("runs/results"), help="folder of indexes and reports")
    parser.add_argument("--output", type=Path, default=Path("docs/results.md"))
    parser.add_argument("--only", action="append", choices=[each.name for each in SETS], help="repeatable")
    return parser.parse_args()


if __name__ == "__main__":
    main()
