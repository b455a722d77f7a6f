from __future__ import annotations

from pathlib import Path

import pytest

from dpr.data.beir import read_beir, read_beir_corpus, read_qrels, write_beir
from dpr.errors import DataError
from dpr.types import Example, Passage, Question

A, B, C = Passage("a", "가나다", "제목"), Passage("b", "second"), Passage("c", "third")
EXAMPLES = [
    Example(Question("q2", "무엇?"), positives=(A, B), negatives=(C,), grades=(2, 1)),
    Example(Question("q1", "what?"), positives=(B,)),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_beir(tmp_path / "set", [A, B, C], EXAMPLES)
    return tmp_path / "set"


def test_what_is_written_is_read_back_equal(folder: Path) -> None:
    assert [passage for _, passage in read_beir_corpus(folder)] == [A, B, C]
    assert list(read_beir(folder)) == EXAMPLES


def test_the_files_have_beirs_form(folder: Path) -> None:
    assert (folder / "corpus.jsonl").read_text().splitlines()[1] == '{"_id":"b","title":"","text":"second"}'
    assert (folder / "queries.jsonl").read_text().splitlines()[1] == '{"_id":"q1","text":"what?"}'
    assert (folder / "qrels" / "test.tsv").read_text().splitlines()[:2] == ["query-id\tcorpus-id\tscore", "q2\ta\t2"]


def test_questions_without_judgements_are_left_out(folder: Path) -> None:
    (folder / "qrels" / "dev.tsv").write_text("q1\tb\t1\n")
    assert [example.question.id for example in read_beir(folder / "qrels" / "dev.tsv")] == ["q1"]
    assert len(list(read_beir(folder))) == 2


def test_without_test_judgements_the_only_others_are_taken(folder: Path) -> None:
    (folder / "qrels" / "test.tsv").rename(folder / "qrels" / "dev.tsv")
    assert list(read_beir(folder)) == EXAMPLES
    (folder / "qrels" / "train.tsv").write_text("q1\tb\t1\n")
    with pytest.raises(DataError, match=r"there is no test\.tsv \(found: dev\.tsv, train\.tsv\)"):
        list(read_beir(folder))


def test_a_document_that_is_a_title_alone_has_it_as_its_text(folder: Path) -> None:
    (folder / "corpus.jsonl").write_text('{"_id": "a", "title": "Only a title", "text": ""}\n')
    assert [passage for _, passage in read_beir_corpus(folder)] == [Passage("a", "Only a title")]
    (folder / "corpus.jsonl").write_text('{"_id": "a", "title": "", "text": ""}\n')
    with pytest.raises(DataError, match=r"corpus\.jsonl, line 1: the field 'text' is empty"):
        list(read_beir_corpus(folder))


@pytest.mark.parametrize("row", ["q1\tb", "q1\tb\tone", "q1\tb\t0.5", "q1 b 1"])
def test_a_bad_judgement_names_its_line(tmp_path: Path, row: str) -> None:
    path = tmp_path / "test.tsv"
    path.write_text(f"query-id\tcorpus-id\tscore\n{row}\n")
    with pytest.raises(DataError, match=r"test\.tsv, line 2: .* is not a question id, a passage id and a whole grade"):
        read_qrels(path)


def test_judgements_of_what_is_not_there_are_refused(folder: Path) -> None:
    qrels = folder / "qrels" / "test.tsv"
    qrels.write_text("q1\tz\t1\n")
    with pytest.raises(DataError, match=r"passage 'z' is judged for question 'q1' but is not in corpus\.jsonl"):
        list(read_beir(folder))
    qrels.write_text("q9\tb\t1\n")
    with pytest.raises(DataError, match=r"question 'q9' is judged but is not in queries\.jsonl"):
        list(read_beir(folder))
