"""Load on a server: throughput and latency with and without batching, one client alone, overload, a large request.

    python -m benchmarks.http_load --index INDEX --questions squad:dev-v1.1.json --output OUTPUT.json

It serves the index twice, with batching and without, in processes of their own, and asks over loopback from this one:

* closed loop: clients that ask one question after the other, 1 and 32 of them;
* open loop: questions at a rate, whatever is answered, at four fifths of what the 32 clients reached, and at four
  times of it. Latency counts from the moment at which a question was due, so that waiting for a slow server counts too;
* a request for 64 questions × 100 passages, and single questions beside it.

Every measurement begins after a second of the same load; what is answered in it is not counted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import psutil

from benchmarks.machine import describe_machine
from dpr.data.passages import read_examples
from examples.demo.run import serving

CLIENTS = 32
MOST_CONNECTIONS = 256
WARM_UP_S = 1.0
ALLOWED_UNDER_OVERLOAD = {200, 429, 503}
MIB = 2**20


@dataclass
class Tally:
    """What came back: how many responses of each status, and the milliseconds of those with status 200."""

    statuses: Counter[int] = field(default_factory=Counter)
    latencies_ms: list[float] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)
    ended: float = 0.0

    def note(self, status: int, due: float) -> None:
        now = time.perf_counter()
        if now < self.started:
            return
        self.statuses[status] += 1
        self.ended = now
        if status == 200:
            self.latencies_ms.append((now - due) * 1000)

    def report(self) -> dict[str, Any]:
        seconds = self.ended - self.started
        p50, p95, p99 = np.percentile(self.latencies_ms, [50, 95, 99]) if self.latencies_ms else [np.nan] * 3
        return {
            "answered_per_s": round(self.statuses[200] / seconds, 1),
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
            "p50_ms": round(float(p50), 1),
            "p95_ms": round(float(p95), 1),
            "p99_ms": round(float(p99), 1),
        }


class Connection:
    """One connection to the server, which is kept from request to request."""

    def __init__(self, address: str) -> None:
        self._host, self._port = urlsplit(address).hostname, urlsplit(address).port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, body: bytes) -> int:
        """Send a body; return the status once the whole response has come; 0 where the connection broke.

        A server may close an idle connection at the moment in which it is used again: then a new one is tried.
        """
        is_kept = self._streams is not None
        status = await self._post(path, body)
        return await self._post(path, body) if is_kept and not status else status

    async def _post(self, path: str, body: bytes) -> int:
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection(self._host, self._port, limit=MIB)
            reader, writer = self._streams
            head = f"POST {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\n"
            writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines[1:] if line)
            await reader.readexactly(int(headers["content-length"]))
            if headers.get("connection") == "close":
                self.close()
            return int(lines[0].split()[1])
        except (OSError, asyncio.IncompleteReadError):
            self.close()
            return 0

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None


@dataclass(frozen=True)
class Load:
    """What is asked: an address, a path, and the bodies in turn."""

    address: str
    path: str
    bodies: Iterator[bytes]

    async def closed(self, clients: int, seconds: float) -> Tally:
        """Let clients ask one question after the other."""
        tally, end = begin(), time.perf_counter() + WARM_UP_S + seconds

        async def client() -> None:
            connection = Connection(self.address)
            while (due := time.perf_counter()) < end:
                tally.note(await connection.post(self.path, next(self.bodies)), due)
            connection.close()

        await asyncio.gather(*(client() for _ in range(clients)))
        return tally

    async def open(self, rate: float, seconds: float, watch: Callable[[], None] = lambda: None) -> Tally:
        """Ask ``rate`` questions a second at random moments; ``watch`` is called once a second."""
        tally, generator, tasks = begin(), random.Random(1), set[asyncio.Task[None]]()
        idle = [Connection(self.address) for _ in range(MOST_CONNECTIONS)]
        free = asyncio.Semaphore(MOST_CONNECTIONS)

        async def ask(due: float) -> None:
            async with free:
                connection = idle.pop()
                tally.note(await connection.post(self.path, next(self.bodies)), due)
                idle.append(connection)

        due = last_watch = time.perf_counter()
        end = due + WARM_UP_S + seconds
        while due < end:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            task = asyncio.create_task(ask(due))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            due += generator.expovariate(rate)
            if due - last_watch > 1:
                watch()
                last_watch = due
        await asyncio.gather(*tasks)
        for connection in idle:
            connection.close()
        return tally


def begin() -> Tally:
    return Tally(started=time.perf_counter() + WARM_UP_S)


def main() -> None:
    options = parse_options()
    questions = [example.question.text for example in read_examples(options.questions)]
    random.Random(1).shuffle(questions)
    report: dict[str, Any] = {"machine": describe_machine(("openvino", "torch", "uvicorn", "fastapi"))}
    report["settings"] = {"seconds": options.seconds, "overload_seconds": options.overload_seconds, "k": options.k}
    with (
        served(options, "--batching") as (server, batching),
        served(options, "--no-batching") as (_, without),
    ):
        for path in ("/v1/retrieve", "/v1/query") if options.reader else ("/v1/retrieve",):
            bodies = cycle([body(question, options.k) for question in questions])
            loads = {"batching": Load(batching, path, bodies), "no batching": Load(without, path, bodies)}
            report[path] = asyncio.run(measured(loads, server, options))
            show(path, report[path])
        if options.reader:
            report["beside a large request"] = asyncio.run(beside_a_large_request(batching, questions))
            show("beside a large request", report["beside a large request"])
    report["machine"]["load_average_at_the_end"] = psutil.getloadavg()
    if options.output:
        options.output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    overloads = [report[path]["overload"]["statuses"] for path in report if path.startswith("/v1/")]
    sys.exit(any({int(status) for status in statuses} - ALLOWED_UNDER_OVERLOAD for statuses in overloads))


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--questions", required=True, help="examples, as dpr benchmark takes them: squad:FILE")
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=10.0, help="time of each measurement but the overload")
    parser.add_argument("--overload-seconds", type=float, default=60.0)
    parser.add_argument("--rounds", type=int, default=2, help="turns of 32 clients with batching and without")
    parser.add_argument("--reader", action="store_true", help="measure /v1/query too")
    parser.add_argument("--output", type=Path, help="JSON file of what was measured")
    return parser.parse_args()


@contextmanager
def served(options: argparse.Namespace, batching: str) -> Iterator[tuple[psutil.Process, str]]:
    reader = [] if options.reader else ["--no-reader"]
    with serving(options.index, [batching, *reader, "--cache-mib", "0"]) as (process, address):
        yield psutil.Process(process.pid), address


def body(question: str, k: int) -> bytes:
    return json.dumps({"question": question, "k": k}).encode()


async def measured(loads: dict[str, Load], server: psutil.Process, options: argparse.Namespace) -> dict[str, Any]:
    """Return what each load of one path gave."""
    report: dict[str, Any] = {}
    for name, load in loads.items():
        report[f"1 client, {name}"] = (await load.closed(1, options.seconds)).report()
    for number in range(options.rounds):
        for name, load in loads.items():
            report[f"{CLIENTS} clients, {name}, round {number + 1}"] = (
                await load.closed(CLIENTS, options.seconds)
            ).report()
    rates = {
        name: np.mean(
            [
                report[f"{CLIENTS} clients, {name}, round {number + 1}"]["answered_per_s"]
                for number in range(options.rounds)
            ]
        )
        for name in loads
    }
    if not all(rates.values()):
        sys.exit(f"{CLIENTS} clients were not answered within {options.seconds:g} s; give more --seconds")
    report["batching over no batching"] = round(float(rates["batching"] / rates["no batching"]), 2)
    capacity = float(rates["batching"])
    load = loads["batching"]
    report["at capacity"] = {
        "per_s": round(0.8 * capacity, 1),
        **(await load.open(0.8 * capacity, options.seconds)).report(),
    }
    resident_mib: list[float] = []

    def watch() -> None:
        resident_mib.append(round(server.memory_info().rss / MIB, 1))

    overload = await load.open(4 * capacity, options.overload_seconds, watch)
    report["overload"] = {
        "per_s": round(4 * capacity, 1),
        **overload.report(),
        "resident_mib": {"first": resident_mib[0], "most": max(resident_mib), "last": resident_mib[-1]},
    }
    return report


async def beside_a_large_request(address: str, questions: list[str]) -> dict[str, Any]:
    """Ask 64 questions × 100 passages, and meanwhile single questions of BM25."""
    large = json.dumps({"questions": questions[:64], "k": 100}).encode()
    small = json.dumps({"question": questions[0], "retriever": "bm25", "k": 1}).encode()
    started = time.perf_counter()
    task = asyncio.create_task(Connection(address).post("/v1/query", large))
    await asyncio.sleep(1)
    tally, connection = Tally(), Connection(address)
    while not task.done():
        due = time.perf_counter()
        tally.note(await connection.post("/v1/retrieve", small), due)
        await asyncio.sleep(0.2)
    seconds = round(time.perf_counter() - started, 1)
    return {"status": task.result(), "seconds": seconds, "single questions": tally.report()}


def show(name: str, figures: dict[str, Any]) -> None:
    print(name)
    for key, value in figures.items():
        print(f"  {key}: {value}", flush=True)


if __name__ == "__main__":
    main()
