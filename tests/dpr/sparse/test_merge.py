from __future__ import annotations

import itertools
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpr.sparse import merge
from dpr.sparse.counts import FILES, TermCounts, file_of
from dpr.sparse.merge import merge_counts

documents = st.lists(st.lists(st.sampled_from(["a", "b", "c", "가", "나", "🙂", "ab"]), max_size=6), max_size=12)


@given(documents, st.lists(st.integers(0, 12), max_size=4), st.integers(1, 5))
def test_merged_blocks_are_the_counts_of_all_documents(
    documents: list[list[str]], cuts: list[int], postings_at_a_time: int
) -> None:
    bounds = [0, *sorted(min(cut, len(documents)) for cut in cuts), len(documents)]
    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name)
        patch.setattr(merge, "POSTINGS_AT_A_TIME", postings_at_a_time)
        blocks = []
        for number, (start, end) in enumerate(itertools.pairwise(bounds)):
            TermCounts.build(documents[start:end]).save(folder / str(number))
            blocks.append(TermCounts.open(folder / str(number)))
        merge_counts(blocks, folder / "merged")
        TermCounts.build(documents).save(folder / "whole")
        for file in FILES:
            assert file_of(folder / "merged", file).read_bytes() == file_of(folder / "whole", file).read_bytes(), file


def test_no_blocks_are_no_counts(tmp_path: Path) -> None:
    counts = merge_counts([], tmp_path)
    assert (len(counts.vocabulary), len(counts.rows), len(counts.lengths)) == (0, 0, 0)
