"""Speed of our encoder against sentence-transformers, on the CPU.

    python -m benchmarks.encode --data squad:dev-v1.1.json

All encode the same texts with the same weights and lengths. Every system is loaded once and encodes a quarter of the
texts unmeasured. Then the systems take turns, in an order that turns round, so that a machine that is also busy with
other work slows all alike; the ratios are to sentence-transformers as it is by default, round by round. All use all
cores, with the environment that the ``dpr-index`` command gives itself.

The share of the peak is what the model's matrix products would take at the rate of one large product of bf16 matrices,
measured in each round, over what encoding took.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.machine import describe_machine, shown, spread, write_report
from dpr.config import OFFLINE_BASE
from dpr.data.passages import read_passages
from dpr.types import FloatArray, Passage

Report = dict[str, Any]
Encode = Callable[[Sequence[Passage]], FloatArray]

QUIET_THREADS = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "10000", "HF_HUB_OFFLINE": "1"}
THEIRS = "sentence-transformers"
THEIRS_BF16 = "sentence-transformers, bf16"
EXACT = "ours, torch fp32"
PEAK_SIZE = 4096
"""Rows and columns of the square matrices whose product is the measured peak."""


def main() -> None:
    os.environ.update(QUIET_THREADS)  # they are read when torch is imported, which is below
    options = parse_options()
    console = Console()
    texts = choose_texts(options.data, options.passages)
    systems = {name: load() for name, load in loaders(options.encoder).items()}
    for encode in systems.values():
        encode(texts[::4])
    runs: dict[str, list[float]] = {name: [] for name in systems}
    peaks: list[float] = []
    for number in range(options.rounds):
        for name in list(systems)[:: -1 if number % 2 else 1]:
            began = time.perf_counter()
            systems[name](texts)
            runs[name].append(time.perf_counter() - began)
            console.print(f"round {number + 1}: {name}: {runs[name][-1]:.2f} s")
        peaks.append(measure_peak())
    report: Report = {
        "machine": describe_machine(("torch", "transformers", "sentence-transformers", "openvino")),
        "settings": {
            "data": Path(options.data.partition(":")[2]).name,
            "encoder": Path(options.encoder).name,
            "passages": len(texts),
            "rounds": options.rounds,
        },
        "peak_bf16_gflops": spread([peak / 1e9 for peak in peaks]),
        **summary(runs, peaks, count_operations(options.encoder, texts)),
    }
    exact = systems[EXACT](texts)
    for name, encode in systems.items():
        report["systems"][name]["cosine_to_fp32"] = mean_cosine(encode(texts), exact)
    if options.output:
        write_report(options.output, report)
    print_table(console, report)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, metavar="SOURCE", help="passages, or kind:PATH of questions")
    parser.add_argument("--encoder", default=OFFLINE_BASE, help="a checkpoint that sentence-transformers can load, too")
    parser.add_argument("--passages", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one round of few texts, and no file: does it run at all?")
    parser.add_argument("--output", type=Path, help="[default: results/encode.json beside this file]")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.passages = 1, 24
    elif options.output is None:
        options.output = Path(__file__).parent / "results" / "encode.json"
    return options


def choose_texts(source: str, count: int) -> list[Passage]:
    """Return passages without titles, spread evenly over the source's, in the order in which they come there."""
    passages = list(read_passages(source))
    if len(passages) < count:
        sys.exit(f"{source} has {len(passages)} passages, not {count}; give more, or take fewer --passages")
    chosen = np.linspace(0, len(passages) - 1, count).round().astype(int).tolist()
    return [Passage(passages[place].id, passages[place].text) for place in chosen]


def loaders(name: str) -> dict[str, Callable[[], Encode]]:
    """Return what loads each system."""
    import torch

    return {
        THEIRS: lambda: theirs(name),
        THEIRS_BF16: lambda: theirs(name, torch_dtype=torch.bfloat16),
        EXACT: lambda: ours(name, "fp32", "torch"),
        "ours, torch bf16": lambda: ours(name, "bf16", "torch"),
        "ours, OpenVINO fp32": lambda: ours(name, "fp32", "openvino"),
        "ours, OpenVINO bf16": lambda: ours(name, "bf16", "openvino"),
    }


