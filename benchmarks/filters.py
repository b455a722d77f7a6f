"""What a filter costs: questions with and without one, over every index type and retriever.

    python -m benchmarks.filters --passages 1000000 --folder FOLDER --output benchmarks/results/filters.json

The corpus is synthetic (`benchmarks.synthetic`), with fields that spread evenly. One index is built with exact search;
the other index types are built over its vectors. Questions are asked one by one for the first ten passages, each with
and without the filter in turn, so that both meet the same machine. ``first_ms`` is the first question of a filter,
which also makes its mask; later ones find it in memory. An index in the folder is used again.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.machine import describe_machine, write_report
from benchmarks.synthetic import TermVectors, make_questions, write_corpus
from dpr.array_files import open_vectors
from dpr.dense.index_types import INDEX_TYPES, index_type_of
from dpr.filters import parse
from dpr.search.open import OpenIndex, open_index
from dpr.store.generation import read_current, rewrite_current
from dpr.store.layout import IndexLayout
from dpr.store.manifest import DenseRecord, Manifest
from dpr.text.registry import analyzer
from index_builder.build import BuildOptions, build
from index_builder.external import segment_content

FILTERS = {
    "0.02 %": 'category = "c07" and tags contains "t13"',
    "1 %": 'category = "c07"',
    "10 %": 'category prefix "c0"',
    "52 %": "year >= 2012",
    "100 %": "year >= 2000",
}
LOCAL_KINDS = [name for name, index_type in INDEX_TYPES.items() if not index_type.is_external]
BUILT_WITH: dict[str, dict[str, int]] = {
    "hnsw": {"ef_construction": 40},
    **{kind: {"nlist": 1000} for kind in ("ivf-fp16", "ivf-sq8", "ivf-pq")},
}
"""Parameters of the builds other than the defaults, so that an index type takes a minute or two to build."""

K = 10
QUESTIONS = 200
SPARSE = ("bm25", "tfidf")


def main() -> None:
    options = parse_options()
    index = options.folder / "index"
    if not (index / "CURRENT").exists():
        build_index(options.folder, options.passages)
    systems: dict[str, Any] = {}
    for name in (*SPARSE, *(f"dense {kind}" for kind in options.kinds), "hybrid flat"):
        retriever, _, kind = name.partition(" ")
        opened = open_kind(options.folder, kind or "flat")
        systems[name] = measure(opened, retriever, make_questions(options.questions))
        print(name, json.dumps(systems[name]), flush=True)
    report = {
        "machine": describe_machine(["numpy", "faiss-cpu", "pyarrow", "numba"]),
        "passages": read_current(index).passages,
        "k": K,
        "questions": options.questions,
        "filters": FILTERS,
        "built_with": BUILT_WITH,
        "systems": systems,
        "peak_rss_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }
    write_report(options.output, report)
    show(systems)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, required=True, help="where the corpus and the indexes are written")
    parser.add_argument("--kinds", nargs="+", default=LOCAL_KINDS)
    parser.add_argument("--questions", type=int, default=QUESTIONS)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/filters.json"))
    return parser.parse_args()


def with_fields(path: Path) -> Iterator[str]:
    """Yield the lines of a corpus with fields that depend on the number of the line."""
    with path.open(encoding="utf-8") as lines:
        for row, line in enumerate(lines):
            number = (row * 2654435761) % (1 << 32)
            fields = {
                "category": f"c{number % 100:02d}",
                "year": 2000 + (number >> 8) % 25,
                "day": f"20{10 + (number >> 16) % 10}-0{1 + (number >> 20) % 9}-1{(number >> 24) % 10}",
                "tags": [f"t{(number >> 12) % 50}", f"u{(number >> 5) % 7}"],
            }
            yield f"{line[:-2]}, {json.dumps(fields)[1:]}\n"


def build_index(folder: Path, passages: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    plain, corpus = folder / "plain.jsonl", folder / "corpus.jsonl"
    write_corpus(plain, passages)
    with corpus.open("w", encoding="utf-8") as file:
        file.writelines(with_fields(plain))
    plain.unlink()
    build(BuildOptions(sources=(str(corpus),), output=folder / "index"), TermVectors(), analyzer("words"))
    corpus.unlink()


def open_kind(folder: Path, kind: str) -> OpenIndex:
    """Open the index with another index type over the same vectors, which is built if it is not there."""
    root = folder / "index"
    if kind != "flat":
        root = folder / f"index-{kind}"
        if not root.exists():
            link_tree(folder / "index", root)
        manifest = read_current(root)
        [record] = manifest.segments
        files, index_type = IndexLayout(root).segment(record.id), index_type_of(kind, BUILT_WITH.get(kind))
        if not files.dense.exists():
            unfinished = files.dense.with_suffix(".unfinished")
            vectors = open_vectors(files.vectors, record.vectors, TermVectors.dimension)
            index_type.build_segment(segment_content(record.id, files, vectors, None), unfinished)
            unfinished.rename(files.dense)

        def with_kind(before: Manifest) -> Manifest:
            dense = DenseRecord(kind, index_type.parameters)
            return replace(before, segments=(replace(record, dense=dense),))

        rewrite_current(root, with_kind)
    return open_index(root, TermVectors(), analyzer=analyzer("words"), verify="sizes")


def link_tree(source: Path, target: Path) -> None:
    """Copy a folder by links to its files, which are never written again."""
    for path in source.rglob("*"):
        copy = target / path.relative_to(source)
        if path.is_dir():
            copy.mkdir(parents=True, exist_ok=True)
        else:
            copy.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, copy)


def measure(index: OpenIndex, retriever: str, questions: Sequence[str]) -> dict[str, Any]:
    """Return the times of a retriever with each filter and without one, in milliseconds."""
    unfiltered = index.retriever(retriever)
    for question in questions:  # files are read, code is compiled
        unfiltered.search([question], K)
    measured: dict[str, Any] = {}
    for name, text in FILTERS.items():
        started = time.perf_counter()
        index.retriever(retriever, filter=parse(text)).search([questions[0]], K)
        first_ms = (time.perf_counter() - started) * 1000
        for question in questions:  # a filter that comes again and again; the first questions of one: `first_ms`
            index.retriever(retriever, filter=parse(text)).search([question], K)
        plain_s, filtered_s, short = [], [], 0
        for question in questions:
            started = time.perf_counter()
            index.retriever(retriever).search([question], K)
            between = time.perf_counter()
            [hits] = index.retriever(retriever, filter=parse(text)).search([question], K)
            filtered_s.append(time.perf_counter() - between)
            plain_s.append(between - started)
            short += len(hits) < K
        plain_ms, filtered_ms = float(np.median(plain_s)) * 1000, float(np.median(filtered_s)) * 1000
        measured[name] = {
            "passages": index.filtered.count(parse(text)),
            "first_ms": round(first_ms, 3),
            "unfiltered_ms": round(plain_ms, 3),
            "filtered_ms": round(filtered_ms, 3),
            "filtered_p95_ms": round(float(np.quantile(filtered_s, 0.95)) * 1000, 3),
            "ratio": round(filtered_ms / plain_ms, 3),
            "questions_short_of_k": short,
        }
        if retriever == "dense":
            measured[name]["recall_at_10"] = recall(index, questions, text)
    return measured


def recall(index: OpenIndex, questions: Sequence[str], text: str) -> float:
    """Return the mean share of the exact first ten passages of a filter that the index type finds."""
    selection = index.filtered.resources(parse(text))
    rows = np.flatnonzero(selection.id_rank >= 0)
    vectors = index.resources.segments[0].vectors()[rows]
    sample = list(questions)[:50]
    exact = np.argsort(-(index.resources.encoder().encode_questions(sample) @ vectors.T), axis=1)[:, :K]
    searched = index.retriever("dense", filter=parse(text)).search(sample, K)
    shares = [
        len({hit.row for hit in hits} & set(rows[best].tolist())) / min(K, len(rows))
        for hits, best in zip(searched, exact, strict=True)
    ]
    return round(float(np.mean(shares)), 4)


def show(systems: dict[str, Any]) -> None:
    table = Table("system", "filter", "passages", "unfiltered ms", "filtered ms", "ratio", "first ms", "recall@10")
    for system, filters in systems.items():
        for name, row in filters.items():
            table.add_row(
                *(system, name, f"{row['passages']:,}", f"{row['unfiltered_ms']:.2f}", f"{row['filtered_ms']:.2f}"),
                *(f"{row['ratio']:.2f}", f"{row['first_ms']:.1f}", f"{row.get('recall_at_10', 1.0):.3f}"),
            )
    Console().print(table)


if __name__ == "__main__":
    main()
