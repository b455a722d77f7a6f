from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from dpr.data.boolq import read_boolq
from dpr.data.identity import content_id
from dpr.data.pairs import read_pairs
from dpr.data.passages import read_examples, read_passages
from dpr.errors import DataError
from dpr.types import Example, Passage, Question


def jsonl(folder: Path, *rows: Mapping[str, object]) -> Path:
    path = folder / "pairs.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def tsv(folder: Path, text: str) -> Path:
    path = folder / "pairs.tsv"
    path.write_text(text, encoding="utf-8")
    return path


def pair(question: str = "q", passage: str = "p", **more: object) -> dict[str, object]:
    return {"question": question, "passage": passage, **more}


def test_two_columns_without_a_header(tmp_path: Path) -> None:
    [example] = read_pairs(tsv(tmp_path, "한글은 누가?\t세종이 만들었다.\n"))
    question = Question(content_id("한글은 누가?"), "한글은 누가?")
    assert example == Example(question, (Passage(content_id("세종이 만들었다."), "세종이 만들었다."),))


@pytest.mark.parametrize(
    "rows",
    [
        ["capital france\tParis", "big river\tNile"],
        ["대한민국 수도\t서울", "가장 큰 강\t나일강"],
        ["한국의 수도는\t서울이다", "일본의 수도는 어디인지 알려 주세요\t일본의 수도는 도쿄이다."],
        ["수도\t서울", "강\t한강"],
        ["Deep Blue\tIBM Computer", "White House\tWashington D C", "Who is it?\tHe is a king."],
        ["who wrote hamlet\tWilliam Shakespeare", *(f"Who wrote the book of {name}?\t{name} did." for name in "AB")],
        ["apollo 11\tmoon landing", *(f"What is the landing of {name}?\tIt is {name}." for name in "ABC")],
    ],
)
def test_short_rows_are_no_headers(tmp_path: Path, rows: list[str]) -> None:
    examples = list(read_pairs(tsv(tmp_path, "\n".join(rows))))
    assert [(example.question.text, example.positives[0].text) for example in examples] == [
        tuple(row.split("\t")) for row in rows
    ]


def test_a_third_column_is_the_title(tmp_path: Path) -> None:
    [example] = read_pairs(tsv(tmp_path, "who?\tSejong made it.\tHangul\n"))
    assert example.positives[0].title == "Hangul"


def test_a_header_names_columns_in_any_order(tmp_path: Path) -> None:
    path = tsv(tmp_path, "Passage_ID\tTitle\tPassage\tID\tAnswer\tQuestion\np1\t\ttext\tq1\tan answer\twho?\n")
    [example] = read_pairs(path)
    assert example == Example(Question("q1", "who?", ("an answer",)), (Passage("p1", "text"),))


@pytest.mark.parametrize("names", [("query", "positive"), ("anchor", "positive"), ("question", "passage")])
def test_the_names_of_sentence_transformers(tmp_path: Path, names: tuple[str, str]) -> None:
    row = dict(zip(names, ("who?", "he"), strict=True))
    from_json = list(read_pairs(jsonl(tmp_path, row)))
    from_tsv = list(read_pairs(tsv(tmp_path, "\t".join(row) + "\n" + "\t".join(row.values()) + "\n")))
    assert from_json == from_tsv
    assert from_json[0].positives[0].text == "he"


def test_compressed_files_are_read_as_plain_ones(tmp_path: Path) -> None:
    plain = jsonl(tmp_path, pair())
    packed = tmp_path / "pairs.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert list(read_pairs(packed)) == list(read_pairs(plain))


def test_rows_of_one_question_are_one_example(tmp_path: Path) -> None:
    rows = [pair("a", "1", label=1), pair("b", "2", label=1), pair("a", "3", label=0), pair(" a ", "4", label=1.0)]
    first, second = read_pairs(jsonl(tmp_path, *rows))
    assert [passage.text for passage in first.positives] == ["1", "4"]
    assert [passage.text for passage in first.negatives] == ["3"]
    assert first.grades == ()
    assert second.question.text == "b"


