"""What an index will take: disk, memory and time, from a survey of its corpus and the sizes of its files."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import psutil

from dpr.dense.ivf import LEAST_TRAINING, TRAINING_PER_LIST, TRAINING_ROUNDS
from dpr.dense.kinds import KINDS, Parameters
from dpr.errors import ConfigError
from index_builder.sparse import BLOCK_PASSAGES
from index_builder.survey import Survey

ROW_BYTES = 40
"""Of a passage in Arrow, beside its texts: four offsets and a number of 8 bytes each."""

ID_BYTES = 130
"""Of memory for each passage while the corpus is read: hashes of its id and its content."""

WINDOW_BYTES = 12
"""Of a window: the row of its passage, its start and its end."""

ALIKE_BYTES = 90
"""Of memory for each passage while those of equal content are found."""

TERM_BYTES = 120
"""Of memory for each different term of a block while its passages are counted."""

POSTING_S = 3e-7
"""Seconds for each posting: counted, merged, weighed by two schemes, checked."""

CACHED_GRAPH = 100_000
"""Vectors above which a step along a graph waits for memory, and takes longer with the graph to the following power."""

GRAPH_POWER = 0.23


@dataclass(frozen=True, slots=True)
class Speeds:
    """What this machine does in a second: float32 operations of a matrix product, bytes hashed, HNSW insertions.

    The insertions are those into a graph of ``graph_size`` vectors.
    """

    operations: float
    hashed: float
    inserted: float
    graph_size: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """What building and serving an index takes, in bytes and seconds.

    ``disk`` is by kind of file, ``seconds`` by step. ``building_disk`` and ``building_memory`` are the greatest during
    the build; memory does not count mapped files, which the system reads and drops as it has room. ``serving_memory``
    does: it is what searches read again and again.
    """

    passages: int
    vectors: int | None
    dimension: int | None
    disk: Mapping[str, int]
    building_disk: int
    building_memory: int
    serving_memory: int
    seconds: Mapping[str, float]


def estimate(
    found: Survey,
    kind: str,
    parameters: Parameters,
    speeds: Speeds,
    passages: int | None = None,
    dimension: int | None = None,
) -> Estimate:
    """Return what an index of such a corpus takes.

    Args:
        found: what the corpus is like.
        kind: the kind of vector index; its parameters follow.
        parameters: those that were given.
        speeds: what this machine does in a second.
        passages: how many there will be, if the corpus is only a part.
        dimension: that of the vectors, if another encoder will make them; the time of encoding is then not known.

    Raises:
        ConfigError: the kind is unknown.
    """
    total, width = passages or found.passages, dimension or found.dimension
    vectors = round(total * found.vectors)
    disk = disk_of(found, total, width, kind, parameters)
    blocks = total * found.postings * 8
    base = psutil.Process().memory_info().rss
    working = {
        "corpus": total * ID_BYTES,
        "terms": min(total, BLOCK_PASSAGES) * found.terms * 8
        + found.vocabulary_of(min(total, BLOCK_PASSAGES)) * TERM_BYTES
        + found.vocabulary_of(total) * 24,
        "encode": vectors * ALIKE_BYTES if width else 0,
        "dense": dense_memory(kind, parameters, vectors, width) if width else 0,
    }
    walked = disk.get("vectors", 0) if kind in ("flat", "hnsw") else 0
    read_again = walked + disk.get("dense", 0) + disk["sparse"] // 2
    return Estimate(
        passages=total,
        vectors=vectors if width else None,
        dimension=width,
        disk=disk,
        building_disk=round(max(sum(disk.values()), disk["passages"] + disk["sparse"] + blocks)),
        building_memory=round(base + max(working.values())),
        serving_memory=round(base + read_again),
        seconds=_seconds(found, total, width, kind, parameters, speeds, sum(disk.values())),
    )


def disk_of(found: Survey, passages: int, dimension: int | None, kind: str, parameters: Parameters) -> dict[str, int]:
    """Return the bytes of an index's files: passages, term counts with their weights, vectors, vector index."""
    postings, terms = passages * found.postings, found.vocabulary_of(passages)
    sizes = {
        "passages": passages * (found.text_bytes + ROW_BYTES),
        # rows, counts and two weights of a posting; offsets and frequencies of a term; lengths and rank of a passage
        "sparse": postings * 16 + terms * (24 + found.term_bytes) + passages * 8,
    }
    if dimension:
        vectors = round(passages * found.vectors)
        sizes["vectors"] = vectors * dimension * 4 + (vectors * WINDOW_BYTES if vectors > passages else 0)
        sizes["dense"] = dense_bytes(kind, parameters, vectors, dimension)
    return {name: round(size) for name, size in sizes.items()}


