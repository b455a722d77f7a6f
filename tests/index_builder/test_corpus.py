from __future__ import annotations

import json
from pathlib import Path

import pytest

from dpr.data.intake import ReadRules
from dpr.errors import DataError
from dpr.store.layout import SegmentFiles
from dpr.store.manifest import SourceRecord
from dpr.store.passages import PassageStore
from dpr.types import Passage
from index_builder.chunking import ChunkOptions, Cutter, token_counter
from index_builder.corpus import write_corpus
from tests.fakes import HashEncoder
from tests.small_index import PASSAGES, write_jsonl


class CharacterEncoder(HashEncoder):
    def count_tokens(self, text: str) -> int:
        return len(text)


def test_sources_are_written_in_order_without_repeats(tmp_path: Path) -> None:
    first = write_jsonl(tmp_path / "first.jsonl", PASSAGES[:4])
    second = write_jsonl(tmp_path / "second.jsonl", PASSAGES[2:])
    records = write_corpus([first, second], SegmentFiles(tmp_path))
    assert records.sources == (SourceRecord(first, 4, 0), SourceRecord(second, 2, 2))
    assert list(PassageStore.open(SegmentFiles(tmp_path).passages)) == list(PASSAGES)


def test_a_source_given_twice_is_counted_twice(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "corpus.jsonl")
    records = write_corpus([source, source], SegmentFiles(tmp_path))
    assert records.sources == (SourceRecord(source, 6, 0), SourceRecord(source, 0, 6))


def test_documents_are_cut_with_stable_ids_and_offsets(tmp_path: Path) -> None:
    document = Passage("doc", "One two three. Four five six. Seven eight nine.", "Numbers")
    source = write_jsonl(tmp_path / "corpus.jsonl", [document, document])
    records = write_corpus([source], SegmentFiles(tmp_path), Cutter(ChunkOptions(4), None))
    passages = list(PassageStore.open(SegmentFiles(tmp_path).passages))
    assert records.sources == (SourceRecord(source, len(passages), 1),)
    assert [passage.id for passage in passages] == ["doc#0", "doc#1", "doc#2"]
    for passage in passages:
        assert passage.document_id == "doc"
        assert document.text[passage.start : passage.end] == passage.text


def test_one_id_with_two_contents_is_refused(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "corpus.jsonl", [PASSAGES[0], Passage("seoul", "something else")])
    with pytest.raises(DataError, match=r"corpus\.jsonl, line 2: .*'seoul'"):
        write_corpus([source], SegmentFiles(tmp_path))


def test_passages_of_a_data_set_without_text_are_skipped_and_counted(tmp_path: Path) -> None:
    context = [{"title": "t", "text": "something"}, {"title": "t", "text": ""}]
    dpr = [{"question": "q", "answers": [], "positive_ctxs": context[:1], "negative_ctxs": context[1:]}]
    squad = {"data": [{"title": "t", "paragraphs": [{"context": "", "qas": []}, {"context": "more", "qas": []}]}]}
    (tmp_path / "dpr.json").write_text(json.dumps(dpr))
    (tmp_path / "squad.json").write_text(json.dumps(squad))
    sources = [f"dpr:{tmp_path / 'dpr.json'}", f"squad:{tmp_path / 'squad.json'}"]
    records = write_corpus(sources, SegmentFiles(tmp_path))
    assert records.sources == tuple(SourceRecord(source, 1, 0, empty=1) for source in sources)
    (tmp_path / "squad.json").write_text(json.dumps({"data": [{"paragraphs": [{"context": " ", "qas": []}]}]}))
    with pytest.raises(DataError, match=r"squad\.json: the corpus is empty"):
        write_corpus(sources[1:], SegmentFiles(tmp_path))


def test_an_empty_source_is_refused(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "corpus.jsonl", [])
    with pytest.raises(DataError, match=r"corpus\.jsonl: the corpus is empty"):
        write_corpus([source], SegmentFiles(tmp_path))


def test_bad_rows_are_refused_together_or_counted_by_source(tmp_path: Path) -> None:
    rows = [*PASSAGES[:3], Passage("seoul", "something else"), Passage("empty", " ")]
    first, second = write_jsonl(tmp_path / "first.jsonl", rows), write_jsonl(tmp_path / "second.jsonl", rows[3:])
    with pytest.raises(DataError, match=r"^4 rows are bad.*\n.*first\.jsonl, line 4(.*\n.*)*second\.jsonl, line 2"):
        write_corpus([first, second], SegmentFiles(tmp_path))
    third = write_jsonl(tmp_path / "third.jsonl", PASSAGES[3:])
    records = write_corpus([first, third], SegmentFiles(tmp_path), rules=ReadRules(skip_bad_rows=True))
    assert records.sources == (SourceRecord(first, 3, 0, bad_rows=2), SourceRecord(third, 3, 0))


def test_progress_ends_with_the_total(tmp_path: Path) -> None:
    reports: list[tuple[str, int, int | None]] = []
    many = (Passage(f"p{number}", f"text {number}") for number in range(2500))
    source = write_jsonl(tmp_path / "corpus.jsonl", many)
    write_corpus([source], SegmentFiles(tmp_path), progress=lambda *report: reports.append(report))
    assert reports == [("corpus", 1000, None), ("corpus", 2000, None), ("corpus", 2500, 2500)]


def test_tokens_are_the_encoders_where_it_counts_them() -> None:
    assert token_counter(CharacterEncoder())("two words") == 9
    assert token_counter(HashEncoder())("two words") == 2
    assert token_counter(None)("two words") == 2
