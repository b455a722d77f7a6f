"""The learned lists by name: how a model is loaded, and how what it makes of passages is written, merged and opened.

A list is one entry here and one in `dpr.search.registry`. The builder, the verification and the estimate take it from
here; models and compiled code are imported when they are used.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

from dpr.config import AUTO_COMPUTE, ComputeOptions
from dpr.dense.maxsim import MaxSimIndex, TokenSegment
from dpr.dense.token_vectors import StoredTokens, merge_tokens
from dpr.errors import IndexFormatError, ModelError
from dpr.sparse.impacts import Impacts, merge_impacts
from dpr.store.manifest import LearnedRecord
from dpr.types import BoolArray, LearnedEncoder


class Block(NamedTuple):
    """What a folder holds of some passages.

    Attributes:
        folder: its files.
        passages: the number of passages.
        is_deleted: the passages that are left out when it is merged, (P,); None: none of them.
    """

    folder: Path
    passages: int
    is_deleted: BoolArray | None = None


@dataclass(frozen=True, slots=True)
class LearnedList:
    """An entry of `LEARNED`.

    Attributes:
        model: what its models are called: ``SPLADE``.
        unit: what it holds of a passage, in the plural.
        entry_bytes: bytes on disk of one of these, by the model's dimension.
        load: loads a model by directory or hub name.
        write: writes what the model made of passages, with its dimension, as files of a folder.
        merge: writes the passages of blocks, in their order, with the model's dimension, as files of a folder; returns
            the number of units.
        open: maps a block, with the model's dimension.
        index: makes the search over the opened blocks of segments, each with the ranks of its ids.
    """

    model: str
    unit: str
    entry_bytes: Callable[[int], int]
    load: Callable[[str, ComputeOptions], LearnedEncoder[Any]]
    write: Callable[[Any, int, Path], None]
    merge: Callable[[Sequence[Block], int, Path], int]
    open: Callable[[Block, int], Any]
    index: Callable[[Sequence[tuple[Any, Any]]], Any]


def _load_splade(name: str, compute: ComputeOptions) -> LearnedEncoder[Any]:
    from dpr.models.splade import load_splade

    return load_splade(name, compute)


def _merge_impacts(blocks: Sequence[Block], dimension: int, folder: Path) -> int:
    segments = [(Impacts.open(block.folder, block.passages, dimension), block.is_deleted) for block in blocks]
    return merge_impacts(
        [impacts if is_deleted is None else impacts.without(is_deleted) for impacts, is_deleted in segments], folder
    )


def _impact_index(segments: Sequence[tuple[Any, Any]]) -> Any:
    from dpr.sparse.impact_index import ImpactIndex, ImpactSegment

    return ImpactIndex([ImpactSegment(*segment) for segment in segments])


def _load_colbert(name: str, compute: ComputeOptions) -> LearnedEncoder[Any]:
    from dpr.models.colbert import load_colbert

    return load_colbert(name, compute)


def _merge_tokens(blocks: Sequence[Block], dimension: int, folder: Path) -> int:
    segments = [(StoredTokens.open(block.folder, block.passages, dimension), block.is_deleted) for block in blocks]
    return merge_tokens(segments, folder)


LEARNED: dict[str, LearnedList] = {
    "splade": LearnedList(
        "SPLADE",
        "weighted terms",
        lambda _dimension: 8,  # a row and a float32 weight
        _load_splade,
        lambda encoded, dimension, folder: Impacts.from_weights(encoded, dimension).save(folder),
        _merge_impacts,
        lambda block, dimension: Impacts.open(block.folder, block.passages, dimension),
        _impact_index,
    ),
    "colbert": LearnedList(
        "ColBERT",
        "token vectors",
        lambda dimension: 2 * dimension,  # float16
        _load_colbert,
        lambda encoded, _dimension, folder: StoredTokens.from_vectors(encoded).save(folder),
        _merge_tokens,
        lambda block, dimension: StoredTokens.open(block.folder, block.passages, dimension),
        lambda segments: MaxSimIndex([TokenSegment(*segment) for segment in segments]),
    ),
}
"""Each learned list by the name of its retriever, which is also that of its option and of its folder in a segment."""

_loaded: WeakValueDictionary[tuple[str, str, ComputeOptions], LearnedEncoder[Any]] = WeakValueDictionary()
_loading = threading.Lock()


def load_learned_encoder(
    name: str, recorded: LearnedRecord, compute: ComputeOptions = AUTO_COMPUTE
) -> LearnedEncoder[Any]:
    """Load the recorded model of a list; generations and indexes in use share one of the same fingerprint.

    Raises:
        ModelError: it cannot be loaded.
        IndexFormatError: another model has taken its place.
    """
    key = (name, recorded.fingerprint, compute)
    with _loading:
        encoder = _loaded.get(key)
        if encoder is None:
            try:
                encoder = LEARNED[name].load(recorded.name, compute)
            except ModelError as error:
                raise ModelError(
                    f"{error} (the index was made with this model for {name}; put it back there, or rebuild with "
                    f"dpr-index build --{name} MODEL)"
                ) from error
            if encoder.fingerprint != recorded.fingerprint:
                raise IndexFormatError(
                    f"the index was made with the model {recorded.name} ({recorded.fingerprint}) for {name}, but "
                    f"another one ({encoder.fingerprint}) is there now; put the former back, or rebuild with dpr-index "
                    "build"
                )
            _loaded[key] = encoder
    return encoder


def absence_of_list(name: str) -> str:
    """Return why an index lacks a learned list, with the remedy."""
    return (
        f"this index has no {LEARNED[name].unit} for the retriever {name!r}; rebuild it with dpr-index build --{name} "
        "MODEL"
    )
