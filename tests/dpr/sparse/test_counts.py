from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpr.errors import IndexFormatError
from dpr.sparse import counts as counts_module
from dpr.sparse.counts import FILES, TermCounts

DOCUMENTS = [["b", "a", "b"], [], ["서울", "b"], ["a"]]


def as_table(counts: TermCounts) -> dict[str, dict[int, int]]:
    """Return the postings as term -> row -> count, in the order in which they are held."""
    spans = zip(counts.indptr[:-1].tolist(), counts.indptr[1:].tolist(), strict=True)
    return {
        term: dict(zip(counts.rows[start:end].tolist(), counts.counts[start:end].tolist(), strict=True))
        for term, (start, end) in zip(counts.vocabulary, spans, strict=True)
    }


def test_counts_of_a_small_collection() -> None:
    counts = TermCounts.build(DOCUMENTS)
    assert as_table(counts) == {"a": {0: 1, 3: 1}, "b": {0: 2, 2: 1}, "서울": {2: 1}}
    assert counts.lengths.tolist() == [3, 0, 2, 1]
    assert counts.document_frequencies.tolist() == [2, 2, 1]


def test_types_are_those_of_the_files() -> None:
    counts = TermCounts.build(DOCUMENTS)
    arrays = {name: getattr(counts, name).dtype for name in ("indptr", "rows", "counts", "lengths")}
    assert arrays == {name: np.dtype(FILES[name]) for name in arrays}


def test_documents_may_be_a_stream() -> None:
    assert as_table(TermCounts.build(iter(map(tuple, DOCUMENTS)))) == as_table(TermCounts.build(DOCUMENTS))


@pytest.mark.parametrize("documents", [[], [[]], [[], []]])
def test_a_collection_may_be_empty(documents: list[list[str]]) -> None:
    counts = TermCounts.build(documents)
    assert (len(counts.vocabulary), len(counts.rows), len(counts.lengths)) == (0, 0, len(documents))


@given(st.lists(st.lists(st.text(max_size=2), max_size=8), max_size=12))
def test_counts_are_a_counter_of_each_document(documents: list[list[str]]) -> None:
    counts = TermCounts.build(documents)
    table = as_table(counts)
    assert list(table) == sorted({term for document in documents for term in document})
    assert all(list(rows) == sorted(rows) for rows in table.values())
    by_document = [
        Counter({term: rows[row] for term, rows in table.items() if row in rows}) for row in range(len(documents))
    ]
    assert by_document == [Counter(document) for document in documents]


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_blocks_divide_the_postings(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts_module, "POSTINGS_AT_A_TIME", size)
    counts = TermCounts.build(DOCUMENTS)
    blocks = list(counts.blocks())
    assert max(len(block.rows) for block in blocks) <= size
    assert np.concatenate([block.terms for block in blocks]).tolist() == [0, 0, 1, 1, 2]
    assert np.concatenate([block.rows for block in blocks]).tolist() == counts.rows.tolist()
    assert np.concatenate([block.counts for block in blocks]).tolist() == counts.counts.tolist()
    assert np.concatenate([counts.rows[block.span] for block in blocks]).tolist() == counts.rows.tolist()


@pytest.mark.parametrize("documents", [DOCUMENTS, [], [[]]])
def test_saved_counts_open_as_they_were(documents: list[list[str]], tmp_path: Path) -> None:
    counts = TermCounts.build(documents)
    counts.save(tmp_path / "new" / "counts")
    reopened = TermCounts.open(tmp_path / "new" / "counts")
    assert as_table(reopened) == as_table(counts)
    assert reopened.lengths.tolist() == counts.lengths.tolist()


def test_opened_counts_are_mapped_and_read_only(tmp_path: Path) -> None:
    TermCounts.build(DOCUMENTS).save(tmp_path)
    reopened = TermCounts.open(tmp_path)
    for arrays in (
        reopened.vocabulary.terms,
        reopened.vocabulary.offsets,
        reopened.indptr,
        reopened.rows,
        reopened.counts,
    ):
        assert isinstance(arrays.base, np.memmap)
        assert not arrays.flags.writeable


def test_only_the_named_files_are_written(tmp_path: Path) -> None:
    TermCounts.build(DOCUMENTS).save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {f"{name}.npy" for name in FILES}


@pytest.mark.parametrize("name", FILES)
class TestDamage:
    @pytest.fixture
    def path(self, name: str, tmp_path: Path) -> Path:
        TermCounts.build(DOCUMENTS).save(tmp_path)
        return tmp_path / f"{name}.npy"

    def test_an_absent_file_is_refused(self, path: Path) -> None:
        path.unlink()
        with pytest.raises(IndexFormatError, match=path.name):
            TermCounts.open(path.parent)

    @pytest.mark.parametrize("kept", [0, 4, 20, -1])
    def test_a_cut_file_is_refused(self, path: Path, kept: int) -> None:
        path.write_bytes(path.read_bytes()[:kept])
        with pytest.raises(IndexFormatError, match=path.name):
            TermCounts.open(path.parent)

    def test_another_type_is_refused(self, path: Path) -> None:
        np.save(path, np.load(path).astype(np.float64))
        with pytest.raises(IndexFormatError, match=f"{path.name} holds float64"):
            TermCounts.open(path.parent)

    def test_another_shape_is_refused(self, path: Path) -> None:
        np.save(path, np.load(path)[:, None])
        with pytest.raises(IndexFormatError, match=f"{path.name} holds"):
            TermCounts.open(path.parent)


@pytest.mark.parametrize("name", ["terms", "term_offsets", "indptr", "rows", "counts"])
def test_files_that_disagree_are_refused(name: str, tmp_path: Path) -> None:
    TermCounts.build(DOCUMENTS).save(tmp_path)
    path = tmp_path / f"{name}.npy"
    np.save(path, np.load(path)[:-1])
    with pytest.raises(IndexFormatError, match="build the index again"):
        TermCounts.open(tmp_path)


@pytest.mark.parametrize("name", ["term_offsets", "indptr"])
@pytest.mark.parametrize("offsets", [[0, 9, 4, 5], [1, 2, 4, 5], [0, 2, 4, 6], []])
def test_offsets_that_do_not_divide_are_refused(name: str, offsets: list[int], tmp_path: Path) -> None:
    TermCounts.build(DOCUMENTS).save(tmp_path)
    np.save(tmp_path / f"{name}.npy", np.array(offsets, dtype=np.int64))
    with pytest.raises(IndexFormatError, match=f"{name}.npy does not divide"):
        TermCounts.open(tmp_path)


def test_counts_of_fewer_terms_than_names_are_refused(tmp_path: Path) -> None:
    TermCounts.build(DOCUMENTS).save(tmp_path)
    np.save(tmp_path / "indptr.npy", np.array([0, 5], dtype=np.int64))
    with pytest.raises(IndexFormatError, match=r"indptr.npy has 2 entries, but term_offsets.npy has 4"):
        TermCounts.open(tmp_path)
