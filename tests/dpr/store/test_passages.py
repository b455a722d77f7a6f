from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpr.errors import IndexFormatError
from dpr.store import passages as room
from dpr.store.passages import PassageStore, write_passages
from dpr.types import Passage

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
corpora = st.lists(
    st.builds(Passage, id=texts, text=texts, title=texts, document_id=texts, start=st.integers(0, 2**40)),
    max_size=30,
    unique_by=lambda passage: passage.id,
)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "BATCH_PASSAGES", 4)


def stored(folder: Path, passages: list[Passage]) -> PassageStore:
    path = folder / "passages.arrow"
    assert write_passages(path, iter(passages)) == len(passages)
    return PassageStore.open(path)


def numbered(count: int) -> list[Passage]:
    return [Passage(f"p{number}", f"본문 {number}", "title", "doc", number) for number in range(count)]


@settings(max_examples=50, deadline=None)
@given(corpora)
def test_what_is_written_is_read(corpus: list[Passage]) -> None:
    with TemporaryDirectory() as folder:
        store = stored(Path(folder), corpus)
        assert len(store) == len(corpus)
        assert list(store) == corpus
        assert [store[row] for row in range(len(store))] == corpus
        assert [store.row_of(passage.id) for passage in corpus] == list(range(len(corpus)))


@settings(max_examples=50, deadline=None)
@given(corpora)
def test_ranks_are_those_of_python_sorting_the_ids(corpus: list[Passage]) -> None:
    with TemporaryDirectory() as folder:
        ranks = stored(Path(folder), corpus).rank_ids()
    ordered = sorted(passage.id for passage in corpus)
    assert ranks.dtype == np.int32
    assert ranks.tolist() == [ordered.index(passage.id) for passage in corpus]


def test_get_keeps_the_order_asked_for(tmp_path: Path) -> None:
    corpus = numbered(11)
    assert stored(tmp_path, corpus).get([10, 0, 4, 4]) == [corpus[10], corpus[0], corpus[4], corpus[4]]


@pytest.mark.parametrize("row", [-1, 9])
def test_a_row_outside_is_an_index_error(tmp_path: Path, row: int) -> None:
    with pytest.raises(IndexError, match="9 passages"):
        stored(tmp_path, numbered(9))[row]


def test_an_unknown_id_has_no_row(tmp_path: Path) -> None:
    store = stored(tmp_path, numbered(9))
    assert store.row_of("p") is None
    assert store.row_of("zz") is None


def test_given_ranks_spare_the_sorting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ranks = stored(tmp_path, numbered(12)).rank_ids()
    store = PassageStore.open(tmp_path / "passages.arrow", ranks)
    monkeypatch.setattr(PassageStore, "_sort", None)
    assert store.row_of("p11") == 11


def test_a_store_without_some_rows_has_the_others(tmp_path: Path) -> None:
    corpus = numbered(9)
    whole = stored(tmp_path, corpus)
    remaining = whole.without([1]).without([3])
    expected = [passage for row, passage in enumerate(corpus) if row not in (1, 3)]
    assert list(remaining) == expected
    assert [remaining.row_of(passage.id) for passage in corpus] == [
        None if row in (1, 3) else row for row in range(len(corpus))
    ]
    assert (len(remaining), len(whole)) == (len(corpus) - 2, len(corpus))


def test_writing_holds_one_batch_at_a_time(tmp_path: Path) -> None:
    alive = 0
    most = 0

    class Counted(str):
        __slots__ = ()

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    def stream() -> Iterator[Passage]:
        nonlocal alive, most
        for number in range(40):
            alive += 1
            most = max(most, alive)
            yield Passage(f"p{number}", Counted(f"text {number}"))

    assert write_passages(tmp_path / "passages.arrow", stream()) == 40
    assert most <= 3 * 4


def test_a_truncated_file_is_one_sentence(tmp_path: Path) -> None:
    stored(tmp_path, numbered(9))
    path = tmp_path / "passages.arrow"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(IndexFormatError, match=r"passages\.arrow cannot be read .*rebuild with dpr-index build"):
        PassageStore.open(path)


def test_an_absent_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(IndexFormatError, match="cannot be read"):
        PassageStore.open(tmp_path / "passages.arrow")


def test_other_columns_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "passages.arrow"
    batch = pa.record_batch({"id": ["a"], "body": ["b"]})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    with pytest.raises(IndexFormatError, match="has the columns id, body"):
        PassageStore.open(path)
