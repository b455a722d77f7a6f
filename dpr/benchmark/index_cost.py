"""What a system reads of an index: how many bytes, and how long they took to build by the index's record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from dpr.search.registry import HYBRID_LISTS, RETRIEVERS, fused_lists, fuses, plain_name
from dpr.store.manifest import FileRecord, Manifest
from dpr.types import Analyzer

DENSE_FILES = ("vectors.npy", "windows.npy", "dense.faiss")
DENSE_STEPS = ("windows", "encode", "dense")
SPARSE_STEPS = ("terms", "weights")


@runtime_checkable
class HasManifest(Protocol):
    """An index with a record of its files, its build and its encoder."""

    @property
    def manifest(self) -> Manifest:
        """The manifest of the generation."""

    def analyzer(self) -> Analyzer:
        """Return the analyzer of questions, loaded."""

    def encoder_name(self) -> str:
        """Return the directory or hub name that the encoder is loaded from."""


def lists_of(name: str) -> tuple[str, ...]:
    """Return the lists behind a retriever: those that it fuses, or itself without a reranker."""
    plain = plain_name(name)
    return HYBRID_LISTS if plain in RETRIEVERS and fuses(plain) else tuple(fused_lists(plain))


def index_bytes(manifest: Manifest, name: str) -> int | None:
    """Return the size of the files that a retriever reads, without the passages' text; None if they are not known."""
    files = {path for part in lists_of(name) for path in _files(manifest.files, part)}
    return sum(manifest.files[path].size_bytes for path in files) if files else None


def build_seconds(manifest: Manifest, name: str) -> float | None:
    """Return how long these files took to build, in seconds; None if the record does not say.

    Reading the corpus and verifying the index are not counted: every system needs them. The posting weights of all
    sparse lists are written in one step, which counts for each of them.
    """
    seconds = manifest.provenance.seconds
    names = {step for part in lists_of(name) for step in _steps(manifest, part)}
    return round(sum(seconds[step] for step in names), 3) if names and names <= seconds.keys() else None


def _files(files: Mapping[str, FileRecord], name: str) -> list[str]:
    if name == "dense":
        return [path for path in files if path.rpartition("/")[2] in DENSE_FILES]
    if own := [path for path in files if f"/{name}/" in path]:
        return own  # a learned list
    if not any(path.endswith(f"/{name}.npy") for path in files):
        return []
    ends = (f"/{name}.npy", "/frequencies.npy")
    return [path for path in files if path.endswith(ends) or "/counts/" in path]


def _steps(manifest: Manifest, name: str) -> Sequence[str]:
    if name == "dense":
        return [step for step in DENSE_STEPS if step in manifest.provenance.seconds]
    if name in manifest.learned:
        return ("learned",)
    return SPARSE_STEPS if name in manifest.weights else ()