def ours(name: str, precision: str, backend: str) -> Encode:
    from dpr.models.encoders import load_encoder

    return load_encoder(name, precision, backend).encode_passages


def theirs(name: str, **options: object) -> Encode:
    """Return how sentence-transformers encodes documents: with its defaults, and the prompt that a model has."""
    from sentence_transformers import SentenceTransformer

    from dpr.models.checkpoint import resolve

    model = SentenceTransformer(str(resolve(name)), device="cpu", model_kwargs=options)

    def encode(passages: Sequence[Passage]) -> FloatArray:
        vectors: FloatArray = model.encode_document([passage.text for passage in passages], show_progress_bar=False)
        return vectors

    return encode


def count_operations(name: str, texts: Sequence[Passage]) -> Report:
    """Return how many texts and tokens there are, and the operations of a BERT's matrix products over them."""
    from dpr.models.encoders import load_encoder
    from dpr.models.tokens import tokenize_passages

    encoder = load_encoder(name, backend="torch")
    config: Any = encoder.passage_encoder.model.config
    tokens = tokenize_passages(encoder.tokenizers[1], texts, encoder.config.passage_tokens)
    lengths = np.array([len(ids) for ids in tokens])
    width, layers = config.hidden_size, config.num_hidden_layers
    weights = layers * (4 * width * width + 2 * width * config.intermediate_size)
    attention = layers * 2 * width * np.square(lengths).sum()
    return {
        "passages": len(texts),
        "tokens": int(lengths.sum()),
        "operations": 2.0 * (weights * lengths.sum() + attention),
    }


def summary(runs: Mapping[str, Sequence[float]], peaks: Sequence[float], work: Report) -> Report:
    """Return each system's rate, how many times as fast as sentence-transformers it is, and its share of the peak."""
    return {
        "tokens_per_passage": work["tokens"] / work["passages"],
        "systems": {
            name: {
                "passages_per_s": spread([work["passages"] / took for took in of]),
                "ratio": spread([theirs / took for took, theirs in zip(of, runs[THEIRS], strict=True)]),
                "ratio_to_bf16": spread([theirs / took for took, theirs in zip(of, runs[THEIRS_BF16], strict=True)]),
                "share_of_peak": spread(
                    [work["operations"] / took / peak for took, peak in zip(of, peaks, strict=True)]
                ),
                "wall_s": list(of),
            }
            for name, of in runs.items()
        },
    }


def measure_peak() -> float:
    """Return operations per second of one large product of bf16 matrices: the best of five."""
    import torch

    left, right = (torch.randn(PEAK_SIZE, PEAK_SIZE).to(torch.bfloat16) for _ in range(2))
    times = []
    for _ in range(6):
        began = time.perf_counter()
        torch.mm(left, right)
        times.append(time.perf_counter() - began)
    return 2 * PEAK_SIZE**3 / min(times[1:])


def mean_cosine(vectors: FloatArray, exact: FloatArray) -> float:
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(exact, axis=1)
    return float(((vectors * exact).sum(axis=1) / lengths).mean())


def print_table(console: Console, report: Report) -> None:
    title = f"{report['settings']['passages']} passages of {report['tokens_per_passage']:.0f} tokens"
    table = Table(
        "system", "passages/s", "times as fast", "as their bf16", "of the peak", "cosine to fp32", title=title
    )
    for name, of in report["systems"].items():
        table.add_row(
            name,
            *(shown(of[key]) for key in ("passages_per_s", "ratio", "ratio_to_bf16")),
            f"{of['share_of_peak']['median']:.0%}",
            f"{of['cosine_to_fp32']:.6f}",
        )
    console.print(table)
    console.print(f"peak of bf16 products: {shown(report['peak_bf16_gflops'])} GFLOP/s")


if __name__ == "__main__":
    main()
