"""Encode passages for the learned lists of an index, shard by shard; a finished shard is never encoded again."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dpr.config import AUTO_COMPUTE, ComputeOptions
from dpr.durable import make_folder
from dpr.errors import ConfigError
from dpr.search.learned import LEARNED, Block, load_learned_encoder
from dpr.store.draft import GenerationDraft
from dpr.store.layout import SegmentFiles
from dpr.store.manifest import LearnedCounts, LearnedRecord, Manifest
from dpr.store.passages import PassageStore
from dpr.types import Encoder, LearnedEncoder, Progress, no_progress
from index_builder.current import RecordedEncoder
from index_builder.publish import SegmentReference

SHARD_PASSAGES = 1024
"""Passages of a shard; a killed build encodes at most one again."""


LearnedEncoders = Mapping[str, LearnedEncoder[Any]]
"""The model of each learned list, by the list's name."""


def load_learned_encoders(models: Mapping[str, str], compute: ComputeOptions = AUTO_COMPUTE) -> LearnedEncoders:
    """Load the model of each list by its folder or hub name.

    Raises:
        ConfigError: there is no such list.
        ModelError: a model cannot be loaded, or is not for its list.
    """
    check_lists(models)
    return {name: LEARNED[name].load(model, compute) for name, model in models.items()}


def check_lists(names: Iterable[str]) -> None:
    """Refuse names that no learned list has.

    Raises:
        ConfigError: there is no such list.
    """
    for name in names:
        if name not in LEARNED:
            raise ConfigError(f"there is no learned list {name!r}; choose from {', '.join(LEARNED)}")


def recorded_encoders(manifest: Manifest, encoder: Encoder | RecordedEncoder | None) -> LearnedEncoders:
    """Load the models of an index's learned lists, which compute as an ``encoder`` that is not loaded yet.

    Raises:
        ModelError: one cannot be loaded.
        IndexFormatError: another model has taken the place of one.
    """
    compute = encoder.compute if isinstance(encoder, RecordedEncoder) else AUTO_COMPUTE
    return {name: load_learned_encoder(name, record, compute) for name, record in manifest.learned.items()}


def learned_records(encoders: LearnedEncoders) -> dict[str, LearnedRecord]:
    """Return the record of each list's model."""
    return {
        name: LearnedRecord(encoder.name, encoder.fingerprint, encoder.dimension) for name, encoder in encoders.items()
    }


def write_learned(
    encoders: LearnedEncoders,
    passages: PassageStore,
    draft: GenerationDraft,
    progress: Progress = no_progress,
) -> dict[str, LearnedCounts]:
    """Write every learned list of a draft's segment; return what each holds, by its name.

    Shards in the draft's journal are not encoded again.

    Raises:
        ModelError: a model gave something that is not finite.
    """
    return {name: _write_list(name, encoder, passages, draft, progress) for name, encoder in encoders.items()}


def merge_learned(
    segments: Sequence[SegmentReference], manifest: Manifest, files: SegmentFiles, progress: Progress = no_progress
) -> dict[str, LearnedCounts]:
    """Write the learned lists of all segments as one, without deleted passages; return what each holds."""
    counts = {}
    for name, record in manifest.learned.items():
        progress(name, 0, manifest.rows)
        blocks = [
            Block(segment.files.learned(name), segment.record.passages, segment.is_deleted) for segment in segments
        ]
        entries = LEARNED[name].merge(blocks, record.dimension, files.learned(name))
        cut = sum(segment.record.learned[name].cut for segment in segments)
        counts[name] = LearnedCounts(entries, cut)
        progress(name, manifest.rows, manifest.rows)
    return counts


def _write_list(
    name: str, encoder: LearnedEncoder[Any], passages: PassageStore, draft: GenerationDraft, progress: Progress
) -> LearnedCounts:
    folder, whole = draft.segment.learned(name), f"{name} merged"
    starts = range(0, len(passages), SHARD_PASSAGES)
    pieces = [f"{name} {number}" for number in range(len(starts))]
    if whole not in draft.journal:
        blocks = []
        for number, (piece, start) in enumerate(zip(pieces, starts, strict=True)):
            rows, shard = range(len(passages))[start : start + SHARD_PASSAGES], folder / "shards" / f"{number:06d}"
            if piece not in draft.journal:
                draft.finish(piece, _write_shard(name, encoder, passages, rows, shard, progress), shard)
            blocks.append(Block(shard, len(rows)))
        draft.finish(whole, LEARNED[name].merge(blocks, encoder.dimension, folder), folder)
    shutil.rmtree(folder / "shards", ignore_errors=True)
    return LearnedCounts(draft.journal[whole], sum(draft.journal[piece] for piece in pieces))


def _write_shard(
    name: str,
    encoder: LearnedEncoder[Any],
    passages: PassageStore,
    rows: range,
    folder: Path,
    progress: Progress,
) -> int:
    """Write what a model makes of the passages of some rows; return how many of them are longer than it reads."""
    make_folder(folder)
    encoded = encoder.encode_passages(passages.get(rows))
    LEARNED[name].write(encoded, encoder.dimension, folder)
    progress(name, rows.stop, len(passages))
    return int(encoded.is_cut.sum())