def test_questions_of_two_ids_stay_apart_and_a_repeated_pair_counts_once(tmp_path: Path) -> None:
    rows = [pair(id=1, answer="x"), pair(id=2), pair(id=1, answer="y")]
    first, second = read_pairs(jsonl(tmp_path, *rows))
    assert (first.question, second.question) == (Question("1", "q", ("x", "y")), Question("2", "q"))
    assert len(first.positives) == 1


def test_scores_are_grades(tmp_path: Path) -> None:
    text = "query\tpassage\tscore\nq\ta\t2\nq\tb\t0\nq\tc\t1.0\n"
    [example] = read_pairs(tsv(tmp_path, text))
    assert [passage.text for passage in example.positives] == ["a", "c"]
    assert (example.grades, example.negatives[0].text) == ((2, 1), "b")


def test_triplets_bring_hard_negatives(tmp_path: Path) -> None:
    one, many = read_pairs(jsonl(tmp_path, pair("a", negative="n"), pair("b", negative=["n", "m"])))
    assert [passage.text for passage in one.negatives] == ["n"]
    assert [passage.text for passage in many.negatives] == ["n", "m"]


@pytest.mark.parametrize(
    ("rows", "cause"),
    [
        ([pair(), {"question": "q"}], r"pairs\.jsonl, line 2: the pair has no passage \(a field 'passage' or 'posi"),
        ([{"passage": "p"}], r"line 1: the pair has no question"),
        ([pair(passage=" ")], r"line 1: the field 'passage' is empty"),
        ([{"question": 3, "passage": "p"}], r"line 1: 'question' is a whole number; it must be a string"),
        ([pair(label=1), pair()], r"line 2: has no label, but the first row has a 'label'"),
        ([pair(), pair(label=1)], r"line 2: has a 'label', but the first row has no label"),
        ([pair(label=1), pair(score=1)], r"line 2: has a 'score', but the first row has a 'label'"),
        ([pair(label=1, score=1)], r"line 1: has both a 'label' and a 'score'"),
        ([pair(label=2)], r"line 1: 'label' is 2; it must be 0 or 1"),
        ([pair(label="yes")], r"line 1: 'label' is 'yes'; it must be 0 or 1"),
        ([pair(label=True)], r"line 1: 'label' is True; it must be 0 or 1"),
        ([pair(score=0.5)], r"line 1: 'score' is 0\.5; it must be a whole number from 0"),
        ([pair(score=-1)], r"line 1: 'score' is -1; it must be a whole number from 0"),
        ([pair(label=1), pair(label=0)], r"line 2: the passage has the grade 0, but had 1 for this question before"),
        ([pair("a", label=1), pair("b", label=0)], r"line 2: the question 'b' has no positive passage"),
        ([pair("a", id=1), pair("b", id=1)], r"line 2: question id '1' occurred before with another text \(.*1\)"),
        (
            [pair(passage_id=1), pair("b", "other", passage_id=1)],
            r"line 2: passage id '1' occurred before with another",
        ),
        ([pair(negative=["n", ""])], r"line 1: the field 'negative' has an empty text"),
        ([pair(answer=[1])], r"line 1: 'answer' has a whole number in it; each item must be a string"),
    ],
)
def test_a_bad_row_is_one_sentence_with_its_place(tmp_path: Path, rows: list[dict[str, object]], cause: str) -> None:
    with pytest.raises(DataError, match=cause):
        list(read_pairs(jsonl(tmp_path, *rows)))


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("question\tpassage\nq\t\n", r"pairs\.tsv, line 2: the pair has no passage"),
        ("\tp\n", r"line 1: the pair has no question"),
        ("question\tpasage\nq\tp\n", r"line 1: looks like a header without a column 'passage' \(it has question, pas"),
        ("질문\t답변\n어디?\t서울\n", r"line 1: looks like a header without a column 'passage' \(it has 질문, 답변\)"),
        ("문장\t본문\n어디?\t서울\n", r"line 1: looks like a header without a column 'question'"),
        ("User Question\tSupport Article\nHow do I log in?\tOpen it.\n", r"line 1: looks like a header without"),
        ("user question\tsupport article\n" + "How do I log in?\tOpen it.\n" * 2, r"line 1: looks like a header"),
        ("what the user asks\tour article\n" + "How do I log in?\tOpen it.\n" * 3, r"line 1: looks like a header"),
        ("고객 문의\t상담 답변\n" + "언제 오나요?\t내일 도착해요.\n" * 2, r"line 1: looks like a header without"),
        ("question text\tpassage text\nwhat\tthat\n", r"line 1: looks like a header without a column 'question'"),
        ("User Query\tHelp Page\tGrade\nlog in\tlog in\t1\n", r"line 1: looks like a header without"),
        ("제목\t설명\n부산\t항구\n", r"line 1: looks like a header without a column 'question'"),
        ("prompt\tcompletion\nWhat is it?\tIt is a long text.\n", r"line 1: looks like a header without"),
        ("물음\t대답\n부산은 어떤 도시인가?\t부산은 항구 도시이다.\n", r"line 1: looks like a header without"),
        ("question\tpassage\tlabel\nq\tp\t1\nr\tp\t\n", r"line 3: has no label, but the first row has a 'label'"),
        ("q\tp\nq\n", r"line 2: has no tab and so 1 column instead of 2 \(question, passage\)"),
        ("only one cell\n", r"line 1: has no tab and so 1 column instead of 2"),
    ],
)
def test_a_bad_line_of_a_table_is_named(tmp_path: Path, text: str, cause: str) -> None:
    with pytest.raises(DataError, match=cause):
        list(read_pairs(tsv(tmp_path, text)))


