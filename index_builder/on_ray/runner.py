"""Encode passages and count terms on Ray, with the results of the local runners."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import pyarrow as pa

from dpr.measured import EncodedPassages
from dpr.sparse.counts import TermCounts
from dpr.store.passages import PassageStore
from dpr.store.windows import EncodedTexts
from dpr.types import Analyzer, Encoder, IntArray, Passage, Progress, no_progress
from index_builder.on_ray.cluster import RayOptions
from index_builder.on_ray.pieces import PieceStore
from index_builder.on_ray.pipeline import run_pieces
from index_builder.on_ray.work import Work, count_work, encode_work, encoded_passages, term_counts


@dataclass(frozen=True, slots=True)
class RayRunner:
    """Runs the work of a build on a Ray cluster.

    A piece is a shard of the build's own, so it is computed as the local runner computes it. Its result is removed
    when the build has it; results of a killed build are used by the next one.

    Attributes:
        options: the cluster, and the storage, which is set.
        load_encoder: loads the encoder in a worker.
        load_analyzer: loads the text analyzer in a worker.
        precision: the arithmetic of the encoder.
    """

    options: RayOptions
    load_encoder: Callable[[], Encoder]
    load_analyzer: Callable[[], Analyzer]
    precision: str = ""

    def encode(
        self, passages: EncodedTexts, shards: Sequence[IntArray], encoder: Encoder, progress: Progress = no_progress
    ) -> Iterator[tuple[int, EncodedPassages]]:
        """Run the encoder on the cluster; an ``EncodeRunner``."""
        work = encode_work(self.load_encoder, encoder.name, encoder.fingerprint, encoder.dimension, self.precision)
        texts = (passages.get(rows.tolist()) for rows in shards)
        total, completed = sum(map(len, shards)), 0
        for position, table in self._results(work, texts, len(shards), progress):
            completed += len(shards[position])
            progress("encode", completed, total)
            yield position, encoded_passages(table)

    def count(
        self, passages: PassageStore, blocks: Sequence[range], analyzer: Analyzer, progress: Progress = no_progress
    ) -> Iterator[tuple[int, TermCounts]]:
        """Count terms on the cluster; a ``CountRunner``."""
        work = count_work(self.load_analyzer, analyzer.name, analyzer.version)
        total = len(passages)
        completed = total - sum(map(len, blocks))
        texts = (passages.get(rows) for rows in blocks)
        for position, table in self._results(work, texts, len(blocks), progress):
            completed += len(blocks[position])
            progress("terms", completed, total)
            yield position, term_counts(table)

    def _results(
        self, work: Work, texts: Iterable[Sequence[Passage]], count: int, progress: Progress
    ) -> Iterator[tuple[int, pa.Table]]:
        """Yield the result of each piece with its position, and remove it once the build has it."""
        store = PieceStore(self.options.storage)
        pieces: dict[int, str] = {}
        for position, passages in enumerate(texts):
            pieces[position] = store.put(work.identity, passages)
            progress("send", position + 1, count)
        finished = [position for position, name in pieces.items() if store.is_finished(name)]
        pending = {position: name for position, name in pieces.items() if position not in finished}
        worked_on = run_pieces(pending, work, self.options.storage, self.options) if pending else ()
        for position in chain(finished, worked_on):
            yield position, store.result(pieces[position], work.schema)
            store.remove(pieces[position])
