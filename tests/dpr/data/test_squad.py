from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dpr.data.identity import content_id
from dpr.data.intake import BadRows, ReadRules
from dpr.data.passages import files_of, read_corpus, read_examples, read_passages
from dpr.data.squad import PARAGRAPH_BREAK, read_squad, read_squad_passages
from dpr.errors import DataError
from dpr.types import Example, Passage, Question

SEOUL = "서울은 한국의 수도이다."


def question(**fields: object) -> dict[str, object]:
    return {"id": "q1", "question": "수도는?", "answers": [{"text": "서울", "answer_start": 0}], **fields}


def squad_file(tmp_path: Path, *questions: dict[str, object], **article: Any) -> Path:
    path = tmp_path / "dev.json"
    article = {"title": "South_Korea", "paragraphs": [{"context": SEOUL, "qas": list(questions)}], **article}
    path.write_text(json.dumps({"version": "1.1", "data": [article]}), encoding="utf-8")
    return path


def test_a_question_has_its_paragraph_and_its_answers(tmp_path: Path) -> None:
    passage = Passage(content_id(SEOUL), SEOUL, "South Korea", document_id="South_Korea")
    assert list(read_squad(squad_file(tmp_path, question()))) == [
        Example(Question("q1", "수도는?", ("서울",)), (passage,), answer_starts=(0,))
    ]


def test_the_prefix_goes_before_question_ids(tmp_path: Path) -> None:
    [example] = read_squad(squad_file(tmp_path, question()), prefix="korquad:")
    assert example.question.id == "korquad:q1"


def test_an_impossible_question_has_no_answers_but_its_paragraph(tmp_path: Path) -> None:
    [example] = read_squad(squad_file(tmp_path, question(is_impossible=True, plausible_answers=[])))
    assert example.is_impossible
    assert (example.question.answers, example.answer_starts) == ((), ())
    assert example.positives[0].text == SEOUL


@pytest.mark.parametrize(
    ("fields", "is_impossible"),
    [
        ({"answers": []}, True),
        ({"answers": {"text": [], "answer_start": []}}, True),
        ({"answers": [], "is_impossible": False}, False),  # answered, but nobody marked where
        ({"answers": None}, False),
    ],
)
def test_a_question_with_an_empty_list_of_answers_is_impossible(
    tmp_path: Path, fields: dict[str, object], is_impossible: bool
) -> None:
    [example] = read_squad(squad_file(tmp_path, question(**fields)))
    assert (example.is_impossible, example.question.answers) == (is_impossible, ())


def test_klue_mrc_is_read_by_its_guid(tmp_path: Path) -> None:
    klue = {"guid": "klue-mrc-v1_dev_1", "question": "?", "answers": [], "is_impossible": True, "question_type": 3}
    [example] = read_squad(squad_file(tmp_path, klue, news_category="사회", source="hankyung"))
    assert example.question.id == "klue-mrc-v1_dev_1"


def test_klue_mrc_is_a_source_of_questions_and_of_passages(tmp_path: Path) -> None:
    """As published: no title, a category and a source, plausible answers beside none, repeated spans."""
    klue = {"question_type": 1, "is_impossible": False, "guid": "klue-mrc-v1_train_1", "question": "수도는?"}
    impossible = {**klue, "question_type": 3, "is_impossible": True, "guid": "klue-mrc-v1_train_2"}
    spans = [{"text": "서울은", "answer_start": 0}, {"text": "서울", "answer_start": 0}]
    path = squad_file(
        tmp_path,
        {**klue, "answers": spans},
        {**impossible, "answers": [], "plausible_answers": spans},
        title="",
        news_category="종합",
        source="hankyung",
    )
    answered, unanswerable = read_examples(f"klue:{path}")
    assert answered.question == Question("klue-mrc-v1_train_1", "수도는?", ("서울은", "서울"))
    assert answered.answer_starts == (0, 0)
    assert (unanswerable.is_impossible, unanswerable.question.answers) == (True, ())
    assert [passage.text for passage in read_passages(f"klue:{path}")] == [SEOUL]


def test_an_article_without_a_title_is_known_by_its_paragraph(tmp_path: Path) -> None:
    [passage] = read_squad_passages(squad_file(tmp_path, title=None))
    assert (passage.title, passage.document_id) == ("", content_id(SEOUL))


def test_a_paragraph_without_questions_is_a_passage_all_the_same(tmp_path: Path) -> None:
    assert [passage.text for passage in read_squad_passages(squad_file(tmp_path))] == [SEOUL]


