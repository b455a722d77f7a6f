"""How an index grows: building, opening, asking and changing it at several sizes, with bm25s and plain FAISS beside it.

    python -m benchmarks.scale --passages 100000 300000 1000000 --kinds ivf-pq hnsw

The corpus is synthetic (`benchmarks.synthetic`). Each step is a process of its own, whose greatest resident memory is
its peak: mapped files count as far as they were read. Questions are asked one by one; the search that is to have a
recall of 0.95 is chosen at the build by other questions. What ``dpr-index estimate`` would have said stands beside what
the build took; it knows nothing of the measurements by which a search is chosen.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import bm25s
import faiss
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.machine import describe_machine, write_report
from benchmarks.synthetic import DIMENSION, TermVectors, make_questions, write_corpus
from dpr.dense.faiss_index import FlatIndex
from dpr.dense.index_types import index_type_of
from dpr.search.open import OpenIndex, open_index
from dpr.store.generation import read_current
from dpr.text.registry import analyzer
from dpr.types import FloatArray, IntArray
from index_builder.build import BuildOptions, build
from index_builder.dense import DenseOptions
from index_builder.estimate import estimate, measure_speeds
from index_builder.survey import survey
from index_builder.update import AddOptions, add

Report = dict[str, Any]

ADDED = 1000
K = 10
SPARSE_K = 100
RECALL = 0.95
QUESTIONS = 200


def main() -> None:
    options = parse_options()
    if options.step:
        print(json.dumps(STEPS[options.step](options)))
        return
    console = Console()
    report: Report = {"machine": describe_machine(("numpy", "faiss-cpu", "bm25s")), "sizes": {}}
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for passages in options.passages:
            report["sizes"][str(passages)] = measure_size(Path(folder), passages, options.kinds, console)
            write_report(options.output, report)
    print_table(console, report)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, nargs="+", default=[100_000, 300_000, 1_000_000])
    parser.add_argument("--kinds", nargs="+", default=["ivf-pq", "hnsw"])
    parser.add_argument("--folder", type=Path, help="where the corpora and indexes are made, for a while")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "scale.json")
    parser.add_argument("--step", choices=sorted(STEPS), help=argparse.SUPPRESS)
    parser.add_argument("--index", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--corpus", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--kind", help=argparse.SUPPRESS)
    return parser.parse_args()


def measure_size(folder: Path, passages: int, kinds: Sequence[str], console: Console) -> Report:
    """Measure everything at one size; the files are removed as soon as they are not needed."""
    corpus, more = folder / "corpus.jsonl", folder / "more.jsonl"
    write_corpus(corpus, passages)
    write_corpus(more, ADDED, first=passages)
    report: Report = {}
    for kind in kinds:
        index = folder / kind
        report[kind] = {}
        for step in ("estimate", "build", "ask", "add", "reopen"):
            source_file = more if step == "add" else corpus
            report[kind][step] = run_step(step, "--index", index, "--corpus", source_file, "--kind", kind)
            console.print(f"{passages:,} {kind} {step}: {json.dumps(report[kind][step])}")
    for step in ("faiss", "bm25s"):
        report[step] = run_step(step, "--index", folder / kinds[0], "--corpus", corpus)
        console.print(f"{passages:,} {step}: {json.dumps(report[step])}")
    subprocess.run(["/bin/rm", "-r", *(str(folder / kind) for kind in kinds)], check=True)
    return report


def run_step(step: str, *arguments: object) -> Report:
    """Run a step in a process of its own; return its result with the peak of its memory."""
    command = [sys.executable, "-m", "benchmarks.scale", "--step", step, *map(str, arguments)]
    ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: Report = json.loads(ran.stdout.splitlines()[-1])
    return result


def estimate_step(options: argparse.Namespace) -> Report:
    kind = index_type_of(options.kind)
    sample = survey([str(options.corpus)], analyzer("words"), TermVectors())
    estimated = estimate(sample, kind, measure_speeds(kind, DIMENSION))
    return {
        "bytes": sum(estimated.disk.values()),
        "peak_anonymous_gib": estimated.building_memory / 2**30,
        "seconds": sum(estimated.seconds.values()),
        "steps": dict(estimated.seconds),
    }


def build_step(options: argparse.Namespace) -> Report:
    encoder = TermVectors()
    began = time.perf_counter()
    anonymous = AnonymousPeak()
    anonymous.start()
    held_out = options.corpus.with_name("questions.tsv")
    held_out.write_text("".join(f"{question}\tnone\n" for question in make_questions(2 * QUESTIONS)[QUESTIONS:]))
    choice = BuildOptions(
        sources=(str(options.corpus),),
        output=options.index,
        dense=DenseOptions(options.kind, target_recall=RECALL, question_sources=(f"pairs:{held_out}",)),
    )
    manifest = build(choice, encoder, analyzer("words"))
    dense = manifest.dense
    return {
        "seconds": time.perf_counter() - began,
        "steps": dict(manifest.provenance.seconds),
        "bytes": manifest.size_bytes,
        "parameters": dict(dense.parameters) if dense else {},
        "kind": dense.kind if dense else "",
        "curve": [asdict(point) for point in dense.curve] if dense else [],
        "peak_anonymous_gib": anonymous.most / 2**30,
        **peak(),
    }


def ask_step(options: argparse.Namespace) -> Report:
    encoder = TermVectors()
    index = open_index(options.index, encoder, analyzer=analyzer("words"))
    questions = make_questions(QUESTIONS)
    return {**measure_search(index, questions, encoder.encode_questions(questions)), **peak()}


def measure_search(index: OpenIndex, questions: Sequence[str], vectors: FloatArray) -> Report:
    """Return the times of single questions, and the recall of the dense ones."""
    terms = [question.split() for question in questions]
    dense, engine = index.resources.vector_index(), index.resources.sparse_indexes["bm25"]()
    exact_rows = FlatIndex(index.resources.segments[0].vectors()).search(vectors, K).rows
    rows = dense.search(vectors, K).rows
    return {
        "dense_ms": milliseconds(lambda number: dense.search(vectors[number : number + 1], K), len(questions)),
        "bm25_ms": milliseconds(lambda number: engine.search([terms[number]], SPARSE_K), len(questions)),
        "recall_at_10": share_found(rows, exact_rows),
    }


def add_step(options: argparse.Namespace) -> Report:
    began = time.perf_counter()
    add(AddOptions(sources=(str(options.corpus),), index=options.index), TermVectors(), analyzer("words"))
    return {"seconds": time.perf_counter() - began, **peak()}


def reopen_step(options: argparse.Namespace) -> Report:
    encoder = TermVectors()
    with options.corpus.open(encoding="utf-8") as file:
        text = json.loads(next(file))["text"]
    began = time.perf_counter()
    index = open_index(options.index, encoder, analyzer=analyzer("words"))
    for open_part in (index.resources.vector_index, index.resources.sparse_indexes["bm25"]):
        open_part()
    open_seconds = time.perf_counter() - began
    hits = index.retriever("hybrid").search([text], K)
    return {
        "open_s": open_seconds,
        "open_and_first_answer_s": time.perf_counter() - began,
        "segments": len(index.manifest.segments),
        "hits": len(hits[0]),
        **peak(),
    }


def faiss_step(options: argparse.Namespace) -> Report:
    """Plain FAISS over the same vectors, in memory: exact, and products in lists without what we add."""
    manifest = read_current(options.index)
    [folder] = [options.index / "segments" / manifest.segments[0].id]
    vectors = np.load(folder / "vectors.npy")
    questions = TermVectors().encode_questions(make_questions(QUESTIONS))
    exact = faiss.IndexFlatIP(vectors.shape[1])
    exact.add(vectors)
    exact_rows = exact.search(questions, K)[1]
    lists = faiss.index_factory(
        vectors.shape[1], f"IVF{round(4 * len(vectors) ** 0.5)},PQ48", faiss.METRIC_INNER_PRODUCT
    )
    began = time.perf_counter()
    lists.train(vectors[:: max(1, len(vectors) // 262_144)])
    lists.add(vectors)
    built = time.perf_counter() - began
    lists.nprobe = 64
    return {
        "flat_ms": milliseconds(lambda number: exact.search(questions[number : number + 1], K), 50),
        "ivf_pq_build_s": built,
        "ivf_pq_ms": milliseconds(lambda number: lists.search(questions[number : number + 1], K), QUESTIONS),
        "ivf_pq_recall_at_10": share_found(lists.search(questions, K)[1], exact_rows),
        **peak(),
    }


def bm25s_step(options: argparse.Namespace) -> Report:
    with options.corpus.open(encoding="utf-8") as file:
        texts = [json.loads(line)["text"].split() for line in file]
    began = time.perf_counter()
    index = bm25s.BM25(k1=1.2, b=0.75, method="lucene", backend="numba")
    index.index(texts, show_progress=False)
    built = time.perf_counter() - began
    questions = [question.split() for question in make_questions(QUESTIONS)]

    def retrieve(number: int) -> object:
        return index.retrieve([questions[number]], k=SPARSE_K, n_threads=0, show_progress=False)

    return {"build_s": built, "bm25_ms": milliseconds(retrieve, QUESTIONS), **peak()}


STEPS: Mapping[str, Callable[[argparse.Namespace], Report]] = {
    "estimate": estimate_step,
    "build": build_step,
    "ask": ask_step,
    "add": add_step,
    "reopen": reopen_step,
    "faiss": faiss_step,
    "bm25s": bm25s_step,
}


def milliseconds(ask: Callable[[int], object], count: int) -> Report:
    """Return the median and the 95th percentile of single questions, the first ten not counted."""
    times = []
    for number in [*range(10), *range(count)]:
        began = time.perf_counter()
        ask(number)
        times.append(1000 * (time.perf_counter() - began))
    return {"p50": float(np.median(times[10:])), "p95": float(np.quantile(times[10:], 0.95))}


def share_found(rows: IntArray, exact_rows: IntArray) -> float:
    """Return the mean share of the wanted rows that were found, (Q, k) each."""
    shares = [
        len(set(ours) & set(theirs)) / len(theirs)
        for ours, theirs in zip(rows.tolist(), exact_rows.tolist(), strict=True)
    ]
    return float(np.mean(shares))


class AnonymousPeak(threading.Thread):
    """Looks ten times a second how much memory this process has that is no mapped file."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most = 0

    def run(self) -> None:
        while True:
            lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
            [size] = [int(line.split()[1]) for line in lines if line.startswith("RssAnon:")]
            self.most = max(self.most, size * 1024)
            time.sleep(0.1)


