"""The published generation of an index that a change starts from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dpr.array_files import open_array
from dpr.config import AUTO_COMPUTE, ComputeOptions
from dpr.errors import ConfigError
from dpr.search.resources import checked_encoder, load_recorded
from dpr.store.generation import read_current
from dpr.store.layout import IndexLayout
from dpr.store.manifest import FileRecord, Manifest
from dpr.store.passages import PassageStore
from dpr.types import Encoder
from index_builder.publish import SegmentReference


@dataclass(frozen=True, slots=True)
class RecordedEncoder:
    """The recorded encoder of an index, loaded after the index is locked: until then, a build may change it.

    Attributes:
        name: its new folder or hub name; None: the recorded name.
        compute: how it computes.
    """

    name: str | None = None
    compute: ComputeOptions = AUTO_COMPUTE


def encoder_of(manifest: Manifest, encoder: Encoder | RecordedEncoder | None) -> Encoder | None:
    """Return what encodes the passages that are added to a generation; None if it has no vectors.

    Raises:
        ConfigError: an encoder is given (or how it computes, with no learned list), and the generation has no vectors,
            or none is given, and it has some.
        IndexFormatError: the encoder is not the one that the vectors were made with.
        ModelError: it cannot be loaded.
    """
    recorded = manifest.encoder
    if recorded is None:
        if encoder is not None and not (isinstance(encoder, RecordedEncoder) and encoder.name is None):
            raise ConfigError("the index has no vectors, so that no encoder is used; leave the encoder out")
        if encoder is not None and encoder.compute != AUTO_COMPUTE and not manifest.learned:
            raise ConfigError("the index has no vectors, so that no encoder is used; leave precision and backend out")
        return None
    if encoder is None:
        raise ConfigError(f"the index has vectors of the encoder {recorded.name}; give it for the passages to add")
    if isinstance(encoder, RecordedEncoder):
        encoder = load_recorded(recorded, encoder.name, encoder.compute)
    return checked_encoder(recorded, encoder)


@dataclass(frozen=True, slots=True)
class Current:
    """The published generation that a change starts from."""

    manifest: Manifest
    segments: list[SegmentReference]
    passages: PassageStore

    @classmethod
    def read(cls, root: Path) -> Current:
        """Read the published generation of an index.

        Raises:
            IndexFormatError: there is no published generation, or a file of it cannot be used.
        """
        manifest, layout = read_current(root), IndexLayout(root)
        id_rank = open_array(layout.generation(manifest.generation).id_rank, np.int32, (manifest.rows,))
        ends = np.cumsum([record.passages for record in manifest.segments]).tolist()
        segments = [
            SegmentReference(
                record,
                layout.segment(record.id),
                id_rank[end - record.passages : end] < 0 if record.deleted else None,
            )
            for record, end in zip(manifest.segments, ends, strict=True)
        ]
        passages = PassageStore.open([segment.files.passages for segment in segments], id_rank)
        return cls(manifest, segments, passages)

    def without(self, rows: Iterable[int]) -> list[SegmentReference]:
        """Return the segments with some rows marked as deleted, without the segments whose passages are all deleted."""
        is_deleted = np.ones(self.manifest.rows, dtype=bool)
        is_deleted[self.passages.alive] = False
        is_deleted[list(rows)] = True
        ends = np.cumsum([segment.record.passages for segment in self.segments])[:-1]
        pairs = zip(self.segments, np.split(is_deleted, ends), strict=True)
        return [replace(segment, is_deleted=mask if mask.any() else None) for segment, mask in pairs if not mask.all()]

    def segment_file_records(self, segments: Sequence[SegmentReference]) -> dict[str, FileRecord]:
        """Return the records of the files of some segments."""
        ids = {segment.record.id for segment in segments}
        return {
            name: record
            for name, record in self.manifest.files.items()
            if name.startswith("segments/") and name.split("/")[1] in ids
        }
