"""Estimate disk, memory and time of an index from a survey of its corpus."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

import numpy as np
import psutil

from dpr.dense.external import read_record
from dpr.dense.index_type import BuildSpeed, IndexType
from dpr.dense.index_types import INDEX_TYPES
from dpr.errors import ConfigError
from index_builder.learned_estimate import LearnedSurvey
from index_builder.sparse import BLOCK_PASSAGES
from index_builder.survey import Survey

ROW_BYTES = 40
"""Bytes of a passage in Arrow, beside its texts: four offsets and a number of 8 bytes each."""

ID_BYTES = 130
"""Bytes of memory for each passage while the corpus is read: hashes of its id and its content."""

WINDOW_BYTES = 12
"""Bytes of a window: the row of its passage, its start and its end."""

ALIKE_BYTES = 90
"""Bytes of memory for each passage while passages of equal content are found."""

TERM_BYTES = 120
"""Bytes of memory for each different term of a block while its passages are counted."""

POSTING_S = 3e-7
"""Seconds for each posting: counted, merged, weighed by two schemes, checked."""

TRIAL_VECTORS = 3000
"""Random vectors of a trial build, which measures the speed of this machine."""


@dataclass(frozen=True, slots=True)
class Speeds:
    """The speed of this machine: bytes hashed in a second, and `BuildSpeed`."""

    hashed: float
    build: BuildSpeed


@dataclass(frozen=True, slots=True)
class Estimate:
    """The bytes and seconds of building and serving an index.

    ``disk`` is by group of files, ``seconds`` by step. ``building_disk`` and ``building_memory`` are the peaks of the
    build, without mapped files, which the system can drop. ``serving_memory`` includes the mapped files that searches
    read all the time. ``database`` is what the vectors take in a database, without the fields of passages.
    """

    passages: int
    vectors: int | None
    dimension: int | None
    disk: Mapping[str, int]
    building_disk: int
    building_memory: int
    serving_memory: int
    seconds: Mapping[str, float]
    database: int = 0


def estimate(
    corpus: Survey,
    index_type: IndexType,
    speeds: Speeds,
    passages: int | None = None,
    dimension: int | None = None,
    learned: Mapping[str, LearnedSurvey] = MappingProxyType({}),
) -> Estimate:
    """Return the estimate for an index of a corpus.

    Args:
        corpus: the survey of the corpus.
        index_type: the index type, with its parameters.
        speeds: the speed of this machine.
        passages: the number of passages, if the survey covers only some of them.
        dimension: the dimension of another encoder's vectors; the time of encoding is then unknown.
        learned: the survey of each learned list.
    """
    total, width = passages or corpus.passages, dimension or corpus.dimension
    vectors = round(total * corpus.vectors)
    of_learned = {name: survey.disk_bytes(total) for name, survey in learned.items()}
    disk = disk_of(corpus, total, width, index_type) | of_learned
    size = sum(disk.values())
    base = psutil.Process().memory_info().rss
    counted = min(total, BLOCK_PASSAGES)
    working = {
        "corpus": total * ID_BYTES,
        "terms": counted * corpus.terms * 8
        + corpus.vocabulary_of(counted) * TERM_BYTES
        + corpus.vocabulary_of(total) * 24,
        "encode": vectors * ALIKE_BYTES if width else 0,
        "dense": index_type.memory_bytes(vectors, width) if width else 0,
    }
    seconds = {
        "corpus": total / corpus.read_per_s,
        "terms": total / corpus.analysed_per_s + total * corpus.postings * POSTING_S,
        "seal": size / speeds.hashed,
        "verify": size / speeds.hashed,
    }
    if width and corpus.encoded_per_s is not None and width == corpus.dimension:
        seconds["encode"] = total / corpus.encoded_per_s
    if width:
        seconds["dense"] = index_type.build_seconds(vectors, width, speeds.build)
    seconds |= {name: total / survey.encoded_per_s for name, survey in learned.items()}
    read_again = (
        disk["sparse"] // 2 + disk.get("dense", 0) + (disk.get("vectors", 0) if index_type.reads_all_vectors else 0)
    )
    return Estimate(
        passages=total,
        vectors=vectors if width else None,
        dimension=width,
        disk=disk,
        building_disk=sum(of_learned.values())
        + round(max(size, disk["passages"] + disk["sparse"] + total * corpus.postings * 8)),
        building_memory=round(base + max(working.values())),
        serving_memory=round(base + read_again + sum(of_learned.values())),
        seconds={name: round(value, 1) for name, value in seconds.items()},
        database=round(index_type.database_bytes(vectors, width)) if width else 0,
    )


def disk_of(corpus: Survey, passages: int, dimension: int | None, index_type: IndexType) -> dict[str, int]:
    """Return the bytes of an index's files: passages, term counts with their weights, vectors, vector index."""
    postings, terms = passages * corpus.postings, corpus.vocabulary_of(passages)
    sizes = {
        "passages": passages * (corpus.text_bytes + ROW_BYTES),
        # rows, counts and two weights of a posting; offsets and frequencies of a term; lengths and rank of a passage
        "sparse": postings * 16 + terms * (24 + corpus.term_bytes) + passages * 8,
    }
    if dimension:
        vectors = round(passages * corpus.vectors)
        sizes["vectors"] = vectors * dimension * 4 + (vectors * WINDOW_BYTES if vectors > passages else 0)
        sizes["dense"] = index_type.disk_bytes(vectors, dimension)
    return {name: round(size) for name, size in sizes.items()}


def check_memory(index_type: IndexType, vectors: int, dimension: int) -> None:
    """Refuse to build a vector index that does not fit into free memory.

    Raises:
        ConfigError: it does not fit.
    """
    required, free = index_type.memory_bytes(vectors, dimension), psutil.virtual_memory().available
    if required > free:
        smaller = [
            candidate.name for candidate in INDEX_TYPES.values() if candidate.memory_bytes(vectors, dimension) <= free
        ]
        raise ConfigError(
            f"building the index type {index_type.name!r} over {vectors:,} vectors of dimension {dimension} takes "
            f"{required / 2**30:.1f} GiB of memory, and {free / 2**30:.1f} GiB are free; choose one that fits: "
            f"{', '.join(smaller)}"
        )


def measure_speeds(index_type: IndexType, dimension: int | None) -> Speeds:
    """Measure the speed of this machine; this takes a second or two."""
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
        index_type.build(vectors[:TRIAL_VECTORS], Path(folder) / "trial")
        trial_s = time.perf_counter() - began
        if record := read_record(Path(folder) / "trial"):
            index_type.discard(record.table)
    return Speeds(hashed, BuildSpeed(operations, TRIAL_VECTORS, trial_s))
