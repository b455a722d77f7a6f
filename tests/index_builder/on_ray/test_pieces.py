from __future__ import annotations

from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest

from dpr.errors import ConfigError, DataError
from dpr.types import Passage
from index_builder.on_ray.pieces import PieceStore

PASSAGES = [Passage("a 1", "본문", "제목"), Passage("b", "", ""), Passage("c", "text")]
RESULT = pa.table({"id": ["a 1"]})


@pytest.fixture(params=["{}", "file://{}", "local://{}"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> PieceStore:
    """By Arrow's own file system, by its URI, and by fsspec."""
    return PieceStore(str(request.param).format(tmp_path / "pieces"))


def test_what_is_written_is_read(store: PieceStore) -> None:
    name = store.put("work", PASSAGES)
    assert store.passages(name) == PASSAGES
    assert not store.is_finished(name)
    store.finish(name, RESULT)
    assert store.is_finished(name)
    assert store.result(name, RESULT.schema).to_pydict() == {"id": ["a 1"]}
    store.remove(name)
    assert not store.is_finished(name)
    store.remove(name)


def test_a_name_is_that_of_the_work_and_its_passages(store: PieceStore, tmp_path: Path) -> None:
    others = [*PASSAGES[:2], Passage("c", "tex", "t")]
    names = {store.put("work", PASSAGES), store.put("other work", PASSAGES), store.put("work", others)}
    names |= {store.put("work", PASSAGES[:2]), store.put("work", PASSAGES[::-1])}
    assert len(names) == 5
    assert store.put("work", list(PASSAGES)) in names
    assert len(list((tmp_path / "pieces" / "passages").iterdir())) == 5


def test_a_piece_that_is_finished_twice_is_there_once(store: PieceStore, tmp_path: Path) -> None:
    name = store.put("work", PASSAGES)
    for _ in range(2):
        store.finish(name, RESULT)
    assert [path.name for path in (tmp_path / "pieces" / "results").iterdir()] == [f"{name}.parquet"]


def test_storage_that_is_not_shared_is_said(tmp_path: Path) -> None:
    name = PieceStore(str(tmp_path / "here")).put("work", PASSAGES)
    there = PieceStore(str(tmp_path / "there"))
    for read in (there.passages, partial(there.result, schema=RESULT.schema)):
        with pytest.raises(DataError, match="--ray-storage a folder that every node of the cluster shares"):
            read(name)


def test_a_changed_byte_is_seen_or_changes_nothing(tmp_path: Path) -> None:
    store = PieceStore(str(tmp_path))
    name = store.put("work", PASSAGES)
    [path] = (tmp_path / "passages").iterdir()
    content, refused = path.read_bytes(), 0
    for position in range(len(content)):
        path.write_bytes(content[:position] + bytes([content[position] ^ 0xFF]) + content[position + 1 :])
        try:
            assert store.passages(name) == PASSAGES
        except DataError:
            refused += 1
    assert refused > len(content) / 2


@pytest.mark.parametrize("location", ["nowhere://bucket/folder", "gdrive-of-nobody://x"])
def test_an_unknown_scheme_is_refused(location: str) -> None:
    with pytest.raises(ConfigError, match="cannot be opened"):
        PieceStore(location)
