"""What an index of 21 million and of a billion passages takes, by ``dpr-index estimate`` and by the measured curves.

    python -m benchmarks.at_scale --corpus squad:dev-v1.1.json

Disk, memory and build time are those of `index_builder.estimate`, from a survey of a corpus of like passages. The time
of a search grows by a power law, fitted to `benchmarks/results/scale.json` (100,000, 300,000 and a million passages).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.machine import describe_machine, write_report
from dpr.dense.index_types import index_type_of
from dpr.text.registry import analyzer
from index_builder.estimate import estimate, measure_speeds
from index_builder.survey import survey

RESULTS = Path(__file__).parent / "results"
SIZES = {"Wikipedia": 21_015_324, "billion": 1_000_000_000}
KINDS = ("flat", "hnsw", "ivf-sq8", "ivf-pq")


def growth(sizes: list[int], milliseconds: list[float]) -> tuple[float, float]:
    """Return the factor and the exponent of milliseconds = factor · passages ^ exponent, by least squares of logs."""
    exponent, factor = np.polyfit(np.log(sizes), np.log(milliseconds), 1)
    return float(np.exp(factor)), float(exponent)


def curves() -> dict[str, tuple[float, float]]:
    """Return the growth of the median time of a search, by the index type and for BM25."""
    report = json.loads((RESULTS / "scale.json").read_text(encoding="utf-8"))["sizes"]
    sizes = sorted(map(int, report))
    points: dict[str, list[float]] = {}
    for size in map(str, sizes):
        for kind, entry in report[size].items():
            if kind in KINDS:
                points.setdefault(kind, []).append(entry["ask"]["dense_ms"]["p50"])
                points.setdefault(f"bm25 beside {kind}", []).append(entry["ask"]["bm25_ms"]["p50"])
    return {
        name: growth(sizes, milliseconds) for name, milliseconds in points.items() if len(milliseconds) == len(sizes)
    }


def main(
    corpus: Annotated[str, typer.Option(help="Passages like those that are meant.")],
    dimension: int = 768,
    output: Path = RESULTS / "at_scale.json",
) -> None:
    """Write the estimates of each size and index type, and the growth of search times."""
    surveyed = survey([corpus], analyzer("ko-en"), None)
    report: dict[str, Any] = {
        "machine": describe_machine(["numpy", "faiss-cpu"]),
        "dimension": dimension,
        "survey": {"passages": surveyed.passages, "text_bytes": surveyed.text_bytes, "terms": surveyed.terms},
        "growth": {name: {"factor_ms": factor, "exponent": exponent} for name, (factor, exponent) in curves().items()},
        "sizes": {},
    }
    for kind in KINDS:
        index_type = index_type_of(kind, {})
        speeds = measure_speeds(index_type, dimension)
        for name, passages in SIZES.items():
            result = estimate(surveyed, index_type, speeds, passages, dimension)
            report["sizes"].setdefault(name, {"passages": passages})[kind] = {
                "disk_bytes": dict(result.disk),
                "building_memory_bytes": result.building_memory,
                "serving_memory_bytes": result.serving_memory,
                "hours_without_encoding": sum(result.seconds.values()) / 3600,
            }
    write_report(output, report)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    typer.run(main)
