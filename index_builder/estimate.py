"""What an index will take: disk, memory and time, from a survey of its corpus and the sizes of its files."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import psutil

from dpr.dense.index_type import BuildSpeed, IndexType
from dpr.dense.index_types import INDEX_TYPES
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

TRIAL_VECTORS = 3000
"""Random vectors that an index of the kind is built over, to see how fast this machine does it."""


@dataclass(frozen=True, slots=True)
class Speeds:
    """What this machine does in a second: bytes hashed, and what `BuildSpeed` says."""

    hashed: float
    build: BuildSpeed


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
    found: Survey, kind: IndexType, speeds: Speeds, passages: int | None = None, dimension: int | None = None
) -> Estimate:
    """Return what an index of such a corpus takes.

    Args:
        found: what the corpus is like.
        kind: the kind of vector index, with its parameters.
        speeds: what this machine does in a second.
        passages: how many there will be, if the corpus is only a part.
        dimension: that of the vectors, if another encoder will make them; the time of encoding is then not known.
    """
    total, width = passages or found.passages, dimension or found.dimension
    vectors = round(total * found.vectors)
    disk = disk_of(found, total, width, kind)
    size = sum(disk.values())
    base = psutil.Process().memory_info().rss
    counted = min(total, BLOCK_PASSAGES)
    working = {
        "corpus": total * ID_BYTES,
        "terms": counted * found.terms * 8
        + found.vocabulary_of(counted) * TERM_BYTES
        + found.vocabulary_of(total) * 24,
        "encode": vectors * ALIKE_BYTES if width else 0,
        "dense": kind.memory_bytes(vectors, width) if width else 0,
    }
    seconds = {
        "corpus": total / found.read_per_s,
        "terms": total / found.analysed_per_s + total * found.postings * POSTING_S,
        "seal": size / speeds.hashed,
        "verify": size / speeds.hashed,
    }
    if width and found.encoded_per_s is not None and width == found.dimension:
        seconds["encode"] = total / found.encoded_per_s
    if width:
        seconds["dense"] = kind.build_seconds(vectors, width, speeds.build)
    read_again = disk["sparse"] // 2 + disk.get("dense", 0) + (disk.get("vectors", 0) if kind.reads_all_vectors else 0)
    return Estimate(
        passages=total,
        vectors=vectors if width else None,
        dimension=width,
        disk=disk,
        building_disk=round(max(size, disk["passages"] + disk["sparse"] + total * found.postings * 8)),
        building_memory=round(base + max(working.values())),
        serving_memory=round(base + read_again),
        seconds={name: round(value, 1) for name, value in seconds.items()},
    )


def disk_of(found: Survey, passages: int, dimension: int | None, kind: IndexType) -> dict[str, int]:
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
        sizes["dense"] = kind.disk_bytes(vectors, dimension)
    return {name: round(size) for name, size in sizes.items()}


def refuse_what_cannot_fit(kind: IndexType, vectors: int, dimension: int) -> None:
    """Refuse to build a vector index that this machine has no memory for.

    Raises:
        ConfigError: it takes more than there is.
    """
    needed, free = kind.memory_bytes(vectors, dimension), psutil.virtual_memory().available
    if needed > free:
        smaller = [other.name for other in INDEX_TYPES.values() if other.memory_bytes(vectors, dimension) <= free]
        raise ConfigError(
            f"building the dense kind {kind.name!r} over {vectors:,} vectors of {dimension} numbers takes "
            f"{needed / 2**30:.1f} GiB of memory, and {free / 2**30:.1f} GiB are free; choose a kind that fits: "
            f"{', '.join(smaller)}"
        )


def measure_speeds(kind: IndexType, dimension: int | None) -> Speeds:
    """Measure what this machine does in a second, in a second or two."""
    width = dimension or 384
    vectors = np.random.default_rng(1).standard_normal((4096, width)).astype(np.float32)
    vectors @ vectors.T
    began = time.perf_counter()
    vectors @ vectors.T
    operations = 2 * len(vectors) ** 2 * width / (time.perf_counter() - began)
    data = bytes(1 << 26)
    began = time.perf_counter()
    hashlib.sha256(data).digest()
    hashed = len(data) / (time.perf_counter() - began)
    with TemporaryDirectory() as folder:
        began = time.perf_counter()
        kind.build(vectors[:TRIAL_VECTORS], Path(folder) / "trial")
        trial_s = time.perf_counter() - began
    return Speeds(hashed, BuildSpeed(operations, TRIAL_VECTORS, trial_s))
