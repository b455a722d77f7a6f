"""Memory of a server over many requests of random lengths: it levels off.

    python -m benchmarks.memory --output benchmarks/results/memory.json

It indexes passages of 4 to 230 random words, serves them, and asks questions of 1 to 60 words with 1 to 10 passages
to read, one after the other. Every 100 requests it notes the resident memory of the server. It ends with exit code 1
if memory after the last request is more than a tenth above that after the first quarter.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.machine import describe_machine
from examples.demo.run import installed, serving

WORDS = ("river", "lamp", "stone", "copper", "valley", "engine", "강", "등불", "돌", "구리", "골짜기", "기관")
MOST_GROWTH = 1.1
TIMEOUT_S = 120.0


def main() -> None:
    options = parse_options()
    generator = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        index = build(Path(folder), options.passages, generator)
        with serving(index, ["--backend", options.backend]) as (server, address):
            points = list(measured(server.pid, address, options, generator))
    quarter = next(point for point in points if point["requests"] >= options.requests / 4)
    growth = points[-1]["mib"] / quarter["mib"]
    print(f"{growth:.3f} of the memory after {quarter['requests']:,} requests")
    if options.output:
        settings = {name: value for name, value in vars(options).items() if name != "output"}
        report = {"machine": describe_machine(("openvino", "torch")), "settings": settings, "points": points}
        options.output.write_text(json.dumps({**report, "growth": growth}, indent=2) + "\n", encoding="utf-8")
    sys.exit(growth > MOST_GROWTH)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--every", type=int, default=100, help="requests from one look at the memory to the next")
    parser.add_argument("--passages", type=int, default=300)
    parser.add_argument("--backend", default="auto", help="auto, torch or openvino")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, help="JSON file of what was measured")
    return parser.parse_args()


def build(folder: Path, passages: int, generator: random.Random) -> Path:
    """Index random passages; return the index."""
    corpus, index = folder / "corpus.jsonl", folder / "index"
    rows = [{"id": str(number), "text": text(generator, 4, 230)} for number in range(passages)]
    corpus.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    command = [installed("dpr-index"), "build", "--corpus", str(corpus), "--output", str(index)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return index


def text(generator: random.Random, fewest: int, most: int) -> str:
    return " ".join(generator.choices(WORDS, k=generator.randint(fewest, most)))


def measured(
    process_id: int, address: str, options: argparse.Namespace, generator: random.Random
) -> Iterator[dict[str, Any]]:
    """Ask, and yield the requests so far with the server's resident memory in MiB and the seconds that they took."""
    server, started = psutil.Process(process_id), time.perf_counter()
    with httpx.Client(base_url=address, timeout=TIMEOUT_S) as client:
        for number in range(options.requests + 1):
            if number % options.every == 0 or number == options.requests:
                point = {
                    "requests": number,
                    "mib": round(server.memory_info().rss / 2**20, 1),
                    "seconds": round(time.perf_counter() - started, 1),
                }
                print(point, flush=True)
                yield point
            if number < options.requests:
                body = {"question": text(generator, 1, 60), "k": generator.randint(1, 10)}
                client.post("/v1/query", json=body).raise_for_status()


if __name__ == "__main__":
    main()
