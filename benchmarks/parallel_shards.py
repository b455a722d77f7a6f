"""Does it pay to search several FAISS indexes of one generation in parallel? FAISS's own threads are the peer.

python -m benchmarks.parallel_shards --vectors 200000 --output benchmarks/results/parallel_shards.json
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import faiss
import numpy as np
import typer

from benchmarks.machine import describe_machine, spread

K = 100
SHARDS = 4


def milliseconds(search: Callable[[], object], rounds: int) -> list[float]:
    search()
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        search()
        times.append((time.perf_counter() - started) * 1000)
    return times


def measure(
    whole: Any, shards: list[Any], questions: Any, rounds: int, threads: int, pool: ThreadPoolExecutor
) -> dict[str, dict[str, float]]:
    """Return the milliseconds of each way to search: the least, which other programs disturb least, and the median."""

    def alone() -> None:
        whole.search(questions, K)

    def one_after_another() -> None:
        for shard in shards:
            shard.search(questions, K)

    def in_parallel() -> None:
        list(pool.map(lambda shard: shard.search(questions, K), shards))

    ways = {
        "one index": (alone, threads),
        "shards in turn": (one_after_another, threads),
        "in parallel": (in_parallel, 1),
    }
    times = {}
    for name, (search, omp_threads) in ways.items():
        faiss.omp_set_num_threads(omp_threads)
        if name == "in parallel":  # each thread of the pool has a setting of its own
            list(pool.map(lambda _: faiss.omp_set_num_threads(1), range(threads * 4)))
        times[name] = spread(milliseconds(search, rounds))
    return times


def main(
    vectors: Annotated[int, typer.Option(help="How many vectors the exact index has.")] = 200_000,
    graph_vectors: Annotated[int, typer.Option(help="How many the HNSW index has.")] = 40_000,
    dimension: int = 384,
    rounds: int = 15,
    output: Path | None = None,
) -> None:
    """Measure exact and HNSW search, whole and in shards, for one question and for 32."""
    generator, threads = np.random.default_rng(0), len(os.sched_getaffinity(0))
    matrix = generator.standard_normal((vectors, dimension)).astype(np.float32)
    faiss.normalize_L2(matrix)
    questions = generator.standard_normal((32, dimension)).astype(np.float32)

    def index_of(rows: Any, kind: str) -> Any:
        inner_product = faiss.METRIC_INNER_PRODUCT
        index = faiss.IndexFlatIP(dimension) if kind == "flat" else faiss.IndexHNSWFlat(dimension, 16, inner_product)
        index.add(rows)
        return index

    report: dict[str, Any] = {
        "machine": describe_machine(["faiss-cpu", "numpy"]),
        "threads": threads,
        "k": K,
        "shards": SHARDS,
    }
    with ThreadPoolExecutor(threads) as pool:
        for kind, count in (("flat", vectors), ("hnsw", graph_vectors)):
            whole = index_of(matrix[:count], kind)
            shards = [index_of(rows, kind) for rows in np.array_split(matrix[:count], SHARDS)]
            report[kind] = {"vectors": count} | {
                f"{batch} questions": measure(whole, shards, questions[:batch], rounds, threads, pool)
                for batch in (1, 32)
            }
    text = json.dumps(report, indent=2)
    print(text)
    if output is not None:
        output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