def dense_bytes(kind: str, parameters: Parameters, vectors: int, dimension: int) -> float:
    """Return the bytes of a vector index beside the vectors.

    Raises:
        ConfigError: the kind is unknown.
    """
    if kind not in KINDS:
        raise ConfigError(f"unknown kind of vector index {kind!r}; choose {', '.join(KINDS)}")
    chosen = {**KINDS[kind].defaults, **parameters}
    if kind == "flat":
        return 0
    if kind == "hnsw":
        return vectors * _graph_bytes(chosen)
    return vectors * (_code_bytes(kind, chosen, dimension) + 8) + _lists(chosen, vectors) * (dimension * 4 + 8)


def dense_memory(kind: str, parameters: Parameters, vectors: int, dimension: int) -> float:
    """Return the memory that building a vector index takes: codes or graph, and the vectors that are learned from."""
    chosen = {**KINDS[kind].defaults, **parameters}
    if kind == "flat":
        return 0
    if kind == "hnsw":
        return vectors * (dimension * 4 + _graph_bytes(chosen))
    learned = min(vectors, max(TRAINING_PER_LIST * _lists(chosen, vectors), LEAST_TRAINING))
    return learned * dimension * 8 + dense_bytes(kind, parameters, vectors, dimension)


def refuse_what_cannot_fit(kind: str, parameters: Parameters, vectors: int, dimension: int) -> None:
    """Refuse to build a vector index that this machine has no memory for.

    Raises:
        ConfigError: it takes more than there is.
    """
    needed, free = dense_memory(kind, parameters, vectors, dimension), psutil.virtual_memory().available
    if needed > free:
        raise ConfigError(
            f"building the dense kind {kind!r} over {vectors:,} vectors of {dimension} numbers takes "
            f"{needed / 2**30:.1f} GiB of memory, and {free / 2**30:.1f} GiB are free; choose a smaller kind, such as "
            "ivf-pq"
        )


def measure_speeds(dimension: int | None, parameters: Parameters) -> Speeds:
    """Measure what this machine does in a second, in a second or two."""
    width, count = dimension or 384, 3000
    vectors = np.random.default_rng(1).standard_normal((4096, width)).astype(np.float32)
    vectors @ vectors.T
    began = time.perf_counter()
    vectors @ vectors.T
    operations = 2 * len(vectors) ** 2 * width / (time.perf_counter() - began)
    data = bytes(1 << 26)
    began = time.perf_counter()
    hashlib.sha256(data).digest()
    hashed = len(data) / (time.perf_counter() - began)
    known = {name: value for name, value in parameters.items() if name in KINDS["hnsw"].defaults}
    with TemporaryDirectory() as folder:
        began = time.perf_counter()
        KINDS["hnsw"].build(vectors[:count], Path(folder) / "graph", known)
        inserted = count / (time.perf_counter() - began)
    return Speeds(operations, hashed, inserted, count)


def _seconds(
    found: Survey,
    passages: int,
    dimension: int | None,
    kind: str,
    parameters: Parameters,
    speeds: Speeds,
    size: int,
) -> dict[str, float]:
    seconds = {
        "corpus": passages / found.read_per_s,
        "terms": passages / found.analysed_per_s + passages * found.postings * POSTING_S,
        "seal": size / speeds.hashed,
        "verify": size / speeds.hashed,
    }
    if dimension:
        if found.encoded_per_s is not None and dimension == found.dimension:
            seconds["encode"] = passages / found.encoded_per_s
        seconds["dense"] = _dense_seconds(kind, parameters, round(passages * found.vectors), dimension, speeds)
    return {name: round(value, 1) for name, value in seconds.items()}


def _dense_seconds(kind: str, parameters: Parameters, vectors: int, dimension: int, speeds: Speeds) -> float:
    chosen = {**KINDS[kind].defaults, **parameters}
    if kind == "flat":
        return 0.0
    if kind == "hnsw":  # an insertion takes as many steps as the logarithm of the graph
        slower = math.log(max(2, vectors)) / math.log(speeds.graph_size)
        slower *= math.pow(max(1.0, vectors / CACHED_GRAPH), GRAPH_POWER)
        return vectors / speeds.inserted * slower
    lists = _lists(chosen, vectors)
    learned = min(vectors, TRAINING_PER_LIST * lists)
    return (TRAINING_ROUNDS * learned + vectors) * lists * dimension * 2 / speeds.operations


def _graph_bytes(chosen: Parameters) -> float:
    m = chosen["m"]
    return 4 * (2 * m + m / (m - 1)) + 12


def _code_bytes(kind: str, chosen: Parameters, dimension: int) -> float:
    parts = chosen.get("parts") or dimension / 4
    return {"ivf-fp16": 2 * dimension, "ivf-sq8": dimension, "ivf-pq": parts / 2}[kind]


def _lists(chosen: Parameters, vectors: int) -> int:
    return max(1, min(chosen["nlist"] or round(4 * math.sqrt(vectors)), vectors))
