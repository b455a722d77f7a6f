from __future__ import annotations

import gzip
import json
import logging
import unicodedata
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dpr.data.dpr_json import write_dpr_json
from dpr.data.passages import KINDS, read_corpus, read_examples, read_passages
from dpr.errors import DataError
from dpr.types import Example, Passage, Question
from tests.beir_files import write_beir

PASSAGES = [Passage("1", "서울은 수도이다.", "서울"), Passage("2", 'a "second" one')]
ROWS = [{"id": passage.id, "text": passage.text, "title": passage.title} for passage in PASSAGES]


def as_jsonl() -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS).encode()


def as_tsv() -> bytes:
    return "".join(f"{row['id']}\t{row['text']}\t{row['title']}\n" for row in ROWS).encode()


def as_parquet() -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(ROWS), sink)
    content: bytes = sink.getvalue().to_pybytes()
    return content


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", as_jsonl()),
        ("a.jsonl.gz", gzip.compress(as_jsonl(), mtime=0)),
        ("A.TSV", as_tsv()),
        ("a.tsv.gz", gzip.compress(as_tsv(), mtime=0)),
        ("a.parquet", as_parquet()),
    ],
)
def test_every_format_gives_the_same_passages(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert list(read_passages(str(tmp_path / name))) == PASSAGES
    assert list(read_passages(str(tmp_path))) == PASSAGES


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a.jsonl", "notes.log"):
        (tmp_path / name).write_text(json.dumps({"text": f"in {name}"}))
    assert [passage.text for passage in read_passages(str(tmp_path))] == ["in a.jsonl", "in b.jsonl"]


def test_hidden_files_of_a_folder_are_not_the_users(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": "a", "text": "x"}\n')
    (tmp_path / "._a.jsonl").write_bytes(b"\0\5\x16\7")
    assert [passage.id for passage in read_passages(str(tmp_path))] == ["a"]
    (tmp_path / "a.jsonl").unlink()
    with pytest.raises(DataError, match="the folder has no"):
        list(read_passages(str(tmp_path)))


def test_reading_is_a_stream(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "first"}\nthis line is not JSON\n')
    assert [passage.text for passage in islice(read_passages(str(path)), 1)] == ["first"]


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        ('{"text": "a"}\n{"text": ', "line 2: is not valid JSON"),
        ('{"title": "a"}', "line 1: the field 'text' is missing"),
        ('{"text": ["a"]}', "line 1: 'text' is a list; it must be a string"),
        ('{"text": " \\n"}', "line 1: the field 'text' is empty"),
        ('{"text": "a", "id": [1]}', "line 1: 'id' is a list; it must be a string or a whole number"),
        ('{"id": 1, "text": "a"}\n{"id": "1", "text": "b"}', "line 2: passage id '1' occurred before with another"),
        ("\n", "the corpus is empty"),
    ],
)
def test_bad_input_is_one_sentence_with_its_place(tmp_path: Path, content: str, cause: str) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_text(content)
    with pytest.raises(DataError, match=rf"corpus\.jsonl(, |: ){cause}") as caught:
        list(read_corpus([str(path)]))
    assert "\n" not in str(caught.value)