@pytest.mark.parametrize("start", [1, -2, 400])
def test_an_answer_elsewhere_names_question_and_what_was_found(tmp_path: Path, start: int) -> None:
    path = squad_file(tmp_path, question(answers=[{"text": "서울", "answer_start": start}]))
    with pytest.raises(
        DataError, match=rf"dev\.json: question q1: the answer is '서울', but the paragraph has .* at offset {start}"
    ):
        list(read_squad(path))


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"question": " "}, "question q1: the field 'question' is empty"),
        ({"question": None}, "question q1: the field 'question' is missing"),
        ({"id": None}, "a question has no 'id'"),
        ({"answers": [{"text": "서울"}]}, "question q1: the field 'answer_start' is missing"),
        ({"answers": [{"text": "서울", "answer_start": "0"}]}, "question q1: 'answer_start' is a string"),
        ({"answers": "서울"}, "question q1: 'answers' is a string; it must be a list"),
    ],
)
def test_a_bad_question_is_named(tmp_path: Path, fields: dict[str, object], cause: str) -> None:
    with pytest.raises(DataError, match=rf"dev\.json: .*{cause}"):
        list(read_squad(squad_file(tmp_path, question(**fields))))


def test_an_empty_paragraph_is_a_passage_without_text(tmp_path: Path) -> None:
    path = tmp_path / "dev.json"
    path.write_text('{"data": [{"paragraphs": [{"context": "", "qas": []}, {"context": "text", "qas": []}]}]}')
    assert [passage.text for passage in read_squad_passages(path)] == ["", "text"]
    assert [passage.text for passage in read_passages(f"squad:{path}")] == ["text"]


@pytest.mark.parametrize("text", ["{}", "[]", "{", '{"data": {}}'])
def test_another_form_of_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "dev.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"dev\.json: "):
        list(read_squad(path))


@pytest.mark.parametrize(
    ("name", "questions", "impossible"),
    [
        ("squad/dev-v1.1.json", 10_570, 0),
        ("squad/dev-v2.0.json", 11_873, 5_945),
        ("korquad/KorQuAD_v1.0_dev.json", 5_774, 0),
        ("squadshifts/reddit_v1.0.json", 9_803, 0),
    ],
)
def test_published_files_are_read_whole(shared_data: Path, name: str, questions: int, impossible: int) -> None:
    examples = list(read_squad(shared_data / name))
    assert (len(examples), sum(example.is_impossible for example in examples)) == (questions, impossible)


def test_offsets_are_those_in_the_article(demo_files: tuple[Path, Path]) -> None:
    passages = list(read_squad_passages(demo_files[0]))
    article = [passage for passage in passages if passage.document_id == passages[0].document_id]
    document = PARAGRAPH_BREAK.join(passage.text for passage in article)
    assert len(article) > 2
    for passage in article:
        assert document[passage.start : passage.end] == passage.text


FLAT = {"title": "South_Korea", "context": SEOUL, "question": "수도는?"}


def flat_rows() -> list[dict[str, Any]]:
    first = {**FLAT, "id": "q1", "answers": {"text": ["서울"], "answer_start": [0]}}
    empty = {**FLAT, "id": "q2", "answers": {"text": [], "answer_start": []}}
    return [
        first,
        empty,
        {**first, "id": "q3", "context": "서울의 강은 한강이다."},
        {**first, "id": "q4", "title": "Other"},
    ]


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "lines.json", "data.json", "a.parquet"])
def test_the_flat_form_gives_what_the_nested_one_gives(tmp_path: Path, name: str) -> None:
    path, rows = tmp_path / name, flat_rows()
    lines = "\n" + "".join(json.dumps(row) + "\n" for row in rows)
    if name == "a.parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        contents = {"a.json": json.dumps(rows, indent=1), "data.json": json.dumps({"data": rows})}
        path.write_text(contents.get(name, lines))
    nested = [
        {"context": SEOUL, "qas": [question(), question(id="q2", answers=[], is_impossible=True)]},
        {"context": "서울의 강은 한강이다.", "qas": [question(id="q3")]},
    ]
    other = {"title": "Other", "paragraphs": [{"context": SEOUL, "qas": [question(id="q4")]}]}
    article = squad_file(tmp_path, paragraphs=nested)
    article.write_text(json.dumps({"data": [*json.loads(article.read_text())["data"], other]}))
    assert list(read_squad(path)) == list(read_squad(article))
    assert list(read_squad_passages(path)) == list(read_squad_passages(article))


def test_ai_hub_is_read_with_its_own_names(tmp_path: Path) -> None:
    asked = {
        "question_id": "11",
        "question": "수도는?",
        "answers": {"text": "서울", "answer_start": 0, "clue_start": 0},
    }
    paragraphs = [{"context_id": "1", "context": SEOUL, "qas": [{**asked, "is_impossible": False}]}]
    path = squad_file(tmp_path, title=None, doc_title="한국", doc_id="5", paragraphs=paragraphs)
    [example] = read_squad(path)
    assert example.question == Question("11", "수도는?", ("서울",))
    assert example.positives == (Passage(content_id(SEOUL), SEOUL, "한국", document_id="5"),)


