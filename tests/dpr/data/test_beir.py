from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from dpr.data.beir import read_beir, read_beir_corpus
from dpr.data.intake import BadRows, ReadRules
from dpr.data.passages import read_corpus, read_examples
from dpr.errors import DataError
from dpr.types import Example, Passage, Question
from tests.beir_files import write_beir

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
    assert [passage for _, passage in read_beir_corpus(folder)] == [Passage("a", "")]


def test_what_is_judged_but_not_there_has_no_text(folder: Path) -> None:
    (folder / "qrels" / "test.tsv").write_text("q1\tb\t1\nq1\tz\t2\nq9\tb\t1\n")
    assert list(read_beir(folder)) == [
        Example(Question("q1", "what?"), positives=(B, Passage("z", "")), grades=(1, 2)),
        Example(Question("q9", ""), positives=(B,)),
    ]
    (folder / "qrels" / "test.tsv").write_text("q8\tb\t1\nq9\tb\t1\n")
    with pytest.raises(DataError, match=r"has no question for the 2 judged ids; fetch the files of one data set"):
        list(read_examples(f"beir:{folder}"))


def test_bad_judgements_are_counted_as_they_are_and_none_is_said_so(folder: Path) -> None:
    qrels = folder / "qrels" / "test.tsv"
    qrels.write_text("query-id\tcorpus-id\tscore\nq1\tb\tx\nq2\tb\ty\n")
    with pytest.raises(DataError, match=r"^2 rows are bad"):
        list(read_examples(f"beir:{folder}"))
    qrels.write_text("query-id\tcorpus-id\tscore\n")
    with pytest.raises(DataError, match=r"set: has no question$"):
        list(read_examples(f"beir:{folder}"))


def test_a_question_without_an_id_is_a_bad_row(folder: Path) -> None:
    with (folder / "queries.jsonl").open("a") as file:
        file.write('{"text": "whose?"}\n')
    with pytest.raises(DataError, match=r"queries\.jsonl, line 3: the question has no '_id'"):
        list(read_examples(f"beir:{folder}"))


def test_a_title_alone_is_the_text_whatever_it_is_called(folder: Path) -> None:
    (folder / "corpus.jsonl").write_text('{"_id": "a", "제목": "제목뿐", "text": ""}\n', encoding="utf-8")
    assert [passage for _, passage in read_beir_corpus(folder)] == [Passage("a", "제목뿐")]


def test_zstd_is_read_as_gzip_is(folder: Path) -> None:
    for name in ("corpus.jsonl", "queries.jsonl"):
        plain, sink = folder / name, pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, "zstd") as stream:
            stream.write(plain.read_bytes())
        (folder / f"{name}.zst").write_bytes(sink.getvalue().to_pybytes())
        plain.unlink()
    assert list(read_beir(folder)) == EXAMPLES


def test_a_question_is_no_negative_of_its_own(tmp_path: Path) -> None:
    own, other = Passage("1", "a question that is a document"), Passage("2", "its answer")
    write_beir(tmp_path, [own, other], [Example(Question("1", own.text), positives=(other,), negatives=(own,))])
    [example] = read_beir(tmp_path)
    assert (example.negatives, example.excluded_ids) == ((), ("1",))


def test_a_question_that_is_a_document_excludes_itself_unless_it_is_relevant(tmp_path: Path) -> None:
    own, other = Passage("1", "a question that is a document"), Passage("2", "its answer")
    questions = [Question("1", own.text), Question("2", other.text), Question("3", "no document")]
    write_beir(tmp_path, [own, other], [Example(question, positives=(other,)) for question in questions])
    assert [example.excluded_ids for example in read_beir(tmp_path)] == [("1",), (), ()]


def test_a_folder_of_data_sets_names_them(tmp_path: Path) -> None:
    for forum in ("android", "english"):
        write_beir(tmp_path / "cqadupstack" / forum, [A, B, C], EXAMPLES)
    for read in (read_beir, read_beir_corpus):
        with pytest.raises(DataError, match=r"holds 2 data sets \(android, english\); name one of them, as in beir:"):
            list(read(tmp_path / "cqadupstack"))
    assert list(read_beir(tmp_path / "cqadupstack" / "english")) == EXAMPLES


def test_ids_with_blanks_are_read_as_they_are_and_as_trec_holds_them(tmp_path: Path) -> None:
    passage, url = Passage("안전 교육.pdf", "text"), Passage("http://x/a%20b", "page")
    examples = [Example(Question("q 1", "what?"), positives=(passage, url))]
    write_beir(tmp_path, [passage, url], examples)
    assert list(read_beir(tmp_path)) == examples
    for page in ("http://x/a%20b", "http://x/a%2520b"):
        (tmp_path / "qrels" / "test.tsv").write_text(f"q%201 0 안전%20교육.pdf 1\nq%201 0 {page} 1\n")
        assert list(read_beir(tmp_path)) == examples


def test_bad_rows_of_all_three_files_are_found_in_one_pass_or_left_out(folder: Path) -> None:
    for name, row in (("corpus.jsonl", "{"), ("queries.jsonl", '{"_id": [1]}'), ("qrels/test.tsv", "q1\tb\tone")):
        with (folder / name).open("a", encoding="utf-8") as file:
            file.write(row + "\n")
    corpus, questions = r"corpus\.jsonl, line 4", r"queries\.jsonl, line 3"
    with pytest.raises(DataError, match=rf"^3 rows are bad.*\n.*test\.tsv, line 6.*\n.*{corpus}.*\n.*{questions}"):
        list(read_examples(f"beir:{folder}"))
    with pytest.raises(DataError, match=corpus):
        list(read_corpus([f"beir:{folder}"]))
    bad_rows = BadRows(skip=True)
    assert list(read_corpus([f"beir:{folder}"], ReadRules(skip_bad_rows=True), bad_rows)) == [A, B, C]
    assert bad_rows.count == 1
    assert list(read_examples(f"beir:{folder}", ReadRules(skip_bad_rows=True))) == EXAMPLES


def test_questions_that_are_all_bad_are_told_with_the_judgements_that_miss_them(folder: Path) -> None:
    (folder / "queries.jsonl").write_text("{\n")
    with pytest.raises(DataError, match=r"^.*queries\.jsonl, line 1: is not valid JSON"):
        list(read_examples(f"beir:{folder}"))
    with pytest.raises(DataError, match=r"has no question for the 2 judged ids; .*:\n.*queries\.jsonl, line 1"):
        list(read_examples(f"beir:{folder}", ReadRules(skip_bad_rows=True)))


def test_a_folder_is_read_in_another_encoding(folder: Path) -> None:
    for path in (folder / "corpus.jsonl", folder / "queries.jsonl", folder / "qrels" / "test.tsv"):
        path.write_bytes(path.read_text(encoding="utf-8").encode("cp949"))
    with pytest.raises(DataError, match="give --encoding cp949"):
        list(read_examples(f"beir:{folder}"))
    assert list(read_examples(f"beir:{folder}", ReadRules("cp949"))) == EXAMPLES
    assert list(read_corpus([f"beir:{folder}"], ReadRules("cp949"))) == [A, B, C]


def test_a_text_may_have_another_name_and_is_not_lost_to_the_title(folder: Path) -> None:
    (folder / "corpus.jsonl").write_text('{"_id": "a", "title": "Title", "contents": "text"}\n')
    assert [passage for _, passage in read_beir_corpus(folder)] == [Passage("a", "text", "Title")]
