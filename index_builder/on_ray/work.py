"""What workers do with each piece: encode its passages, or count their terms; and the actor that does it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from dpr.errors import DPRError, ModelError
from dpr.measured import EncodedPassages
from dpr.sparse.counts import TermCounts
from dpr.types import Analyzer, Encoder, Passage
from index_builder.encode import encode
from index_builder.on_ray.pieces import PieceStore

Compute = Callable[[Sequence[Passage]], pa.Table]


@dataclass(frozen=True, slots=True)
class Work:
    """One kind of work, sent to every worker.

    Attributes:
        identity: everything that a result depends on beside the passages.
        schema: the columns of a result.
        load: loads what the work needs, once in each worker; returns what makes a result of passages. It raises
            `ModelError` where the worker has another model than the driver, or none.
    """

    identity: str
    schema: pa.Schema
    load: Callable[[], Compute]


def encode_work(
    load_encoder: Callable[[], Encoder], name: str, fingerprint: str, dimension: int, precision: str = ""
) -> Work:
    """Return the work of encoding passages; a result has the columns ``id``, ``vector`` and ``is_cut``.

    Args:
        load_encoder: loads the encoder; sent to the workers.
        name: the encoder, in sentences.
        fingerprint: the encoder's fingerprint.
        dimension: the length of a vector.
        precision: the arithmetic of the encoder.
    """

    def load() -> Compute:
        encoder = load_encoder()
        if encoder.fingerprint != fingerprint:
            raise ModelError(
                f"the encoder {name} has other files than where the build was started; copy the same ones to every node"
            )
        return lambda passages: vectors_table([passage.id for passage in passages], encode(encoder, passages))

    vector = pa.list_(pa.float32(), dimension)
    schema = pa.schema([("id", pa.string()), ("vector", vector), ("is_cut", pa.bool_())])
    return Work(f"encode {fingerprint} {dimension} {precision}", schema, load)


def count_work(load_analyzer: Callable[[], Analyzer], name: str, version: str) -> Work:
    """Return the work of counting the terms of passages; a result is a `TermCounts`, an array a row.

    Args:
        load_analyzer: loads the text analyzer; sent to the workers.
        name: the analyzer's name.
        version: the analyzer's version.
    """

    def load() -> Compute:
        analyzer = load_analyzer()
        if analyzer.version != version:
            raise ModelError(
                f"the analyzer {name} has version {analyzer.version}, and {version} where the build was started; "
                "install the same packages on every node"
            )
        return lambda passages: counts_table(TermCounts.build(analyzer.batch(map(Passage.titled, passages))))

    schema = pa.schema([("array", pa.string()), ("values", pa.large_binary())])
    return Work(f"terms {name} {version}", schema, load)


class PieceWorker:
    """An actor that loads its model at its first piece. What goes wrong is in the row that it returns.

    A piece that has a result already is not worked on: Ray runs a task again whose node was lost after it had written.
    """

    def __init__(self, work: Work, location: str) -> None:
        self._work = work
        self._location = location
        self._compute: Compute | None = None

    def __call__(self, pieces: Mapping[str, Any]) -> dict[str, Any]:
        """Work on the pieces of a batch; return their positions, and for each what went wrong, or an empty text."""
        errors = [self._error_of(str(name)) for name in pieces["name"]]
        return {"position": pieces["position"], "error": np.array(errors, dtype=object)}

    def _error_of(self, name: str) -> str:
        try:
            store = PieceStore(self._location)
            if not store.is_finished(name):
                passages = store.passages(name)
                self._compute = self._compute or self._work.load()
                store.finish(name, self._compute(passages))
        except DPRError as error:
            return f"a worker on node {socket.gethostname()} stopped: {error}"
        except Exception as error:  # of any library: the driver says it in one sentence
            cause = (str(error).strip() or "no message").splitlines()[0]
            return f"a worker on node {socket.gethostname()} failed ({type(error).__name__}: {cause})"
        return ""


def vectors_table(ids: Sequence[str], encoded: EncodedPassages) -> pa.Table:
    """Return encoded passages as a table."""
    vectors = np.ascontiguousarray(encoded.vectors, dtype=np.float32)
    width = vectors.shape[1]
    is_cut = pa.nulls(len(ids), pa.bool_()) if encoded.is_cut is None else pa.array(encoded.is_cut)
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), width)
    return pa.table({"id": list(ids), "vector": column, "is_cut": is_cut})


def encoded_passages(table: pa.Table) -> EncodedPassages:
    """Return the encoded passages of a table that `vectors_table` made."""
    column = table["vector"].combine_chunks()
    vectors = column.flatten().to_numpy().reshape(len(column), column.type.list_size)
    is_cut = table["is_cut"]
    return EncodedPassages(vectors, None if is_cut.null_count else is_cut.to_numpy())


def counts_table(counts: TermCounts) -> pa.Table:
    """Return term counts as a table."""
    arrays = counts.arrays()
    values = pa.array([np.ascontiguousarray(array).tobytes() for array in arrays.values()], pa.large_binary())
    return pa.table({"array": list(arrays), "values": values})


def term_counts(table: pa.Table) -> TermCounts:
    """Return the term counts of a table that `counts_table` made."""
    return TermCounts.from_arrays(dict(zip(table["array"].to_pylist(), table["values"].to_pylist(), strict=True)))
