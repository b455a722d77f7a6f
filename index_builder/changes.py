"""How many passages a change added, replaced, removed and left as they were."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dpr.array_files import open_array
from dpr.store.layout import IndexLayout
from dpr.store.manifest import Manifest
from dpr.store.passages import PassageStore
from dpr.types import RankArray


@dataclass(frozen=True, slots=True)
class PassageChanges:
    """The passages of a generation compared with those of an earlier one, by their ids.

    Attributes:
        added: new ids.
        replaced: ids that were there, whose passage was written again.
        removed: ids that are gone.
        unchanged: passages that were not touched.
        total: the passages of the later generation.
    """

    added: int
    replaced: int
    removed: int
    unchanged: int
    total: int


def passage_changes(root: Path, before: Manifest, after: Manifest) -> PassageChanges:
    """Count what changed between two generations of an index; only the segments that ``after`` added are read."""
    layout, old_segments = IndexLayout(root), {record.id for record in before.segments}
    old_paths = [layout.segment(record.id).passages for record in before.segments]
    old = PassageStore.open(old_paths, _id_rank(layout, before))
    ranks, end = _id_rank(layout, after), 0
    new_rows = replaced = 0
    for record in after.segments:
        start, end = end, end + record.passages
        if record.id not in old_segments:
            for passage_id, _ in PassageStore.open(layout.segment(record.id).passages, ranks[start:end]).names():
                new_rows += 1
                replaced += old.row_of(passage_id) is not None
    lost_rows = before.passages + new_rows - after.passages  # rows of ``before`` that are there no more
    remaining = before.passages - lost_rows
    return PassageChanges(new_rows - replaced, replaced, lost_rows - replaced, remaining, after.passages)


def _id_rank(layout: IndexLayout, manifest: Manifest) -> RankArray:
    return open_array(layout.generation(manifest.generation).id_rank, np.int32, (manifest.rows,))