@pytest.mark.parametrize("page", [{"raw_html": "<html>", "context": "x"}, {"context": "<!DOCTYPE html>\n<html>"}])
def test_korquad_2_is_recognized(tmp_path: Path, page: dict[str, object]) -> None:
    asked = {"id": "1", "question": "?", "answer": {"text": "x", "answer_start": 3}}
    nested = {"title": "부산", **page, "qas": [asked]}
    for text in (json.dumps({"data": [nested]}), json.dumps([{**asked, **page}])):
        path = tmp_path / "kq2.json"
        path.write_text(text)
        with pytest.raises(DataError, match=r"has no 'paragraphs' and looks like KorQuAD 2, .* use KorQuAD 1"):
            list(read_squad(path))


def test_an_article_without_paragraphs_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"dev\.json: article 1: has no 'paragraphs'"):
        list(read_squad(squad_file(tmp_path, paragraphs=None)))


def test_lists_of_answers_have_equal_lengths(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{**FLAT, "id": "q1", "answers": {"text": ["서울"], "answer_start": []}}]))
    with pytest.raises(DataError, match=r"a\.json: question q1: 'answers' has different numbers of items"):
        list(read_squad(path))


def test_articles_are_the_same_for_questions_and_passages(tmp_path: Path) -> None:
    articles = [
        {
            "title": f"t{n}",
            "paragraphs": [{"context": f"c{n}", "qas": [question(id=n, answers=[])]}, {"context": f"d{n}"}],
        }
        for n in range(4)
    ]
    path = tmp_path / "dev.json"
    path.write_text(json.dumps({"data": articles}))
    assert [passage.text for passage in read_passages(f"squad:{path}@1:3")] == ["c1", "d1", "c2", "d2"]
    assert [example.positives[0].text for example in read_examples(f"squad:{path}@1:3")] == ["c1", "c2"]
    assert files_of(f"squad:{path}@1:3") == [path]
    with pytest.raises(DataError, match=r"\.json: @9: selects none of the"):
        list(read_passages(f"squad:{path}@9:"))
    with pytest.raises(DataError, match="only a kind:PATH has articles to select"):
        list(read_passages("corpus.jsonl@:2"))


def test_a_bad_question_or_paragraph_costs_only_itself(tmp_path: Path) -> None:
    paragraphs = [
        {"context": SEOUL, "qas": [5, question(id="q2")]},
        {"context": "두 번째", "qas": {"id": "x"}},
        "세 번째",
        {"context": "네 번째"},
    ]
    path = squad_file(tmp_path, paragraphs=paragraphs)
    rules, bad_rows = ReadRules(skip_bad_rows=True), BadRows(skip=True)
    texts = [passage.text for passage in read_corpus([f"squad:{path}"], rules, bad_rows)]
    assert texts == [SEOUL, "두 번째", "네 번째"]
    assert bad_rows.count == 3
    assert [example.question.id for example in read_examples(f"squad:{path}", rules)] == ["q2"]


def test_an_article_alone_is_a_file(tmp_path: Path) -> None:
    path = squad_file(tmp_path, question())
    expected = list(read_squad(path))
    path.write_text(json.dumps(json.loads(path.read_text())["data"][0]))
    assert list(read_squad(path)) == expected


def test_answers_by_another_name_are_not_passed_over(tmp_path: Path) -> None:
    path = squad_file(tmp_path, question(answers=None, answer={"text": "서울", "answer_start": 0}))
    with pytest.raises(DataError, match=r"question q1: has 'answer' instead of SQuAD's 'answers'"):
        list(read_squad(path))


@pytest.mark.parametrize("context_form", ["NFC", "NFD"])
@pytest.mark.parametrize("answer_form", ["NFC", "NFD"])
def test_an_answer_in_another_unicode_form_is_that_of_its_paragraph(
    tmp_path: Path, context_form: Any, answer_form: Any
) -> None:
    context = unicodedata.normalize(context_form, "수도는 서울이다.")
    answer = unicodedata.normalize(context_form, "서울")
    start = context.index(answer)
    stated = {"text": unicodedata.normalize(answer_form, "서울"), "answer_start": float(start)}
    rows = [{"id": "1", "context": context, "question": "?x", "answers": [stated]}]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    [example] = read_squad(path)
    assert (example.question.answers, example.answer_starts) == ((answer,), (start,))


def test_a_table_is_no_squad(tmp_path: Path) -> None:
    path = tmp_path / "squad.csv"
    path.write_text("id,context,question,answers\n")
    with pytest.raises(DataError, match=r"squad\.csv: is a table by its name; SQuAD .* JSON, JSON lines and Parquet"):
        list(read_squad(path))


def test_data_that_is_no_list_is_named(tmp_path: Path) -> None:
    path = tmp_path / "dev.json"
    path.write_text(json.dumps({"data": {"title": "x"}}))
    with pytest.raises(DataError, match="'data' is an object, not a list"):
        list(read_squad(path))