def test_ids_are_compared_across_sources(tmp_path: Path) -> None:
    for name, text in (("a.jsonl", "x"), ("b.jsonl", "x"), ("c.jsonl", "y")):
        (tmp_path / name).write_text(json.dumps({"id": 1, "text": text}))
    corpus = read_corpus([str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl")])
    assert len(list(corpus)) == 1
    assert corpus.skipped == 1
    with pytest.raises(DataError, match=r"c\.jsonl, line 1: passage id '1' occurred before"):
        list(read_corpus([str(tmp_path / "a.jsonl"), str(tmp_path / "c.jsonl")]))


def test_sources_that_name_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="unknown kind 'sqaud'; use one of squad, korquad, klue, beir, dpr, qed, boolq"):
        read_passages("sqaud:dev.json")
    with pytest.raises(DataError, match=r"none\.jsonl: no such file"):
        list(read_passages(str(tmp_path / "none.jsonl")))
    with pytest.raises(DataError, match=r"none\.json: no such file"):
        list(read_passages(f"squad:{tmp_path / 'none.json'}"))
    with pytest.raises(DataError, match=r"the folder has no \.jsonl, \.tsv, \.csv or \.parquet file"):
        list(read_passages(str(tmp_path)))


def test_a_file_whose_name_holds_a_colon_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("notes:2024.jsonl").write_text('{"text": "a"}')
    assert len(list(read_passages("notes:2024.jsonl"))) == 1


def test_kinds_give_passages_without_repeats_and_questions(tmp_path: Path) -> None:
    examples = [
        Example(Question("q1", "one?"), positives=(PASSAGES[0],), negatives=(PASSAGES[1],)),
        Example(Question("q2", "two?"), positives=(PASSAGES[0],)),
    ]
    write_dpr_json(tmp_path / "train.json", examples)
    write_beir(tmp_path / "beir", PASSAGES, examples)
    for source in (f"dpr:{tmp_path / 'train.json'}", f"beir:{tmp_path / 'beir'}"):
        assert list(read_passages(source)) == PASSAGES
        assert list(read_examples(source)) == examples


def test_a_question_id_that_comes_again_is_a_repeat_or_an_error(tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    first = Example(Question("q1", "one?"), positives=(PASSAGES[0],))
    write_dpr_json(path, [first, first])
    assert list(read_examples(f"dpr:{path}")) == [first]
    write_dpr_json(path, [first, Example(Question("q1", "two?"), positives=(PASSAGES[0],))])
    with pytest.raises(DataError, match=r"train\.json: question id 'q1' occurs again with another question or passage"):
        list(read_examples(f"dpr:{path}"))


def test_a_source_of_questions_may_name_articles(demo_files: tuple[Path, Path]) -> None:
    english, _ = demo_files
    whole = list(read_examples(f"squad:{english}"))
    parts = [list(read_examples(f"squad:{english}@{part}")) for part in (":5", "5:-2", "-2:")]
    assert [example for part in parts for example in part] == whole
    assert {example.positives[0].title for example in parts[2]} == {"Black holes", "Mount Everest"}


def test_questions_need_a_kind_and_a_question(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"dev\.json: is not a source of questions; put its kind before it, one of"):
        read_examples("dev.json")
    write_dpr_json(tmp_path / "train.json", [])
    with pytest.raises(DataError, match="has no question"):
        list(read_examples(f"dpr:{tmp_path / 'train.json'}"))


@pytest.mark.parametrize(
    ("source", "passages"),
    [
        ("squad:{}/squad/dev-v1.1.json", 2_067),
        ("squad:{}/squad/dev-v2.0.json", 1_204),
        ("korquad:{}/korquad/KorQuAD_v1.0_dev.json", 961),
        ("qed:{}/qed/nq-train-qed.jsonl", 6_760),
        ("boolq:{}/kobest-boolq", 5_757),
        ("{}/kobest-boolq/train.tsv", 3_665),
    ],
)
def test_published_files_are_corpora(shared_data: Path, source: str, passages: int) -> None:
    assert len(list(read_passages(source.format(shared_data)))) == passages


def test_one_paragraph_has_one_id_in_whatever_file_it_stands(shared_data: Path) -> None:
    first, second = ({p.id for p in read_passages(f"squad:{shared_data}/squad/dev-v{v}.json")} for v in ("1.1", "2.0"))
    assert len(first & second) > 1_000


def test_every_kind_names_a_missing_file(tmp_path: Path) -> None:
    for kind in KINDS:
        if kind == "ir_datasets":  # it names a data set
            continue
        with pytest.raises(DataError, match="no such file"):
            list(read_passages(f"{kind}:{tmp_path / 'none.json'}"))


def test_articles_are_chosen_in_any_unicode_form_and_bad_questions_are_not_told_of_a_corpus(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def article(title: str, context: str, start: int) -> dict[str, object]:
        qas = [
            {"id": f"{title} {number}", "question": "q?", "answers": [{"text": "b", "answer_start": offset}]}
            for number, offset in enumerate((2, start))
        ]
        return {"title": title, "paragraphs": [{"context": context, "qas": qas}]}

    articles = [article(unicodedata.normalize("NFD", "부산"), "a b", 0), article("서울", "c b", 2)]
    (tmp_path / "set.json").write_text(json.dumps({"data": articles}), encoding="utf-8")
    with caplog.at_level(logging.WARNING, "dpr"):
        (passage,) = read_corpus([f"squad:{tmp_path / 'set.json'}@:1"])
    assert (passage.title, passage.text, caplog.text) == ("부산", "a b", "")


@pytest.mark.parametrize("articles", ["-:", ":-", "--1:", "1", "a:b", "1:2:3"])
def test_what_is_no_range_of_articles_is_part_of_the_name(tmp_path: Path, articles: str) -> None:
    (tmp_path / "a.json").write_text('{"data": []}')
    for read in (read_passages, read_examples):
        with pytest.raises(DataError, match="no such file"):
            list(read(f"squad:{tmp_path / 'a.json'}@{articles}"))


@pytest.mark.parametrize("source", ["", "  "])
def test_an_empty_source_is_not_the_folder_one_is_in(source: str) -> None:
    with pytest.raises(DataError, match="is empty; name a file, a folder or kind:PATH"):
        list(read_passages(source))


@pytest.mark.parametrize("prefix", ["", "squad:", "beir:", "pairs:"])
def test_a_name_that_no_disk_holds_is_one_sentence(tmp_path: Path, prefix: str) -> None:
    with pytest.raises(DataError, match="cannot be opened: File name too long"):
        list(read_passages(f"{prefix}{tmp_path / ('한' * 200)}.tsv"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("pairs:a.tsv.zst", "question\tpassage\nq?\tp\n"),
        ("dpr:a.qa.csv.zst", "q?\t['p']\n"),
        ("dpr:a.json.zst", '[{"question": "q?", "positive_ctxs": [{"text": "p"}]}]'),
        ("squad:a.JSONL.ZST", '{"id": 1, "question": "q?", "context": "p", "answers": []}\n'),
    ],
)
def test_every_kind_may_be_compressed(tmp_path: Path, name: str, content: str) -> None:
    kind, _, file = name.partition(":")
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content.encode())
    (tmp_path / file).write_bytes(sink.getvalue().to_pybytes())
    assert [example.question.text for example in read_examples(f"{kind}:{tmp_path / file}")] == ["q?"]
