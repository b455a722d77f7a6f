"""Speed of the sparse engine against bm25s (its Numba backend) and rank-bm25, on a synthetic collection.

    python -m benchmarks.sparse --passages 300000 --questions 2000 --k 100

Terms follow Zipf's law in passages and questions alike; a second set of questions leaves out the most frequent terms,
as an analyzer that knows stop words does. The systems take turns within each repetition, and the ratios are medians
over repetitions, so that a machine that is also busy with other work slows both sides alike. The scores of the systems
are compared before their speeds are.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import bm25s
import numpy as np
import psutil
from rank_bm25 import BM25Okapi
from rich.console import Console
from rich.table import Table

from benchmarks.machine import describe_machine, spread, write_report
from dpr.sparse.counts import TermCounts
from dpr.sparse.engine import SparseEngine, SparseSegment
from dpr.sparse.scheme import SCHEMES
from dpr.types import FloatArray

Documents = list[list[str]]
Report = dict[str, Any]
Result = TypeVar("Result")

PACKAGES = ("numpy", "numba", "bm25s", "rank-bm25")
K1, B = 1.2, 0.75
ALL_TERMS, NO_STOP_WORDS = "all terms", "no stop words"
TOLERANCE = 1e-5
BYTES_OF_A_RANK_BM25_PASSAGE = 6_000

START_UP = """
import sys, time
start = time.process_time()
from pathlib import Path
import numpy as np
from dpr.sparse.counts import TermCounts
from dpr.sparse.engine import SparseEngine, SparseSegment
imported = time.process_time()
folder = Path(sys.argv[1])
counts, weights = TermCounts.open(folder), np.load(folder / "weights.npy", mmap_mode="r")
engine = SparseEngine([SparseSegment(counts, weights, counts.document_frequencies)])
opened = time.process_time()
engine.search([sys.argv[2:]], 10)
print(imported - start, opened - imported, time.process_time() - opened)
"""


def main() -> None:
    options = parse_options()
    console = Console()
    console.print(f"making {options.passages:,} passages …")
    documents, questions = make_collection(options)
    settings = {name: value for name, value in vars(options).items() if name != "output"}
    report: Report = {"machine": describe_machine(PACKAGES), "settings": settings}

    console.print("indexing …")
    counts, report["build"] = build(documents)
    report["collection"] = describe_collection(counts, questions)
    with tempfile.TemporaryDirectory() as folder:
        report["start_up"] = measure_start_up(counts, questions[ALL_TERMS][0], Path(folder))

    ours = open_engine(counts, "bm25-lucene", options.threads)
    theirs, report["build"]["bm25s_s"] = timed(lambda: index_with_bm25s(documents))
    console.print("searching …")
    report["bm25s"] = {name: compare_with_bm25s(ours, theirs, asked, options) for name, asked in questions.items()}
    del theirs
    report["rank_bm25"] = compare_with_rank_bm25(counts, documents, questions[ALL_TERMS], options)

    write_report(options.output, report)
    print_tables(console, report)
    console.print(f"written to {options.output}")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, default=300_000)
    parser.add_argument("--terms", type=int, default=80, help="terms of a passage")
    parser.add_argument("--vocabulary", type=int, default=200_000, help="different terms")
    parser.add_argument("--exponent", type=float, default=1.0, help="of Zipf's law")
    parser.add_argument("--questions", type=int, default=2000, help="questions of a batch")
    parser.add_argument("--question-terms", type=int, default=8)
    parser.add_argument("--stop-words", type=int, default=100, help="most frequent terms, in no second question")
    parser.add_argument("--k", type=int, default=100)
    parser.add_argument("--threads", type=int, default=2, help="threads of a batch, on either side")
    parser.add_argument("--repetitions", type=int, default=9)
    parser.add_argument("--single", type=int, default=300, help="questions asked one by one")
    parser.add_argument("--rank-bm25-questions", type=int, default=5, help="0 leaves rank-bm25 out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "sparse.json")
    return parser.parse_args()


def make_collection(options: argparse.Namespace) -> tuple[Documents, dict[str, Documents]]:
    """Return passages and two sets of questions as their terms, each drawn independently by Zipf's law."""
    generator = np.random.default_rng(options.seed)
    shares = np.arange(1, options.vocabulary + 1, dtype=np.float64) ** -options.exponent
    bounds = np.cumsum(shares / shares.sum())
    names = [f"term{number}" for number in range(options.vocabulary)]

    def draw(texts: int, terms: int, left_out: int = 0) -> Documents:
        points = generator.uniform(bounds[left_out - 1] if left_out else 0.0, 1.0, (texts, terms))
        numbers = np.minimum(np.searchsorted(bounds, points), options.vocabulary - 1)
        return [[names[number] for number in line] for line in numbers.tolist()]

    return draw(options.passages, options.terms), {
        ALL_TERMS: draw(options.questions, options.question_terms),
        NO_STOP_WORDS: draw(options.questions, options.question_terms, options.stop_words),
    }


