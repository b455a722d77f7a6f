"""The collection of a segment's vectors: how it is made, filled, compared and dropped.

    vector      number of the vector in its segment, from 0: the primary key
    passage     row of its passage in the segment; the windows of a long one share it
    embedding   the numbers
    TYPE_NAME   id, title, document_id and the fields of the passage, one column each; null where a passage has none
    left_out    only where Milvus cannot hold the values of some fields, which then have no column

A collection is filled in blocks, in the order of the vectors. What the server acknowledged is in its log; a load that
was cut off, or whose server was, counts the rows of each block, and writes again those that are not whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np

from dpr.dense.index_type import LARGEST, SegmentContent
from dpr.dense.milvus.conditions import LEFT_OUT, column_name
from dpr.dense.milvus.connection import INDEX_ABSENT, NOT_LOADED, Database, driver
from dpr.dense.server import LOAD_PATIENCE_S, AbsentTableError, Result
from dpr.errors import StoreError
from dpr.types import FloatArray, Progress

if TYPE_CHECKING:
    from pymilvus import MilvusClient

BLOCK_VECTORS = 8192
"""Most vectors of one request."""

BLOCK_BYTES = 16 * 1024 * 1024
"""Most bytes of the vectors of one request, and again of its texts; a server takes 64 MiB."""

MOST_COLUMNS = 60
"""Most fields with a column; a collection of Milvus has at most 64."""

LONGEST_TEXT = 65_535
"""Bytes of a text of Milvus."""

MOST_ITEMS = 4_096
"""Items of a list of Milvus."""

LOAD_TIMEOUT_S = 600.0
"""Seconds after which a request of an import is given up."""


@dataclass(frozen=True, slots=True)
class SearchIndex:
    """The index of a collection: Milvus's name of it, and its parameters."""

    name: str
    parameters: dict[str, int]


@dataclass(frozen=True, slots=True)
class CollectionFacts:
    """What a collection that is loaded holds."""

    vectors: int
    dimension: int
    columns: frozenset[str]


def load(database: Database, name: str, content: SegmentContent, index: SearchIndex, progress: Progress) -> None:
    """Fill a collection with a segment's vectors, or go on where it was left; do nothing if it is whole.

    A server that is restarted meanwhile is waited for.

    Raises:
        StoreError: the database cannot be reached, or refuses.
    """
    total = len(content.vectors)
    is_new = database.run(lambda client: _create(client, name, content, index), LOAD_PATIENCE_S)
    if not is_new and count_rows(database, name, 0, total) == total:
        database.run(lambda client: client.flush(name, timeout=LOAD_TIMEOUT_S), LOAD_PATIENCE_S)
        return
    columns = _columns(content)
    blocks = _blocks(content, columns)
    for start, end in blocks:
        if is_new or count_rows(database, name, start, end) != end - start:
            _write(database, name, _rows(content, columns, start, end), is_new)
        progress("dense", end, total)
    _finish(database, name)
    if count_rows(database, name, 0, total) == total:
        return
    for start, end in blocks:  # a server that lost or doubled rows, such as one whose log was not on the disk
        if count_rows(database, name, start, end) != end - start:
            _write(database, name, _rows(content, columns, start, end), is_new=False)
    _finish(database, name)
    if (rows := count_rows(database, name, 0, total)) != total:
        raise StoreError(
            f"the collection {name} has {rows} rows after {total} were loaded; see that the server has space, drop the "
            "collection, and run the same command again"
        )


def count_rows(database: Database, name: str, start: int, end: int, patience_s: float | None = LOAD_PATIENCE_S) -> int:
    """Return how many rows have a number from ``start`` to before ``end``, all that were acknowledged.

    Raises:
        AbsentTableError: there is no such collection, or it has no index yet.
        StoreError: the database cannot be reached, or refuses.
    """
    query = {"filter": _between(start, end), "output_fields": ["count(*)"], "consistency_level": "Strong"}
    rows = run_loaded(database, name, lambda client: client.query(name, **query, timeout=LOAD_TIMEOUT_S), patience_s)
    return int(rows[0]["count(*)"])


def describe(database: Database, name: str) -> CollectionFacts | None:
    """Return what a collection holds; None if there is none of that name, or it was only begun."""
    try:
        described = database.run(lambda client: client.describe_collection(name, timeout=database.timeout_s))
        vectors = count_rows(database, name, 0, LARGEST, patience_s=None)
    except AbsentTableError:
        return None
    fields = {field["name"]: field for field in described["fields"]}
    return CollectionFacts(vectors, int(fields["embedding"]["params"]["dim"]), frozenset(fields))


def drop(client: MilvusClient, name: str) -> None:
    """Drop a collection if there is one."""
    client.drop_collection(name, timeout=LOAD_TIMEOUT_S)


def stored_vectors(database: Database, name: str, dimension: int, start: int, end: int) -> FloatArray:
    """Return the vectors of a collection from number ``start`` to before ``end``, in their order, (n, D)."""
    query = {"filter": _between(start, end), "output_fields": ["vector", "embedding"], "consistency_level": "Strong"}
    limit = 2 * (end - start)  # more than there should be
    rows = run_loaded(database, name, lambda client: client.query(name, **query, limit=limit, timeout=LOAD_TIMEOUT_S))
    vectors: FloatArray = np.array(
        [row["embedding"] for row in sorted(rows, key=lambda row: int(row["vector"]))], dtype=np.float32
    )
    return vectors.reshape(-1, dimension)


