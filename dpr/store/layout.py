"""The paths of an index: the only module that knows the file names.

    INDEX/CURRENT                          the name of the published generation and its checksum
    INDEX/.lock                            held while a process writes
    INDEX/unread.arrow                     hash of each document that a sync could not read, when nothing else was new
    INDEX/.building-journal                the finished pieces of an unfinished build
    INDEX/.building-pieces/                what workers of other processes compute for it
    INDEX/generations/000001.json          manifest
    INDEX/generations/000001/              what depends on the whole collection
        id_rank.npy                        rank of each row's id among the sorted ids; -1: deleted
        facets.json                        of a shard: the counts of the collection's fields
        <segment>/frequencies.npy          document frequency in the collection of each term of the segment
        <segment>/bm25.npy  tfidf.npy      one weight for each posting of the segment
    INDEX/segments/<id>/                   immutable: what depends on its own passages alone
        passages.arrow                     id, text, title, source document and offset
        metadata.arrow                     further fields of the passages, a typed column each (absent where no
                                           passage has any)
        documents.arrow                    hash of each document that was cut; absent where none was
        vectors.npy                        one row for each passage, or each window of a long one (absent from a
                                           sparse-only index)
        windows.npy                        each vector's passage, and its start and end in the text; absent where each
                                           passage has one vector
        dense.faiss                        absent for the index type flat, which searches the vectors; the name of a
                                           table where a database holds the index
        counts/                            vocabulary and term counts
        splade/  colbert/                  what the model of a learned list made of the passages

Unfinished files have names that start with ``.building-``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from dpr.durable import UNFINISHED

_GENERATION = re.compile(r"\d{6,}")
_SEGMENT = re.compile(r"\d{6,}-[0-9a-f]{8}")


def generation_name(number: int) -> str:
    """Return the name of generation 1, 2, …: ``000001``."""
    return f"{number:06d}"


def is_generation_name(name: str) -> bool:
    """Tell whether a name is one that ``generation_name`` gives."""
    return _GENERATION.fullmatch(name) is not None


def is_segment_name(name: str) -> bool:
    """Tell whether a name is that of a segment: ``000001-5f0c9a1e``."""
    return _SEGMENT.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class SegmentFiles:
    """The files of one segment, in its final or its temporary folder."""

    folder: Path

    @property
    def passages(self) -> Path:
        """Arrow file of the passages."""
        return self.folder / "passages.arrow"

    @property
    def metadata(self) -> Path:
        """Arrow file of the further fields of the passages; absent where no passage has any."""
        return self.folder / "metadata.arrow"

    @property
    def ledger(self) -> Path:
        """Arrow file of the hashes of the documents that were cut."""
        return self.folder / "documents.arrow"

    @property
    def vectors(self) -> Path:
        """Vectors of passages and windows, (V, D) float32."""
        return self.folder / "vectors.npy"

    @property
    def windows(self) -> Path:
        """Row of the passage, and start and end in its text, of each vector, (V, 3) int32, if V is above P."""
        return self.folder / "windows.npy"

    @property
    def dense(self) -> Path:
        """FAISS index, for the index types that need one; or the name of a database's table."""
        return self.folder / "dense.faiss"

    def dense_files(self) -> list[Path]:
        """Return the file of the index and, while it is built, those of other candidates."""
        return sorted(self.folder.glob(f"*{self.dense.name}"))

    @property
    def counts(self) -> Path:
        """Folder of the vocabulary and the term counts."""
        return self.folder / "counts"

    def learned(self, name: str) -> Path:
        """Folder of a learned list, by its name."""
        return self.folder / name


@dataclass(frozen=True, slots=True)
class GenerationFiles:
    """The files of one generation, beside its manifest."""

    folder: Path

    @property
    def id_rank(self) -> Path:
        """Rank of each row's id among the sorted ids, (P,) int32; -1 for a deleted passage."""
        return self.folder / "id_rank.npy"

    @property
    def facets(self) -> Path:
        """The counts of the collection's fields, in a shard."""
        return self.folder / "facets.json"

    def frequencies(self, segment_id: str) -> Path:
        """Document frequency in the collection of each term of a segment, (T,) int64."""
        return self.folder / segment_id / "frequencies.npy"

    def weights(self, segment_id: str, name: str) -> Path:
        """Weights of a segment's postings by the sparse scheme that is served as ``name``, (postings,) float32."""
        return self.folder / segment_id / f"{name}.npy"


@dataclass(frozen=True, slots=True)
class IndexLayout:
    """The paths of an index, from its root."""

    root: Path

    @property
    def current(self) -> Path:
        """File that names the published generation."""
        return self.root / "CURRENT"

    @property
    def lock(self) -> Path:
        """File that a writer locks; it also marks a folder as an index."""
        return self.root / ".lock"

    @property
    def unread(self) -> Path:
        """Arrow file of the hashes of documents that a sync could not read, where it published no generation."""
        return self.root / "unread.arrow"

    @property
    def journal(self) -> Path:
        """File that lists the finished pieces of an unfinished build."""
        return self.root / f"{UNFINISHED}journal"

    @property
    def pieces(self) -> Path:
        """Folder of what workers of other processes compute for an unfinished build."""
        return self.root / f"{UNFINISHED}pieces"

    @property
    def generations(self) -> Path:
        """Folder of the manifests and of the generations' own files."""
        return self.root / "generations"

    @property
    def segments(self) -> Path:
        """Folder of the segments."""
        return self.root / "segments"

    def manifest(self, number: int) -> Path:
        """Manifest of a generation."""
        return self.generations / f"{generation_name(number)}.json"

    def generation(self, number: int) -> GenerationFiles:
        """Files of a published generation."""
        return GenerationFiles(self.generations / generation_name(number))

    def segment(self, segment_id: str) -> SegmentFiles:
        """Files of a published segment."""
        return SegmentFiles(self.segments / segment_id)

    def published_numbers(self) -> list[int]:
        """Return the numbers of the generations that have a manifest, ascending."""
        return sorted(int(path.stem) for path in self.generations.glob("*.json") if is_generation_name(path.stem))