def build(documents: Documents) -> tuple[TermCounts, Report]:
    TermCounts.build([["warm", "up"]])
    counts, counting_s = timed(lambda: TermCounts.build(documents))
    _, weighing_s = timed(lambda: SCHEMES["bm25"].weights(counts))
    return counts, {"counts_s": counting_s, "weights_s": weighing_s}


def index_with_bm25s(documents: Documents) -> bm25s.BM25:
    index = bm25s.BM25(k1=K1, b=B, method="lucene", backend="numba")
    index.index(documents, show_progress=False)
    return index


def open_engine(counts: TermCounts, scheme: str, threads: int) -> SparseEngine:
    return SparseEngine([SparseSegment.alone(counts, scheme, k1=K1, b=B)], scheme, threads=threads)


def compare_with_bm25s(
    ours: SparseEngine, theirs: bm25s.BM25, questions: Documents, options: argparse.Namespace
) -> Report:
    batch: dict[str, Callable[[], FloatArray]] = {
        "ours": lambda: ours.search(questions, options.k).scores,
        "bm25s": lambda: retrieve_with_bm25s(theirs, questions, options.k, options.threads),
    }
    single: dict[str, Callable[[list[str]], FloatArray]] = {
        "ours": lambda question: ours.search([question], options.k).scores,
        "bm25s": lambda question: retrieve_with_bm25s(theirs, [question], options.k, 0),
    }
    difference = compare_scores(batch["ours"](), batch["bm25s"]())
    for search in single.values():
        search(questions[0])
    return {
        "greatest_score_difference": difference,
        "batch": race(batch, options.repetitions, len(questions)),
        "single": race_singly(single, questions[: options.single]),
    }


def retrieve_with_bm25s(index: bm25s.BM25, questions: Documents, k: int, threads: int) -> FloatArray:
    scores: FloatArray = index.retrieve(questions, k=k, n_threads=threads, show_progress=False).scores
    return scores


def compare_with_rank_bm25(
    counts: TermCounts, documents: Documents, questions: Documents, options: argparse.Namespace
) -> Report:
    """Ask a few questions of rank-bm25, which visits every passage for every term."""
    needed = len(documents) * BYTES_OF_A_RANK_BM25_PASSAGE
    if options.rank_bm25_questions == 0 or psutil.virtual_memory().available < needed:
        return {"left_out": f"it needs about {needed / 2**30:.1f} GiB for {len(documents):,} passages"}
    asked = questions[: options.rank_bm25_questions]
    ours = open_engine(counts, "bm25", options.threads)
    package, build_s = timed(lambda: BM25Okapi(documents, k1=K1, b=B))
    scores, search_s = timed(lambda: [np.sort(package.get_scores(question))[::-1][: options.k] for question in asked])
    found = ours.search(asked, options.k).scores
    _, ours_s = timed(lambda: ours.search(questions, options.k))
    per_second = {"ours": len(questions) / ours_s, "rank_bm25": len(asked) / search_s}
    return {
        "greatest_score_difference": compare_scores(found, np.array(scores, dtype=np.float32)),
        "questions": len(asked),
        "build_s": build_s,
        "questions_per_s": per_second,
        "ratio": per_second["ours"] / per_second["rank_bm25"],
    }


def compare_scores(ours: FloatArray, theirs: FloatArray) -> float:
    """Return the greatest difference of two score arrays (Q, k), which must be within the tolerance.

    Raises:
        SystemExit: they are not; a difference of speed would then say nothing.
    """
    ours = np.where(np.isneginf(ours), 0, ours)  # the others pad with passages of score 0
    theirs = -np.sort(-theirs, axis=1)
    if not np.allclose(ours, theirs, rtol=TOLERANCE, atol=TOLERANCE):
        sys.exit(f"the scores differ by up to {np.abs(ours - theirs).max()}; the systems do not compute the same")
    return float(np.abs(ours - theirs).max())


