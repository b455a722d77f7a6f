"""Build an index on a Ray cluster of two nodes while a worker, a node or the driver is killed; compare every vector.

    python -m benchmarks.ray_faults --passages 50000 --output benchmarks/results/ray_faults.json

Starts both nodes on 127.0.0.1. Builds once in one process, and then on the cluster: undisturbed, with a worker killed,
with a node removed, and with the driver killed and the same command run again. Each must give the local build's files,
byte for byte, so exactly its vector for each id. Without ``--encoder``, it is a random BERT of two layers. Prints JSON,
and ends with 1 if a file differs.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from benchmarks.machine import describe_machine

ROOT = Path(__file__).resolve().parents[1]
WORDS = (
    *("river", "city", "king", "empire", "music", "species", "football", "century"),
    *("island", "church", "war", "language", "album", "company", "mountain", "bridge"),
)
LIMIT_S = 1500.0
BUILD = """
import sys
from functools import partial
from index_builder import segment
from index_builder.cli import main
segment.write_vectors = partial(segment.write_vectors, shard_passages=int(sys.argv.pop(1)))
main()
"""
ENVIRONMENT = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # Ray listens on 127.0.0.1 alone
    "RAY_worker_niceness": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_enable_metrics_collection": "0",
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "PYTHONPATH": str(ROOT),
}


@dataclass(frozen=True)
class Plan:
    """What is built, and how it is cut into shards."""

    corpus: Path
    encoder: str
    shard_passages: int

    def start(self, output: Path, address: str = "") -> subprocess.Popen[str]:
        """Start the build, on the cluster at ``address`` or in one process."""
        runner = f"--runner ray --ray-address {address} --ray-timeout 600" if address else "--runner local"
        arguments = f"build --corpus {self.corpus} --output {output} --encoder {self.encoder} --analyzer words"
        arguments += f" --backend torch --precision fp32 {runner}"
        command = [sys.executable, "-W", "ignore", "-c", BUILD, str(self.shard_passages), *arguments.split()]
        environment = {**os.environ, **ENVIRONMENT}
        return subprocess.Popen(
            command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )


class Nodes:
    """A Ray cluster of two nodes on this machine, of which the second one can be lost."""

    def __init__(self) -> None:
        os.environ.update({name: value for name, value in ENVIRONMENT.items() if name.startswith("RAY_")})
        from ray.cluster_utils import Cluster

        self._cluster: Any = Cluster()
        self._head = self._add(include_dashboard=False)
        self._second: Any = None
        self.address: str = self._cluster.address

    def _add(self, **options: Any) -> Any:
        return self._cluster.add_node(num_cpus=2, object_store_memory=100 << 20, **options)

    def complete(self) -> None:
        """Start the second node, if it is not there."""
        if self._second is None:
            self._second = self._add()

    def remove(self) -> bool:
        """Kill the second node's processes, if a worker encodes there; tell whether one did."""
        encodes = any(map(encoding_workers, (process.pid for _, process in self._second.live_processes())))
        if encodes:
            self._cluster.remove_node(self._second, allow_graceful=False)
            self._second = None
        return encodes

    def kill_worker(self) -> bool:
        """Kill one worker that encodes, as the kernel does when memory is short; tell whether there was one."""
        workers = encoding_workers(os.getpid())
        for worker in workers[:1]:
            worker.send_signal(signal.SIGKILL)
        return bool(workers)

    def stop(self) -> None:
        """Stop both nodes."""
        self._cluster.shutdown()


def encoding_workers(ancestor: int) -> list[psutil.Process]:
    """Return the workers below a process that are at work on a piece: Ray names a process by the task that it runs."""
    workers = []
    for process in psutil.Process(ancestor).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if re.match(r"ray::MapWorker\(.*\)\.submit", " ".join(process.cmdline())):
                workers.append(process)
    return workers


def encoded_shards(index: Path) -> int:
    """Return how many shards of vectors an unfinished build has."""
    journal = index / ".building-journal"
    return journal.read_text(encoding="utf-8").count('"encode ') if journal.is_file() else 0


