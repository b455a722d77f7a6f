"""The tables of `benchmarks.train`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.machine import shown

Report = dict[str, Any]


def print_tables(console: Console, report: Report, targets: Mapping[str, float]) -> None:
    """Print what was measured, and of the speed on a CPU, how many times as fast "ours" is to be (``targets``)."""
    if "speed" in report:
        print_speed(console, "On the CPU", report["speed"], targets)
    if "memory" in report:
        memory = report["memory"]
        table = Table("run", "MiB", "beyond loaded", title="Memory")
        for name, measured in memory["runs"].items():
            table.add_row(name, shown_memory(measured), f"{measured.get('beyond_loaded_mib', 0):,.0f}")
        console.print(table)
        ratio = memory["gradient_cache_ratio"]
        console.print(f"gradient cache against a plain small batch: {ratio:.2f} (target: at most {memory['target']})")
    cuda = report.get("cuda", {})
    if "left_out" in cuda:
        console.print(f"CUDA: left out, {cuda['left_out']}")
    for name, measured in cuda.get("models", {}).items():
        print_speed(console, f"{name} on {cuda['device']}", measured, {})


def print_speed(console: Console, title: str, measured: Report, targets: Mapping[str, float]) -> None:
    """Print rates, and the ratios of wall and CPU time to each of the others."""
    contestants, ratios = measured["contestants"], measured["ratios"]
    others = [name for name in contestants if name not in ratios]
    table = Table("trainer", "pairs/s", "pairs/CPU s", "passages/pair", "MiB", "TFLOP/s", "of peak", title=title)
    for name, of in contestants.items():
        share = of.get("share_of_peak", {}).get("median")
        table.add_row(
            name,
            shown(of["pairs_per_s"]),
            shown(of["pairs_per_cpu_s"]),
            f"{of['passages_per_question']:.2f}",
            f"{of['memory_mib']['median']:,.0f}",
            f"{of['tflops']['median']:.2f}" if "tflops" in of else "",
            "" if share is None else f"{share:.1%}",
        )
    console.print(table)
    table = Table("times as fast", "as", "wall time", "CPU time", "target")
    for name, against in ratios.items():
        for other in others:
            target = f"{targets[other]}" if name == "ours" and other in targets else ""
            table.add_row(name, other, shown(against[other]["wall_s"]), shown(against[other]["cpu_s"]), target)
    console.print(table)


def shown_memory(measured: Report) -> str:
    return measured.get("left_out") or f"{measured['memory_mib']:,.0f} MiB"
