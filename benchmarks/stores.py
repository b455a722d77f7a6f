"""A question over an index in a database, beside the same index in files: milliseconds, and whether the hits agree.

    DPR_POSTGRES=… DPR_MILVUS_URI=… python -m benchmarks.stores --passages 100000 --folder FOLDER

The corpus is synthetic, with fields (`benchmarks.filters`). One index is built with exact search; the other index types
are built over its vectors, those of databases in the ones that the environment names. Each question is asked of every
index type in turn, one at a time, so that all meet the same machine. Questions are encoded before: the time is that of
the search alone.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.filters import FILTERS, build_index, open_kind
from benchmarks.machine import describe_machine, write_report
from benchmarks.synthetic import TermVectors, make_questions
from dpr.dense.index_types import INDEX_TYPES
from dpr.errors import ConfigError
from dpr.filters import Filter, parse
from dpr.search.open import OpenIndex
from dpr.types import IntArray

K = 100
QUESTIONS = 200
SEARCHES: dict[str, str | None] = {"no filter": None, **FILTERS}


def main() -> None:
    options = parse_options()
    if not (options.folder / "index" / "CURRENT").exists():
        build_index(options.folder, options.passages)
    indexes, load_s = {}, {}
    for kind in ("flat", *options.kinds):
        began = time.perf_counter()
        indexes[kind] = open_kind(options.folder, kind)
        indexes[kind].open_files()
        load_s[kind] = round(time.perf_counter() - began, 1)
    questions = TermVectors().encode_questions(make_questions(options.questions))
    results = {
        name: measure(indexes, questions, None if text is None else parse(text)) for name, text in SEARCHES.items()
    }
    report = {
        "machine": describe_machine(["numpy", "faiss-cpu", "psycopg", "pymilvus", "milvus-lite"]),
        "passages": indexes["flat"].manifest.passages,
        "dimension": TermVectors.dimension,
        "k": K,
        "questions": options.questions,
        "load_s": load_s,
        "searches": results,
    }
    write_report(options.output, report)
    show(results)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, required=True, help="where the corpus and the indexes are written")
    parser.add_argument("--kinds", nargs="+", default=["hnsw", *named_databases()])
    parser.add_argument("--questions", type=int, default=QUESTIONS)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/stores.json"))
    return parser.parse_args()


def named_databases() -> list[str]:
    """Return the index types in the databases that the environment names."""
    names = []
    for name, index_type in INDEX_TYPES.items():
        try:
            index_type.check_reachable()
        except ConfigError:
            continue
        names += [name] if index_type.is_external else []
    return names


def measure(indexes: dict[str, OpenIndex], questions: Any, condition: Filter | None) -> dict[str, Any]:
    """Return the times of each index in milliseconds, and the share of the exact hits that it finds."""
    searches = {
        kind: (index.resources if condition is None else index.filtered.resources(condition)).vector_index()
        for kind, index in indexes.items()
    }
    seconds: dict[str, list[float]] = {kind: [] for kind in searches}
    rows: dict[str, list[IntArray]] = {kind: [] for kind in searches}
    for number in range(len(questions)):
        for kind, search in searches.items():
            began = time.perf_counter()
            top = search.search(questions[number : number + 1], K)
            seconds[kind].append(time.perf_counter() - began)
            rows[kind].append(top.rows[0])
    exact = rows["flat"]
    return {
        kind: {
            "p50_ms": round(float(np.median(seconds[kind])) * 1000, 2),
            "p95_ms": round(float(np.quantile(seconds[kind], 0.95)) * 1000, 2),
            "recall": round(float(np.mean([_share(a, b) for a, b in zip(exact, rows[kind], strict=True)])), 4),
            "equal": all(np.array_equal(a, b) for a, b in zip(exact, rows[kind], strict=True)),
        }
        for kind in searches
    }


def _share(exact: IntArray, actual: IntArray) -> float:
    expected = set(exact[exact >= 0].tolist())
    return len(expected & set(actual.tolist())) / len(expected) if expected else 1.0


def show(results: dict[str, Any]) -> None:
    table = Table("search", "index type", "p50 ms", "p95 ms", "recall@100", "equal to flat")
    for name, kinds in results.items():
        for kind, figures in kinds.items():
            table.add_row(name, kind, *(str(figures[key]) for key in ("p50_ms", "p95_ms", "recall", "equal")))
    Console().print(table)


if __name__ == "__main__":
    main()
