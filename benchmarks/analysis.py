"""Speed of the Korean analysis of a corpus against Kiwi alone, one text after the other on one thread.

    python -m benchmarks.analysis --data korquad:KorQuAD_v1.0_dev.json

Both see the same passages; ours makes the terms of ``ko-en``, as an index needs them, theirs the morphemes. They take
turns, so that a machine that is also busy with other work slows both alike. The memory that the analysis adds is
measured over a corpus of one copy of the passages, and of many.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
from kiwipiepy import Kiwi
from rich.console import Console

from benchmarks.machine import describe_machine, spread, write_report
from dpr.data.passages import read_passages
from dpr.text.registry import analyzer
from dpr.types import Analyzer

Report = dict[str, Any]


def main() -> None:
    options = parse_options()
    console = Console()
    texts = [passage.text for passage in read_passages(options.data)]
    characters = sum(map(len, texts))
    ours, theirs = analyzer("ko-en"), Kiwi(num_workers=1)
    runs: dict[str, Callable[[], object]] = {
        "ours": lambda: deque(ours.batch(texts), maxlen=0),
        "kiwi": lambda: deque(map(theirs.tokenize, texts), maxlen=0),
    }
    for run in runs.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(options.rounds):
        for name in sorted(runs, reverse=number % 2 == 1):
            began = time.perf_counter()
            runs[name]()
            seconds[name].append(time.perf_counter() - began)
            console.print(f"round {number + 1}: {name}: {characters / seconds[name][-1]:,.0f} characters/s")
    report: Report = {
        "machine": describe_machine(("kiwipiepy", "kiwipiepy_model")),
        "settings": {"passages": len(texts), "characters": characters, "rounds": options.rounds},
        "characters_per_s": {name: spread([characters / each for each in took]) for name, took in seconds.items()},
        "ratio": spread([slow / fast for slow, fast in zip(seconds["kiwi"], seconds["ours"], strict=True)]),
        "added_mib": {str(copies): added_memory(ours, texts, copies) for copies in (1, options.copies)},
    }
    write_report(options.output, report)
    console.print_json(json.dumps({name: report[name] for name in ("characters_per_s", "ratio", "added_mib")}))


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, metavar="SOURCE", help="Korean passages, such as korquad:FILE")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--copies", type=int, default=10, help="of the passages, in the larger corpus")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "analysis.json")
    return parser.parse_args()


def added_memory(terms: Analyzer, texts: list[str], copies: int) -> float:
    """Return by how many MiB the process grew at most while it analysed some copies of the passages."""
    process = psutil.Process()
    before = most = int(process.memory_info().rss)

    def repeated() -> Iterator[str]:
        for _ in range(copies):
            yield from texts

    for number, _ in enumerate(terms.batch(repeated())):
        if number % 100 == 0:
            most = max(most, int(process.memory_info().rss))
    return (most - before) / 2**20


if __name__ == "__main__":
    main()
