"""What every runner of a build's work must do, wherever it does it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dpr.measured import EncodedPassages
from dpr.sparse.counts import TermCounts
from dpr.store.passages import PassageStore, write_passages
from dpr.types import Encoder, IntArray, Passage, Progress, no_progress
from index_builder.encode import EncodeRunner, encode
from index_builder.sparse import CountRunner
from tests.fakes import HashEncoder, WordAnalyzer


class MeasuringEncoder(HashEncoder):
    """Reads twelve characters of a passage."""

    passage_tokens = 12

    def encode_and_measure(self, passages: Sequence[Passage], progress: Progress = no_progress) -> EncodedPassages:
        is_cut = np.array([len(passage.text) > self.passage_tokens for passage in passages])
        return EncodedPassages(self.encode_passages(passages, progress), is_cut)


TEXTS = ("Seoul is a capital", "서울은 대한민국의 수도", "a b c", "")


def stored_passages(folder: Path, count: int = 23) -> PassageStore:
    """Write passages of several scripts, some of them without a text or a title."""
    texts = (f"{TEXTS[number % 4]} {number // 3}" if number % 7 else TEXTS[number % 4] for number in range(count))
    rows = (
        Passage(f"p {number}", text, f"제목 {number % 3}" if number % 2 else "") for number, text in enumerate(texts)
    )
    write_passages(folder / "passages.arrow", rows)
    return PassageStore.open(folder / "passages.arrow")


def check_encode_runner(run: EncodeRunner, encoder: Encoder, folder: Path) -> None:
    """Every shard comes once, with the vectors that the encoder gives for its rows together, to the bit."""
    passages = stored_passages(folder)
    shards: list[IntArray] = [np.array(rows) for rows in ([0, 1, 2, 5], [3], list(range(8, 20)), [22, 21])]
    reports: list[tuple[str, int, int | None]] = []
    results = list(run(passages, shards, encoder, lambda *report: reports.append(report)))
    assert sorted(position for position, _ in results) == [0, 1, 2, 3]
    for position, encoded in results:
        expected = encode(encoder, passages.get(shards[position].tolist()))
        assert encoded.vectors.dtype == np.float32
        np.testing.assert_array_equal(encoded.vectors, expected.vectors)
        assert (encoded.is_cut is None) == (expected.is_cut is None)
        if encoded.is_cut is not None and expected.is_cut is not None:
            np.testing.assert_array_equal(encoded.is_cut, expected.is_cut)
    encoded_counts = [(count, total) for stage, count, total in reports if stage == "encode"]
    assert encoded_counts == sorted(encoded_counts)
    assert encoded_counts[-1] == (19, 19)
    assert list(run(passages, [], encoder, lambda *_: None)) == []


def check_count_runner(run: CountRunner, folder: Path) -> None:
    """Every block comes once, with the counts of its rows."""
    passages, analyzer = stored_passages(folder), WordAnalyzer()
    blocks = [range(10), range(10, 11), range(11, 23)]
    reports: list[tuple[str, int, int | None]] = []
    results = list(run(passages, blocks, analyzer, lambda *report: reports.append(report)))
    assert sorted(position for position, _ in results) == [0, 1, 2]
    for position, counts in results:
        expected = TermCounts.build(analyzer.batch(passages[row].titled() for row in blocks[position]))
        arrays = counts.arrays()
        for name, array in expected.arrays().items():
            assert arrays[name].dtype == array.dtype
            np.testing.assert_array_equal(arrays[name], array)
    assert ("terms", 23, 23) in reports
    assert list(run(passages, [], analyzer, lambda *_: None)) == []