@pytest.mark.parametrize("text", ["", "\n\n", "question\tpassage\n"])
def test_a_file_without_a_pair_is_refused_as_questions_and_as_a_corpus(tmp_path: Path, text: str) -> None:
    path = tsv(tmp_path, text)
    with pytest.raises(DataError, match=r"pairs\.tsv: has no question"):
        list(read_examples(f"pairs:{path}"))
    with pytest.raises(DataError, match=r"pairs\.tsv: the corpus is empty"):
        list(read_passages(f"pairs:{path}"))


def test_another_ending_is_refused_and_an_absent_file_is_said_to_be_absent(tmp_path: Path) -> None:
    (tmp_path / "pairs.xlsx").touch()
    with pytest.raises(DataError, match=r"pairs\.xlsx: has no ending of a file of pairs; use one of \.jsonl,"):
        list(read_pairs(tmp_path / "pairs.xlsx"))
    with pytest.raises(DataError, match="is a folder; name a file"):
        list(read_pairs(tmp_path))
    for name in ("none.xlsx", "none.tsv"):
        with pytest.raises(DataError, match="no such file"):
            list(read_pairs(tmp_path / name))


def test_pairs_are_a_source_of_passages_without_repeats(tmp_path: Path) -> None:
    path = jsonl(tmp_path, pair("a", "1", label=1), pair("a", "2", label=0), pair("b", "1", label=1))
    assert [passage.text for passage in read_passages(f"pairs:{path}")] == ["1", "2"]


def test_a_published_set_of_pairs_is_read_back_whole(shared_data: Path, tmp_path: Path) -> None:
    published = list(read_boolq(shared_data / "kobest-boolq"))
    rows = [pair(example.question.text, example.positives[0].text) for example in published]
    found = list(read_pairs(jsonl(tmp_path, *rows)))
    assert {(e.question.text, p.text) for e in found for p in e.positives} == {
        (str(row["question"]).strip(), row["passage"]) for row in rows
    }
    assert len(found) == len({str(row["question"]).strip() for row in rows})
