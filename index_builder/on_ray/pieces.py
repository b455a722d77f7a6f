"""The pieces of a build in storage that every node reaches: what to work on and what came of it, a Parquet file each.

A piece is named by a hash of its work and of its passages: their ids, texts and titles. A result is written under a
temporary name and renamed. So a result that is there is the right one and a whole one, however often a worker, a node
or the driver was lost; and to work on a piece twice writes the same file again.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from dpr.errors import ConfigError, DataError
from dpr.types import Passage

_PASSAGES = pa.schema([("id", pa.string()), ("text", pa.string()), ("title", pa.string())])


class PieceStore:
    """Pieces below a folder: a path, or a URI such as ``s3://bucket/folder`` or ``gs://bucket/folder``."""

    def __init__(self, location: str) -> None:
        """Open the folder, which need not exist.

        Raises:
            ConfigError: the location has a scheme that no library here can open.
        """
        self.location = location
        self._files, self._root = _open(location)

    def put(self, work: str, passages: Sequence[Passage]) -> str:
        """Write the passages of a piece, unless they are there; return the name of the piece."""
        columns = {name: [getattr(passage, name) for passage in passages] for name in _PASSAGES.names}
        table = pa.table(columns, _PASSAGES)
        name = hashlib.sha256(work.encode() + b"\0" + _bytes_of(table)).hexdigest()[:40]
        if not self._exists(self._input(name)):
            self._write(self._input(name), table)
        return name

    def passages(self, name: str) -> list[Passage]:
        """Return the passages of a piece.

        Raises:
            DataError: they are not there, or damaged.
        """
        table = self._read(self._input(name), _PASSAGES)
        if table is None:
            raise DataError(f"the passages of a piece are not in {self.location}; {_SHARED}")
        columns = (table[column].to_pylist() for column in _PASSAGES.names)
        return [Passage(*values) for values in zip(*columns, strict=True)]

    def finish(self, name: str, result: pa.Table) -> None:
        """Write the result of a piece."""
        self._write(self._output(name), result)

    def is_finished(self, name: str) -> bool:
        """Tell whether a piece has a result."""
        return self._exists(self._output(name))

    def result(self, name: str, schema: pa.Schema) -> pa.Table:
        """Return the result of a piece, which has this schema.

        Raises:
            DataError: it is not there, or damaged.
        """
        table = self._read(self._output(name), schema)
        if table is None:
            raise DataError(f"a worker wrote a result that is not in {self.location}; {_SHARED}")
        return table

    def remove(self, name: str) -> None:
        """Remove a piece and its result."""
        for path in (self._output(name), self._input(name)):
            if self._exists(path):
                self._files.delete_file(path)

    def _input(self, name: str) -> str:
        return f"{self._root}/passages/{name}.parquet"

    def _output(self, name: str) -> str:
        return f"{self._root}/results/{name}.parquet"

    def _exists(self, path: str) -> bool:
        return bool(self._files.get_file_info(path).type == fs.FileType.File)

    def _write(self, path: str, table: pa.Table) -> None:
        unfinished = f"{path}.{uuid.uuid4().hex}"
        self._files.create_dir(path.rpartition("/")[0], recursive=True)
        with self._files.open_output_stream(unfinished) as stream:
            pq.write_table(table, stream, compression="zstd", write_page_checksum=True)
        self._files.move(unfinished, path)

    def _read(self, path: str, schema: pa.Schema) -> pa.Table | None:
        if not self._exists(path):
            return None
        try:
            with self._files.open_input_file(path) as file:
                table = pq.read_table(file, page_checksum_verification=True)
        except (OSError, pa.ArrowException) as error:
            raise _damaged(path, str(error).splitlines()[0]) from error
        if not table.schema.equals(schema):
            raise _damaged(path, "it has other columns")
        return table


_SHARED = (
    "give --ray-storage a folder that every node of the cluster shares, or object storage such as s3://bucket/folder"
)


def _damaged(path: str, cause: str) -> DataError:
    return DataError(f"{path} is damaged ({cause}); remove it and run the same command again")


def _bytes_of(table: pa.Table) -> memoryview:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return memoryview(sink.getvalue())


def _open(location: str) -> tuple[Any, str]:
    """Return the file system of a location and the path in it: of Arrow, or of fsspec for what Arrow does not know."""
    if "://" not in location:
        return fs.LocalFileSystem(), location.rstrip("/")
    try:
        files, path = fs.FileSystem.from_uri(location)
    except pa.ArrowInvalid:
        from fsspec.core import url_to_fs

        try:
            fsspec_files, path = url_to_fs(location)
        except (ValueError, ImportError) as error:
            raise ConfigError(
                f"the storage {location} cannot be opened ({error}); choose a path, s3:// or gs://"
            ) from None
        files = fs.PyFileSystem(fs.FSSpecHandler(fsspec_files))
    return files, str(path).rstrip("/")
