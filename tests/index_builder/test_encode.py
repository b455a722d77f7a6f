from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from dpr.array_files import open_vectors
from dpr.errors import ModelError
from dpr.measured import EncodedPassages
from dpr.store.draft import GenerationDraft, draft_generation
from dpr.store.passages import PassageStore, write_passages
from dpr.types import FloatArray, Passage, Progress, no_progress
from index_builder.encode import cut_passages, write_vectors
from tests.fakes import HashEncoder


class Spy(HashEncoder):
    """Remembers how many passages it got at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def encode_passages(self, passages: Sequence[Passage], progress: Progress = no_progress) -> FloatArray:
        self.sizes.append(len(passages))
        return super().encode_passages(passages, progress)


class Wide(HashEncoder):
    def encode_passages(self, passages: Sequence[Passage], progress: Progress = no_progress) -> FloatArray:
        return np.zeros((len(passages), self.dimension + 1), dtype=np.float32)


class Overflowing(HashEncoder):
    def encode_passages(self, passages: Sequence[Passage], progress: Progress = no_progress) -> FloatArray:
        return np.full((len(passages), self.dimension), np.nan, dtype=np.float32)


@pytest.fixture
def passages(tmp_path: Path) -> PassageStore:
    write_passages(tmp_path / "passages.arrow", (Passage(f"p{number}", f"text {number}") for number in range(25)))
    return PassageStore.open(tmp_path / "passages.arrow")


@pytest.fixture
def draft(tmp_path: Path) -> Iterator[GenerationDraft]:
    with draft_generation(tmp_path / "index", "build") as draft:
        yield draft


def written(draft: GenerationDraft, passages: PassageStore) -> FloatArray:
    return open_vectors(draft.segment.vectors, len(passages), HashEncoder.dimension)


@pytest.mark.parametrize("shard", [1, 7, 25, 100])
def test_vectors_do_not_depend_on_the_shards(passages: PassageStore, draft: GenerationDraft, shard: int) -> None:
    encoder = Spy()
    assert write_vectors(passages, encoder, draft, shard_passages=shard) == 25
    assert max(encoder.sizes) <= shard
    np.testing.assert_array_equal(written(draft, passages), HashEncoder().encode_passages(list(passages)))


def test_progress_counts_over_all_shards(passages: PassageStore, draft: GenerationDraft) -> None:
    reports: list[tuple[str, int, int | None]] = []
    write_vectors(passages, HashEncoder(), draft, progress=lambda *report: reports.append(report), shard_passages=10)
    assert reports == [("encode", count, 25) for count in (0, 10, 20, 25, 25)]


def test_passages_of_equal_content_are_encoded_once(tmp_path: Path, draft: GenerationDraft) -> None:
    texts = ["one", "two", "one", "two", "one", "three"]
    some = [Passage(f"p{number}", text, "title") for number, text in enumerate(texts)]
    write_passages(tmp_path / "repeated.arrow", [*some, Passage("p9", "one", "another title")])
    passages, encoder = PassageStore.open(tmp_path / "repeated.arrow"), Spy()
    assert write_vectors(passages, encoder, draft, shard_passages=2) == 4
    assert encoder.sizes == [2, 2]
    np.testing.assert_array_equal(written(draft, passages), HashEncoder().encode_passages(list(passages)))


def test_finished_shards_are_not_encoded_again(passages: PassageStore, tmp_path: Path) -> None:
    class Stopping(Spy):
        def encode_passages(self, passages: Sequence[Passage], progress: Progress = no_progress) -> FloatArray:
            if len(self.sizes) == 2:
                raise KeyboardInterrupt
            return super().encode_passages(passages, progress)

    def write(encoder: HashEncoder) -> None:
        with draft_generation(tmp_path / "index", "build") as draft:
            write_vectors(passages, encoder, draft, progress=lambda *report: reports.append(report), shard_passages=10)
            np.testing.assert_array_equal(written(draft, passages), HashEncoder().encode_passages(list(passages)))

    reports: list[tuple[str, int, int | None]] = []
    with pytest.raises(KeyboardInterrupt):
        write(Stopping())
    reports.clear()
    again = Spy()
    write(again)
    assert again.sizes == [5]
    assert reports == [("encode", count, 25) for count in (20, 25, 25)]


class Measuring(HashEncoder):
    """Reads six characters of a passage."""

    passage_tokens = 6

    def encode_and_measure(self, passages: Sequence[Passage], progress: Progress = no_progress) -> EncodedPassages:
        is_cut = np.array([len(passage.text) > self.passage_tokens for passage in passages])
        return EncodedPassages(self.encode_passages(passages, progress), is_cut)


def test_longer_passages_are_counted_with_their_copies_whoever_encoded_them(tmp_path: Path) -> None:
    class Stopping(Measuring):
        def encode_and_measure(self, passages: Sequence[Passage], progress: Progress = no_progress) -> EncodedPassages:
            if "third shard" in passages[0].text:
                raise KeyboardInterrupt
            return super().encode_and_measure(passages, progress)

    texts = ["short", "too long", "too long", "brief", "too long", "even longer", "third shard", "end"]
    write_passages(tmp_path / "passages.arrow", (Passage(f"p{n}", text) for n, text in enumerate(texts)))
    passages = PassageStore.open(tmp_path / "passages.arrow")
    with (
        pytest.raises(KeyboardInterrupt),
        draft_generation(tmp_path / "index", "build") as draft,
    ):
        write_vectors(passages, Stopping(), draft, shard_passages=2)
    with draft_generation(tmp_path / "index", "build") as draft:
        write_vectors(passages, Measuring(), draft, shard_passages=2)
        assert cut_passages(draft) == sum(len(text) > 6 for text in texts) == 5
    with draft_generation(tmp_path / "other", "build") as draft:
        write_vectors(passages, HashEncoder(), draft)
        assert cut_passages(draft) is None


@pytest.mark.parametrize(
    ("encoder", "cause"),
    [(Wide(), r"vectors of shape \(25, 33\) instead of \(25, 32\)"), (Overflowing(), "not finite")],
)
def test_what_is_no_vector_stops_the_build(
    passages: PassageStore, draft: GenerationDraft, encoder: HashEncoder, cause: str
) -> None:
    with pytest.raises(ModelError, match=cause):
        write_vectors(passages, encoder, draft)
    assert not len(draft.journal)
