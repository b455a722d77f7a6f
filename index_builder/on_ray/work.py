"""What workers do with each piece: encode its passages, or count their terms; and the actor that does it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from dpr.errors import DPRError, ModelError
from dpr.measured import EncodedPassages
from dpr.sparse.counts import TermCounts
from dpr.types import Analyzer, Encoder, Passage
from index_builder.encode import encode
from index_builder.on_ray.pieces import PieceStore

Compute = Callable[[Sequence[Passage]], pa.Table]


class Work(Protocol):
    """One kind of work, sent to every worker."""

    @property
    def identity(self) -> str:
        """Everything that a result depends on beside the passages."""

    @property
    def schema(self) -> pa.Schema:
        """The columns of a result."""

    def load(self) -> Compute:
        """Load what the work needs, once in each worker; return what makes a result of passages.

        Raises:
            ModelError: the worker has another model than the driver, or none.
        """


@dataclass(frozen=True, slots=True)
class EncodeWork:
    """Encode passages; a result has the columns ``id``, ``vector`` and ``is_cut``.

    Attributes:
        load_encoder: loads the encoder; sent to the workers.
        name: the encoder, in sentences.
        fingerprint: the encoder's fingerprint.
        dimension: the length of a vector.
        precision: the arithmetic of the encoder.
    """

    load_encoder: Callable[[], Encoder]
    name: str
    fingerprint: str
    dimension: int
    precision: str = ""

    @property
    def identity(self) -> str:
        """The encoder and its arithmetic."""
        return f"encode {self.fingerprint} {self.dimension} {self.precision}"

    @property
    def schema(self) -> pa.Schema:
        """The id, the vector, and whether the passage is longer than the encoder reads."""
        vector = pa.list_(pa.float32(), self.dimension)
        return pa.schema([("id", pa.string()), ("vector", vector), ("is_cut", pa.bool_())])

    def load(self) -> Compute:
        """Load the encoder."""
        encoder = self.load_encoder()
        if encoder.fingerprint != self.fingerprint:
            raise ModelError(
                f"the encoder {self.name} has other files than where the build was started; copy the same ones to "
                "every node"
            )
        return lambda passages: vectors_table([passage.id for passage in passages], encode(encoder, passages))


@dataclass(frozen=True, slots=True)
class CountWork:
    """Count the terms of passages; a result is a `TermCounts`, an array a row.

    Attributes:
        load_analyzer: loads the text analyzer; sent to the workers.
        name: the analyzer's name.
        version: the analyzer's version.
    """

    load_analyzer: Callable[[], Analyzer]
    name: str
    version: str

    @property
    def identity(self) -> str:
        """The analyzer and its version."""
        return f"terms {self.name} {self.version}"

    @property
    def schema(self) -> pa.Schema:
        """The name and the bytes of an array."""
        return pa.schema([("array", pa.string()), ("values", pa.large_binary())])

    def load(self) -> Compute:
        """Load the analyzer."""
        analyzer = self.load_analyzer()
        if analyzer.version != self.version:
            raise ModelError(
                f"the analyzer {self.name} has version {analyzer.version}, and {self.version} where the build was "
                "started; install the same packages on every node"
            )
        return lambda passages: counts_table(TermCounts.build(analyzer.batch(map(Passage.titled, passages))))


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
    return TermCounts.from_arrays(dict(_arrays(table)))


def _arrays(table: pa.Table) -> Iterator[tuple[str, bytes]]:
    yield from zip(table["array"].to_pylist(), table["values"].to_pylist(), strict=True)
