"""Shards: together they are the whole index, scores included, and none of them may be changed alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from dpr.errors import ConfigError
from dpr.search.open import OpenIndex, open_index
from dpr.search.record import save_fusion
from dpr.search.reweighed import reweighed_bm25
from dpr.store.windows import WindowRule
from dpr.types import Passage
from index_builder.cli import app
from index_builder.split import split
from index_builder.update import delete
from index_builder.verify import verify_index
from tests.fakes import WordAnalyzer
from tests.small_index import ENCODER, PASSAGES, content, small_index

ANALYZER = WordAnalyzer()
QUESTIONS = ["What is the capital of Italy", "a dish from Korea and a language", "대한민국의 수도이다", "nothing fits"]

MANY = [
    Passage(
        f"p{number * 7 % 40:02d}", f"word{number % 5} word{number % 7} the text of {number % 3}", f"title{number % 4}"
    )
    for number in range(40)
]


def opened(folder: Path) -> OpenIndex:
    return open_index(folder, encoder=ENCODER, analyzer=ANALYZER)


def merged(shards: list[OpenIndex], name: str, question: str, k: int) -> list[tuple[str, float]]:
    hits = [(hit.passage_id, hit.score) for shard in shards for hit in shard.retriever(name).search([question], k)[0]]
    return sorted(hits, key=lambda hit: (-hit[1], hit[0]))[:k]


@pytest.mark.parametrize("shards", [1, 2, 5])
@pytest.mark.parametrize("name", ["bm25", "tfidf", "dense"])
def test_the_merged_lists_of_shards_are_those_of_the_whole_index(tmp_path: Path, shards: int, name: str) -> None:
    for passages in (PASSAGES, MANY):
        root = tmp_path / f"index-{len(passages)}"
        small_index(root, passages)
        written = split(root, shards, tmp_path / f"shards-{len(passages)}", ANALYZER)
        for folder, _ in written:
            assert verify_index(folder, ANALYZER).checks
        indexes, whole = [opened(folder) for folder, _ in written], opened(root)
        for question in [*QUESTIONS, "word1 the text", "title3 word6 of"]:
            expected = [(hit.passage_id, hit.score) for hit in whole.retriever(name).search([question], 5)[0]]
            assert merged(indexes, name, question, 5) == expected


def test_rows_terms_and_texts_stay_those_of_the_collection(tmp_path: Path) -> None:
    small_index(tmp_path / "index")
    written = split(tmp_path / "index", 4, tmp_path / "shards", ANALYZER)
    whole = opened(tmp_path / "index")
    records = [manifest.shard for _, manifest in written]
    assert [record.first_row for record in records if record] == [0, 1, 3, 4]
    assert len({record.collection for record in records if record}) == 1
    for (folder, manifest), record in zip(written, records, strict=True):
        assert record is not None
        assert manifest.terms == whole.manifest.terms
        index = opened(folder)
        for row in range(manifest.passages):
            assert index.passages[row] == whole.passages[record.first_row + row]


def test_windows_of_long_passages_are_split_with_them(tmp_path: Path, tiny_checkpoint: Path) -> None:
    from dpr.models.encoders import load_encoder

    encoder = load_encoder(str(tiny_checkpoint))
    passages = [Passage(f"p{number}", "some text " * (5 + 12 * (number % 3))) for number in range(7)]
    small_index(tmp_path / "index", passages, encoder, windows=WindowRule(40, 10))
    written = split(tmp_path / "index", 3, tmp_path / "shards", ANALYZER)
    assert any(manifest.segments[0].has_windows for _, manifest in written)
    whole = open_index(tmp_path / "index", encoder=encoder, analyzer=ANALYZER).retriever("dense")
    indexes = [open_index(folder, encoder=encoder, analyzer=ANALYZER) for folder, _ in written]
    for question in ("some text", "other"):
        expected = [(hit.passage_id, hit.score) for hit in whole.search([question], 7)[0]]
        assert merged(indexes, "dense", question, 7) == expected


def test_a_split_that_is_asked_for_again_writes_nothing(tmp_path: Path) -> None:
    small_index(tmp_path / "index")
    split(tmp_path / "index", 2, tmp_path / "shards", ANALYZER)
    before = content(tmp_path / "shards")
    split(tmp_path / "index", 2, tmp_path / "shards", ANALYZER)
    assert content(tmp_path / "shards") == before
    small_index(tmp_path / "index", MANY)
    again = split(tmp_path / "index", 2, tmp_path / "shards", ANALYZER)
    assert [manifest.generation for _, manifest in again] == [2, 2]


def test_a_shard_is_not_changed_alone(tmp_path: Path) -> None:
    small_index(tmp_path / "index")
    (folder, _), *_ = split(tmp_path / "index", 2, tmp_path / "shards", ANALYZER)
    shard = opened(folder)
    for change in (
        lambda: delete(folder, ["seoul"], ANALYZER),
        lambda: split(folder, 2, tmp_path / "again", ANALYZER),
        lambda: save_fusion(folder, shard.fusion),
        lambda: reweighed_bm25(shard.resources, 1.0, 0.5),
    ):
        with pytest.raises(ConfigError, match="shard 1 of 2"):
            change()
    assert "rank-bm25" not in shard.names


def test_an_index_of_several_segments_or_too_few_passages_is_refused(tmp_path: Path) -> None:
    small_index(tmp_path / "index")
    with pytest.raises(ConfigError, match="7 shards are asked of 6 passages"):
        split(tmp_path / "index", 7, tmp_path / "shards", ANALYZER)
    delete(tmp_path / "index", ["seoul"], ANALYZER)
    with pytest.raises(ConfigError, match="dpr-index compact"):
        split(tmp_path / "index", 2, tmp_path / "shards", ANALYZER)


def test_the_command_tells_what_it_wrote(tmp_path: Path) -> None:
    from index_builder.from_python import IndexOptions, build_index

    build_index(PASSAGES, tmp_path / "index", encoder=None, options=IndexOptions("words"))
    arguments = ["split", str(tmp_path / "index"), "--shards", "2", "--output", str(tmp_path / "shards"), "--json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "shard-2" in result.stdout
