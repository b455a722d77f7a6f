"""The published generation of an index that a change starts from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dpr.array_files import open_array
from dpr.store.generation import read_current
from dpr.store.layout import IndexLayout
from dpr.store.manifest import FileRecord, Manifest
from dpr.store.passages import PassageStore
from index_builder.publish import Member


@dataclass(frozen=True, slots=True)
class Current:
    """The published generation that a change starts from."""

    manifest: Manifest
    members: list[Member]
    passages: PassageStore

    @classmethod
    def read(cls, root: Path) -> Current:
        """Read the published generation of an index.

        Raises:
            IndexFormatError: there is none, or a file of it cannot be used.
        """
        manifest, layout = read_current(root), IndexLayout(root)
        id_rank = open_array(layout.generation(manifest.generation).id_rank, np.int32, (manifest.rows,))
        ends = np.cumsum([record.passages for record in manifest.segments]).tolist()
        members = [
            Member(
                record,
                layout.segment(record.id),
                id_rank[end - record.passages : end] < 0 if record.deleted else None,
            )
            for record, end in zip(manifest.segments, ends, strict=True)
        ]
        passages = PassageStore.open([member.files.passages for member in members], id_rank)
        return cls(manifest, members, passages)

    def without(self, rows: Iterable[int]) -> list[Member]:
        """Return the members with some rows marked as deleted, without those of which nothing is left."""
        is_deleted = np.ones(self.manifest.rows, dtype=bool)
        is_deleted[self.passages.alive] = False
        is_deleted[list(rows)] = True
        ends = np.cumsum([member.record.passages for member in self.members])[:-1]
        parts = zip(self.members, np.split(is_deleted, ends), strict=True)
        return [replace(member, is_deleted=gone if gone.any() else None) for member, gone in parts if not gone.all()]

    def kept_files(self, members: Sequence[Member]) -> dict[str, FileRecord]:
        """Return the records of the segments' own files."""
        kept = {member.record.id for member in members}
        return {
            name: record
            for name, record in self.manifest.files.items()
            if name.startswith("segments/") and name.split("/")[1] in kept
        }
