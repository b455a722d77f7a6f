"""TREC's topics and judgements as questions; what is not there is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpr.data.passages import read_examples, read_passages
from dpr.errors import DataError, MissingDependencyError

SGML = """<top>
<num> Number: 301
<title> capital of France

<desc> Description:
Which city?
</top>
<top>
<num>302</num>
<title>dish of
cabbage</title>
</top>
"""


def folder(tmp_path: Path, topics: str, qrels: str = "301 0 p1 1\n301 0 p2 0\n302 0 p3 2\n") -> str:
    (tmp_path / "topics.txt").write_text(topics, encoding="utf-8")
    (tmp_path / "qrels.txt").write_text(qrels, encoding="utf-8")
    return f"trec:{tmp_path}"


@pytest.mark.parametrize("topics", [SGML, "301\tcapital of France\n302\tdish of cabbage\n303\tnot judged\n"])
def test_topics_and_judgements(tmp_path: Path, topics: str) -> None:
    examples = list(read_examples(folder(tmp_path, topics)))
    assert [(e.question.id, e.question.text, e.absent_positives) for e in examples] == [
        ("301", "capital of France", (("p1", 1),)),
        ("302", "dish of cabbage", (("p3", 2),)),
    ]


def test_a_judged_topic_that_is_absent_is_counted(tmp_path: Path) -> None:
    examples = read_examples(folder(tmp_path, "301\tcapital of France\n"))
    assert [example.question.id for example in examples] == ["301"]
    assert examples.without_text == 1


def test_the_passages_of_the_folder(tmp_path: Path) -> None:
    source = folder(tmp_path, SGML)
    with pytest.raises(DataError, match=r"has no file corpus\.\* or passages\.\*"):
        list(read_passages(source))
    (tmp_path / "corpus.jsonl").write_text('{"id": "p1", "text": "Paris"}\n', encoding="utf-8")
    assert [passage.id for passage in read_passages(source)] == ["p1"]


@pytest.mark.parametrize(
    ("topics", "cause"),
    [
        ("<top><title>x</title></top>", "has no <num> or no <title>"),
        ("301 capital", "the line is no topic: write its id, a tab and its text"),
        ("301\ta\n301\tb\n", "the topic '301' comes twice; keep one of them"),
    ],
)
def test_bad_topics(tmp_path: Path, topics: str, cause: str) -> None:
    with pytest.raises(DataError, match=cause):
        list(read_examples(folder(tmp_path, topics)))


def test_a_folder_without_one_of_each_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"must have one file named qrels\.\*, and has none"):
        list(read_examples(f"trec:{tmp_path}"))
    source = folder(tmp_path, SGML)
    (tmp_path / "topics-2.txt").write_text(SGML, encoding="utf-8")
    with pytest.raises(DataError, match=r"one file named topics\.\*, and has topics-2\.txt, topics\.txt"):
        list(read_examples(source))
    with pytest.raises(DataError, match="is not a folder; give the one that has the files topics"):
        list(read_examples(f"trec:{tmp_path / 'topics.txt'}"))


def test_ir_datasets_is_optional() -> None:
    try:
        import ir_datasets  # noqa: F401
    except ImportError:
        with pytest.raises(MissingDependencyError, match="run pip install ir_datasets"):
            list(read_examples("ir_datasets:vaswani"))
    else:
        with pytest.raises(DataError, match="ir_datasets has no data set 'no/such/set'"):
            list(read_examples("ir_datasets:no/such/set"))
