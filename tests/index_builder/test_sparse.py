from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dpr.errors import ConfigError
from dpr.store.draft import GenerationDraft, draft_generation
from dpr.store.passages import PassageStore, write_passages
from dpr.types import Passage
from index_builder.sparse import Bm25Options, count_terms
from tests.fakes import WordAnalyzer
from tests.small_index import PASSAGES


@pytest.fixture
def passages(tmp_path: Path) -> PassageStore:
    write_passages(tmp_path / "passages.arrow", PASSAGES)
    return PassageStore.open(tmp_path / "passages.arrow")


@pytest.fixture
def draft(tmp_path: Path) -> Iterator[GenerationDraft]:
    with draft_generation(tmp_path / "index", "build") as draft:
        yield draft


def test_title_and_text_are_indexed() -> None:
    assert Passage("a", "text", "Title").titled() == "Title\ntext"
    assert Passage("a", "text").titled() == "text"


@pytest.mark.parametrize("block", [1, 4, 100])
def test_terms_of_every_passage_are_counted(passages: PassageStore, draft: GenerationDraft, block: int) -> None:
    reports: list[tuple[str, int, int | None]] = []
    counts = count_terms(passages, WordAnalyzer(), draft, lambda *report: reports.append(report), block)
    expected = [WordAnalyzer().terms(f"{passage.title} {passage.text}") for passage in PASSAGES]
    assert counts.lengths.tolist() == [len(terms) for terms in expected]
    assert len(counts.vocabulary) == len({term for terms in expected for term in terms})
    assert reports == [*(("terms", start, 6) for start in range(0, 6, block)), ("terms", 6, 6)]


def test_finished_blocks_are_not_counted_again(passages: PassageStore, tmp_path: Path) -> None:
    class Stopping(WordAnalyzer):
        def terms(self, text: str) -> list[str]:
            seen.append(text)
            if len(seen) == 5:
                raise KeyboardInterrupt
            return super().terms(text)

    def count() -> list[int]:
        with draft_generation(tmp_path / "index", "build") as draft:
            counts = count_terms(passages, Stopping(), draft, block_passages=2)
            assert {path.suffix for path in draft.segment.counts.iterdir()} == {".npy"}
            return list(map(int, counts.lengths))

    seen: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        count()
    lengths = count()
    assert seen[5:] == [passage.titled() for passage in PASSAGES[4:]]
    assert lengths == [len(WordAnalyzer().terms(passage.titled())) for passage in PASSAGES]


@pytest.mark.parametrize(
    ("variant", "scheme", "parameters"),
    [
        ("okapi", "bm25", {"k1": 0.9, "b": 0.4, "epsilon": 0.25}),
        ("lucene", "bm25-lucene", {"k1": 0.9, "b": 0.4}),
    ],
)
def test_the_records_name_the_scheme(variant: str, scheme: str, parameters: dict[str, float]) -> None:
    records = Bm25Options(variant, k1=0.9, b=0.4).weights_records()
    assert (records["bm25"].scheme, dict(records["bm25"].parameters)) == (scheme, parameters)
    assert (records["tfidf"].scheme, dict(records["tfidf"].parameters)) == ("tfidf", {})


@pytest.mark.parametrize(
    ("variant", "k1", "b", "cause"),
    [
        ("bm25l", 1.2, 0.75, "unknown BM25 variant 'bm25l'; choose lucene or okapi"),
        ("okapi", -1.0, 0.75, "k1 is -1"),
        ("lucene", 1.2, 1.5, "b is 1.5"),
    ],
)
def test_what_cannot_weigh_is_refused_at_once(variant: str, k1: float, b: float, cause: str) -> None:
    with pytest.raises(ConfigError, match=cause):
        Bm25Options(variant, k1=k1, b=b)
