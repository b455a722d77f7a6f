"""Memory of a server over many requests of random lengths: it levels off.

    python -m benchmarks.memory --output benchmarks/results/memory.json

It indexes passages of 4 to 230 random words, serves them, and several clients ask questions of 1 to 60 words, each for
1 to 10 passages; of a share of the questions the passages are read, too. Every so many requests it notes the resident
memory of the server. It ends with exit code 1 if memory after the last request is more than a tenth above that after
the first tenth of the requests.
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
from concurrent.futures import ThreadPoolExecutor
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
    early = next(point for point in points if point["requests"] >= options.requests / 10)
    growth = points[-1]["mib"] / early["mib"]
    print(f"{growth:.3f} of the memory after {early['requests']:,} requests")
    if options.output:
        settings = {name: value for name, value in vars(options).items() if name != "output"}
        report = {"machine": describe_machine(("openvino", "torch")), "settings": settings, "points": points}
        options.output.write_text(json.dumps({**report, "growth": growth}, indent=2) + "\n", encoding="utf-8")
    sys.exit(growth > MOST_GROWTH)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--every", type=int, default=500, help="requests from one look at the memory to the next")
    parser.add_argument("--clients", type=int, default=8, help="clients that ask at the same time")
    parser.add_argument("--read-share", type=float, default=0.1, help="share of the questions that are read, too")
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

    def point(requests: int) -> dict[str, Any]:
        mib, seconds = server.memory_info().rss / 2**20, time.perf_counter() - started
        return {"requests": requests, "mib": round(mib, 1), "seconds": round(seconds, 1)}

    with (
        httpx.Client(base_url=address, timeout=TIMEOUT_S) as client,
        ThreadPoolExecutor(options.clients) as pool,
    ):

        def ask(request: tuple[str, dict[str, Any]]) -> None:
            path, body = request
            client.post(path, json=body).raise_for_status()

        yield point(0)
        for asked in range(0, options.requests, options.every):
            count = min(options.every, options.requests - asked)
            list(pool.map(ask, [one_request(generator, options.read_share) for _ in range(count)]))
            print(latest := point(asked + count), flush=True)
            yield latest


def one_request(generator: random.Random, read_share: float) -> tuple[str, dict[str, Any]]:
    path = "/v1/query" if generator.random() < read_share else "/v1/retrieve"
    return path, {"question": text(generator, 1, 60), "k": generator.randint(1, 10)}


if __name__ == "__main__":
    main()