def build(plan: Plan, output: Path, address: str = "", disturb: Callable[[], bool] | None = None) -> int:
    """Build an index; after the first shard, ``disturb`` until it did. Return how many shards there were then.

    Raises:
        RuntimeError: the build failed, or was over before it was disturbed.
    """
    process, shards, until = plan.start(output, address), 0, time.monotonic() + LIMIT_S
    is_disturbed = disturb is None
    while not is_disturbed and disturb is not None and process.poll() is None and time.monotonic() < until:
        shards = encoded_shards(output)
        is_disturbed = shards > 0 and disturb()
        time.sleep(0.02)
    if not is_disturbed:
        process.kill()
        raise RuntimeError(f"the build was not disturbed: {process.communicate()[1]}")
    errors = process.communicate(timeout=LIMIT_S)[1]
    if process.returncode:
        raise RuntimeError(f"the build ended with {process.returncode}: {errors}")
    return shards


def build_twice(plan: Plan, output: Path, address: str) -> int:
    """Kill the driver after the first shard, and give the same command again."""
    until = time.monotonic() + LIMIT_S
    with plan.start(output, address) as first:
        while first.poll() is None and not encoded_shards(output) and time.monotonic() < until:
            time.sleep(0.02)
        first.kill()
        if first.wait() != -signal.SIGKILL:
            raise RuntimeError(f"the build was over before it was killed: {first.communicate()[1]}")
    shards = encoded_shards(output)
    build(plan, output, address)
    return shards


def files_of(index: Path) -> dict[str, bytes]:
    """Return the files of an index's segment by their names."""
    [segment] = (index / "segments").iterdir()
    return {path.relative_to(segment).as_posix(): path.read_bytes() for path in segment.rglob("*") if path.is_file()}


def save_encoder(folder: Path) -> None:
    """Save a random BERT of two layers that has the words of the corpus as tokens, and numbers by their digits."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    digits = [prefix + digit for prefix in ("", "##") for digit in "0123456789"]
    pieces = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *digits)
    BertTokenizer(vocab={piece: number for number, piece in enumerate(pieces)}).save_pretrained(folder)
    torch.manual_seed(0)
    shape: dict[str, Any] = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
    }
    BertModel(BertConfig(vocab_size=len(pieces), max_position_embeddings=128, **shape)).save_pretrained(folder)


def write_corpus(path: Path, passages: int) -> None:
    """Write passages of different lengths, each with its own text."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(passages):
            words = [WORDS[number * step % len(WORDS)] for step in range(1, 4 + number % 23)]
            row = {"id": f"p{number}", "title": WORDS[number % 13], "text": f"{number} {' '.join(words)}"}
            file.write(json.dumps(row) + "\n")


def run_all(plan: Plan, folder: Path) -> dict[str, dict[str, Any]]:
    """Build with each fault; return how long each took, when it was disturbed, and whether its files are equal."""
    started = time.perf_counter()
    build(plan, folder / "local")
    expected = files_of(folder / "local")
    results: dict[str, dict[str, Any]] = {"local": {"seconds": round(time.perf_counter() - started, 1)}}
    nodes = Nodes()
    faults: dict[str, Callable[[Path], int]] = {
        "undisturbed": lambda output: build(plan, output, nodes.address),
        "worker killed": lambda output: build(plan, output, nodes.address, nodes.kill_worker),
        "node removed": lambda output: build(plan, output, nodes.address, nodes.remove),
        "driver killed": lambda output: build_twice(plan, output, nodes.address),
    }
    try:
        for name, fault in faults.items():
            nodes.complete()
            started, output = time.perf_counter(), folder / name.replace(" ", "-")
            shards = fault(output)
            seconds = round(time.perf_counter() - started, 1)
            is_equal = files_of(output) == expected
            results[name] = {"seconds": seconds, "shards_before": shards, "is_equal": is_equal}
            print(name, results[name], file=sys.stderr, flush=True)
    finally:
        nodes.stop()
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, default=50_000)
    parser.add_argument("--encoder", default="")
    parser.add_argument("--shard-passages", type=int, default=4096)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        corpus, encoder = Path(folder) / "corpus.jsonl", Path(folder) / "encoder"
        write_corpus(corpus, options.passages)
        if not options.encoder:
            save_encoder(encoder)
        results = run_all(Plan(corpus, options.encoder or str(encoder), options.shard_passages), Path(folder))
    report = {
        "passages": options.passages,
        "encoder": options.encoder or "random BERT, 2 layers, 32 numbers",
        "shard_passages": options.shard_passages,
        "machine": describe_machine(("ray", "torch", "transformers", "pyarrow")),
        "results": results,
    }
    print(text := json.dumps(report, indent=2))
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")
    sys.exit(not all(result.get("is_equal", True) for result in results.values()))


if __name__ == "__main__":
    main()