def race(systems: dict[str, Callable[[], FloatArray]], repetitions: int, questions: int) -> Report:
    """Time the systems in turns, the first of each turn changing; "ours" against the other one."""
    wall: dict[str, list[float]] = {name: [] for name in systems}
    cpu: dict[str, list[float]] = {name: [] for name in systems}
    for repetition in range(repetitions):
        for name in sorted(systems, reverse=repetition % 2 == 1):
            cpu_start = time.process_time()
            wall[name].append(timed(systems[name])[1])
            cpu[name].append(time.process_time() - cpu_start)
    other = next(name for name in systems if name != "ours")
    return {
        "questions_per_s": {name: questions / float(np.median(times)) for name, times in wall.items()},
        "ratio": spread([theirs / ours for ours, theirs in zip(wall["ours"], wall[other], strict=True)]),
        "cpu_ratio": spread([theirs / ours for ours, theirs in zip(cpu["ours"], cpu[other], strict=True)]),
        "wall_s": wall,
    }


def race_singly(systems: dict[str, Callable[[list[str]], FloatArray]], questions: Documents) -> Report:
    """Time one question after the other, each by both systems in turn."""
    times: dict[str, list[float]] = {name: [] for name in systems}
    for place, question in enumerate(questions):
        for name in sorted(systems, reverse=place % 2 == 1):
            start = time.perf_counter()
            systems[name](question)
            times[name].append(time.perf_counter() - start)
    other = next(name for name in systems if name != "ours")
    return {
        "median_ms": {name: 1e3 * float(np.median(values)) for name, values in times.items()},
        "ratio": spread([theirs / ours for ours, theirs in zip(times["ours"], times[other], strict=True)]),
    }


def measure_start_up(counts: TermCounts, question: Sequence[str], folder: Path) -> Report:
    """Time import, opening and first search in new processes: without, with and never with kept machine code."""
    counts.save(folder / "counts")
    np.save(folder / "counts" / "weights.npy", SCHEMES["bm25"].weights(counts))
    kept = {"NUMBA_CACHE_DIR": str(folder / "cache")}
    nowhere = {"NUMBA_CACHE_DIR": os.devnull, "NUMBA_CACHE_LOCATOR_CLASSES": "UserProvidedCacheLocator"}
    runs = {"first process": kept, "later process": kept, "no folder to keep code in": nowhere}
    report: Report = {}
    for name, environment in runs.items():
        command = [sys.executable, "-c", START_UP, str(folder / "counts"), *question]
        paths = os.pathsep.join([str(Path(__file__).resolve().parent.parent), os.environ.get("PYTHONPATH", "")])
        ran = subprocess.run(
            command, env={**os.environ, **environment, "PYTHONPATH": paths}, check=True, capture_output=True, text=True
        )
        report[name] = dict(zip(("import_s", "open_s", "first_search_s"), map(float, ran.stdout.split()), strict=True))
    return report


def timed(work: Callable[[], Result]) -> tuple[Result, float]:
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def describe_collection(counts: TermCounts, questions: dict[str, Documents]) -> Report:
    return {
        "passages": len(counts.lengths),
        "terms": len(counts.vocabulary),
        "postings": len(counts.rows),
        "mean_postings_of_a_question": {name: mean_postings(counts, asked) for name, asked in questions.items()},
    }


def mean_postings(counts: TermCounts, questions: Documents) -> float:
    numbers = counts.vocabulary.lookup([term for question in questions for term in set(question)])
    return float(counts.document_frequencies[numbers[numbers >= 0]].sum() / len(questions))


def print_tables(console: Console, report: Report) -> None:
    table = Table("other system, questions", "measure", "ours", "theirs", "ratio (median, low to high)", title="BM25")
    for name, compared in report["bm25s"].items():
        batch, single = compared["batch"], compared["single"]
        rates, medians = batch["questions_per_s"].values(), single["median_ms"].values()
        table.add_row(f"bm25s, {name}", "batch, questions/s", *map("{:,.0f}".format, rates), shown(batch["ratio"]))
        table.add_row("", "batch, CPU time", "", "", shown(batch["cpu_ratio"]))
        table.add_row("", "one alone, ms", *map("{:.2f}".format, medians), shown(single["ratio"]))
    rank = report["rank_bm25"]
    rates = rank.get("questions_per_s", {}).values()
    outcome = rank.get("left_out") or f"{rank['ratio']:,.0f}"
    table.add_row("rank-bm25, all terms", "questions/s", *(list(map("{:,.2f}".format, rates)) or ["", ""]), outcome)
    console.print(table)
    start_up = Table("CPU seconds", "import", "open", "first search", title="Start of a process")
    for name, seconds in report["start_up"].items():
        start_up.add_row(name, *(f"{value:.3f}" for value in seconds.values()))
    console.print(start_up)


def shown(ratio: Report) -> str:
    return f"{ratio['median']:.2f} ({ratio['low']:.2f} to {ratio['high']:.2f})"


if __name__ == "__main__":
    main()