def peak() -> Report:
    """Return the greatest memory that this process had."""
    return {"peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}


def print_table(console: Console, report: Report) -> None:
    table = Table("passages", "kind", "build s", "GiB", "open s", "BM25 ms", "dense ms", "recall", "add 1,000 s")
    estimates = Table("passages", "kind", "disk", "memory", "time", title="Estimate, as a share of what the build took")
    for passages, size in report["sizes"].items():
        for kind, of_kind in size.items():
            if "build" not in of_kind:
                continue
            ask, build_ = of_kind["ask"], of_kind["build"]
            numbers = (
                f"{build_['seconds']:.0f}",
                f"{build_['peak_gib']:.1f}",
                f"{of_kind['reopen']['open_s']:.3f}",
                f"{ask['bm25_ms']['p50']:.2f}",
                f"{ask['dense_ms']['p50']:.2f}",
                f"{ask['recall_at_10']:.3f}",
                f"{of_kind['add']['seconds']:.1f}",
            )
            table.add_row(f"{int(passages):,}", kind, *numbers)
            shares = [
                of_kind["estimate"][quantity] / build_[quantity]
                for quantity in ("bytes", "peak_anonymous_gib", "seconds")
            ]
            estimates.add_row(f"{int(passages):,}", kind, *(f"{share:.2f}" for share in shares))
    console.print(table)
    console.print(estimates)


if __name__ == "__main__":
    main()