def run_loaded(
    database: Database, name: str, work: Callable[[MilvusClient], Result], patience_s: float | None = None
) -> Result:
    """Return what ``work`` returns; load the collection before, if the server does not hold it in memory.

    Raises:
        AbsentTableError: there is no such collection, or it has no index yet.
        StoreError: the database cannot be reached, or refuses.
    """
    errors = driver().MilvusException

    def load_and_work(client: MilvusClient) -> Result:
        """Work once without and, if need be, once after loading."""
        try:
            return work(client)
        except errors as error:
            if error.code != NOT_LOADED:
                raise
        try:
            client.load_collection(name, timeout=LOAD_TIMEOUT_S)
        except errors as error:
            if error.code == INDEX_ABSENT:
                raise AbsentTableError from error
            raise
        return work(client)

    return database.run(load_and_work, patience_s)


def _create(client: MilvusClient, name: str, content: SegmentContent, index: SearchIndex) -> bool:
    """Create a collection, and its index, if they are absent; return whether there was no collection."""
    is_new = not client.has_collection(name, timeout=LOAD_TIMEOUT_S)
    if is_new:
        schema = _schema(client, content)
        client.create_collection(name, schema=schema, num_shards=1, consistency_level="Bounded", timeout=LOAD_TIMEOUT_S)
    if not client.list_indexes(name, field_name="embedding"):
        parameters = client.prepare_index_params()
        parameters.add_index("embedding", index_type=index.name, metric_type="IP", params=index.parameters)
        client.create_index(name, parameters, timeout=LOAD_TIMEOUT_S)
        client.release_collection(name, timeout=LOAD_TIMEOUT_S)
    return is_new


def _finish(database: Database, name: str) -> None:
    """Write all rows to the server's storage, build the index over them, and take the collection into memory."""

    def finish(client: MilvusClient) -> None:
        client.release_collection(name, timeout=LOAD_TIMEOUT_S)  # the index is built once, over all rows
        client.flush(name, timeout=LOAD_TIMEOUT_S)
        client.load_collection(name, timeout=LOAD_TIMEOUT_S)

    database.run(finish, LOAD_PATIENCE_S)


def _schema(client: MilvusClient, content: SegmentContent) -> Any:
    types = driver().DataType
    schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("vector", types.INT64, is_primary=True)
    schema.add_field("passage", types.INT64)
    schema.add_field("embedding", types.FLOAT_VECTOR, dim=content.vectors.shape[1])
    texts = {"max_length": LONGEST_TEXT}
    forms = {
        "boolean": {"datatype": types.BOOL},
        "number": {"datatype": types.DOUBLE},
        "string": {"datatype": types.VARCHAR, **texts},
        "strings": {
            "datatype": types.ARRAY,
            "element_type": types.VARCHAR,
            "max_capacity": MOST_ITEMS,
            **texts,
        },
    }
    columns = _columns(content)
    for field in columns:
        type_name = content.types[field]
        form = forms.get(type_name, {"datatype": types.INT64})
        schema.add_field(column_name(field, type_name), nullable=True, **form)
    if len(columns) < len(content.types):
        schema.add_field(LEFT_OUT, types.BOOL, nullable=True)
    return schema


def _columns(content: SegmentContent) -> dict[str, Any]:
    """Return the columns of the fields whose values Milvus can hold, as it holds them."""
    columns = {}
    for field in list(content.types)[-MOST_COLUMNS:]:
        type_name, column = content.types[field], content.column(field)
        if type_name in ("string", "strings") and not _fits(column, type_name):
            continue
        columns[field] = column.cast(_CASTS[type_name]) if type_name in _CASTS else column
    return columns


_CASTS = {"date": "int32", "datetime": "int64"}
"""Arrow's types of days and microseconds since 1970."""


def _fits(column: Any, type_name: str) -> bool:
    from pyarrow import compute

    if type_name == "strings":
        if (compute.max(compute.list_value_length(column)).as_py() or 0) > MOST_ITEMS:
            return False
        column = compute.list_flatten(column)
    return (compute.max(compute.binary_length(column)).as_py() or 0) <= LONGEST_TEXT


def _blocks(content: SegmentContent, columns: dict[str, Any]) -> list[tuple[int, int]]:
    """Return the numbers of the first vector and of the one behind the last, of each request."""
    total, dimension = content.vectors.shape
    passages = max((len(column) for column in columns.values()), default=0)
    text_bytes = sum(column.nbytes for column in columns.values()) / max(passages, 1)  # of a row, on average
    size = max(1, min(BLOCK_VECTORS, int(BLOCK_BYTES // max(4 * dimension, text_bytes, 1))))
    return [(start, min(total, start + size)) for start in range(0, total, size)]


def _rows(content: SegmentContent, columns: dict[str, Any], start: int, end: int) -> list[dict[str, Any]]:
    passages = np.arange(start, end) if content.windows is None else np.asarray(content.windows[start:end, 0])
    values = {
        column_name(field, content.types[field]): column.take(passages).to_pylist() for field, column in columns.items()
    }
    vectors = np.asarray(content.vectors[start:end], dtype=np.float32)
    return [
        {
            "vector": start + number,
            "passage": passage,
            "embedding": vectors[number],
            **{name: column[number] for name, column in values.items()},
        }
        for number, passage in enumerate(passages.tolist())
    ]


def _write(database: Database, name: str, rows: list[dict[str, Any]], is_new: bool) -> None:
    """Insert rows; where some of them may be there already, replace them."""
    attempts = count()

    def write(client: MilvusClient) -> None:
        is_first = is_new and next(attempts) == 0
        (client.insert if is_first else client.upsert)(name, rows, timeout=LOAD_TIMEOUT_S)

    database.run(write, LOAD_PATIENCE_S)


def _between(start: int, end: int) -> str:
    return f"vector >= {start} and vector < {end}"
