"""Indexes from Python: the same checks and the same index as from files, whatever the corpus is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dpr
from dpr.errors import ConfigError, DataError, IndexLockedError
from dpr.search.open import open_index
from dpr.store.lock import writer_lock
from dpr.store.manifest import Manifest
from dpr.types import FloatArray, Progress, no_progress
from index_builder.spool import Corpus
from tests.fakes import HashEncoder
from tests.small_index import PASSAGES, write_jsonl

ENCODER = HashEncoder()
OPTIONS = dpr.IndexOptions(analyzer="words")
ROWS = [{"id": passage.id, "title": passage.title, "text": passage.text} for passage in PASSAGES]


def build(corpus: Corpus, index: Path, encoder: HashEncoder | None = ENCODER) -> Manifest:
    return dpr.build_index(corpus, index, encoder=encoder, options=OPTIONS)


def passages_of(index: Path) -> list[dpr.Passage]:
    return list(open_index(index).passages)


def stream() -> Iterator[dpr.Passage]:
    yield from PASSAGES


@pytest.mark.parametrize("corpus", [PASSAGES, list(PASSAGES), ROWS, stream(), "FILE", ["FILE"], [Path("FILE")]])
def test_the_index_is_that_of_the_file(tmp_path: Path, corpus: Corpus) -> None:
    source = write_jsonl(tmp_path / "corpus.jsonl")
    build(source, tmp_path / "of-file")
    if corpus == "FILE" or (isinstance(corpus, list) and str(corpus[0]) == "FILE"):
        corpus = source if corpus == "FILE" else [Path(source)]
    manifest = build(corpus, tmp_path / "index")
    assert passages_of(tmp_path / "index") == passages_of(tmp_path / "of-file")
    first, second = (open_index(tmp_path / name).resources.segments[0].vectors() for name in ("index", "of-file"))
    assert np.array_equal(first, second)
    assert (manifest.passages, manifest.provenance.command) == (len(PASSAGES), "dpr.build_index")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus.jsonl", "index", "of-file"]


@pytest.mark.parametrize(
    ("corpus", "shown"),
    [
        (["a text", "b text"], "'a text' names no file: "),
        (["Is this a text?"], "'Is this a text?' names no file (the pattern matches no "),
        (["is: this?"], "'is: this?' names no file (unknown kind 'is'"),
        ("a text", "'a text' names no file: "),
        (["long " * 1000], "'long long lo...ng long long ' names no file"),
        (["a\0b"], "'a\\x00b' names no file"),
    ],
)
def test_a_text_in_place_of_a_source_is_told_how_to_give_it(tmp_path: Path, corpus: Corpus, shown: str) -> None:
    with pytest.raises(DataError) as caught:
        build(corpus, tmp_path / "index")
    assert str(caught.value).startswith(shown)
    assert str(caught.value).endswith(
        ": a string names a file, a folder, kind:PATH or a pattern; give a text as {'text': '…'}"
    )


def test_a_path_that_is_absent_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.jsonl: no such file or folder; check the path$"):
        build([tmp_path / "absent.jsonl"], tmp_path / "index")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"analyzer": "nope"}, "unknown analyzer 'nope'; use one of ko-en"),
        ({"learned": {"nope": "x"}}, "there is no learned list 'nope'; choose from splade"),
    ],
)
def test_options_are_checked_when_they_are_made(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        dpr.IndexOptions(**options)


def test_an_index_without_vectors_has_no_encoder(tmp_path: Path) -> None:
    assert build(PASSAGES, tmp_path / "index", None).encoder is None
    assert dpr.open(tmp_path / "index", reader=None).retrieve("Paris")[0].passage_id == "paris"


def test_rows_need_a_text_alone_and_documents_are_cut(tmp_path: Path) -> None:
    options = dpr.IndexOptions(analyzer="words", chunk=dpr.ChunkOptions(4), bm25=dpr.Bm25Options(k1=0.9))
    rows = [{"text": "one two three. four five six. seven eight nine."}, {"본문": "하나 둘 셋"}]
    manifest = dpr.build_index(rows, tmp_path / "index", encoder=ENCODER, options=options)
    assert manifest.passages == 4
    assert manifest.provenance.chunk_tokens == 4
    assert manifest.weights["bm25"].parameters["k1"] == 0.9


@pytest.mark.parametrize(
    ("corpus", "sentence"),
    [
        ([], "there is no passage to index"),
        (iter([]), "there is no passage to index"),
        ([{"text": "fine"}, {"title": "no text"}], "the passages, row 2: the field 'text' is missing"),
        ([{"text": "fine"}, {"text": 3}], "the passages, row 2: 'text' is a whole number; it must be a string"),
        ([dpr.Passage("a", "fine"), dpr.Passage("b", " ")], "the passages, row 2: the field 'text' is empty"),
        ([{"text": "fine"}, "a text"], "the passages, row 2: is a string where a dpr.Passage or a dict is expected"),
        ([3], "the passages, row 1: is a whole number where a dpr.Passage or a dict is expected"),
        (
            [{"id": "a", "text": "one"}, {"id": "a", "text": "two"}],
            "the passages, row 2: passage id 'a' occurred before with another title, text or field",
        ),
        ([{"title": "x"}, {"title": "y"}], "2 rows are bad"),
        (["there-is-none.jsonl"], "'there-is-none.jsonl' names no file"),
    ],
)
def test_bad_rows_are_named_and_nothing_is_left(tmp_path: Path, corpus: Corpus, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        build(corpus, tmp_path / "index")
    assert list(tmp_path.iterdir()) == []


def test_bad_rows_are_left_out_where_the_rules_say_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    from dpr.data.intake import ReadRules

    options = dpr.IndexOptions(analyzer="words", rules=ReadRules(skip_bad_rows=True))
    rows: list[dict[str, object]] = [{"id": "a", "text": "one"}, {"id": "b"}]
    assert dpr.build_index(rows, tmp_path / "index", encoder=None, options=options).passages == 1
    assert "skipped 1 bad row" in caplog.text
    assert "the passages, row 2: the field 'text' is missing" in caplog.text


def test_repeats_are_skipped_and_counted(tmp_path: Path) -> None:
    [source] = build([*PASSAGES, PASSAGES[0]], tmp_path / "index").provenance.sources
    assert (source.passages, source.duplicates) == (len(PASSAGES), 1)


class Interrupted(HashEncoder):
    """Is stopped at its first passages."""

    def encode_passages(self, passages: object, progress: Progress = no_progress) -> FloatArray:
        raise KeyboardInterrupt


def test_a_build_that_was_stopped_goes_on_with_the_same_passages(tmp_path: Path) -> None:
    stages: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        build(PASSAGES, tmp_path / "index", Interrupted())
    assert [path.name for path in tmp_path.iterdir()] == ["index"]
    dpr.build_index(
        stream(), tmp_path / "index", encoder=ENCODER, options=OPTIONS, progress=lambda stage, *_: stages.append(stage)
    )
    assert "encode" in stages
    assert "corpus" not in stages
    assert passages_of(tmp_path / "index") == list(PASSAGES)


def test_other_passages_are_built_anew(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        build(PASSAGES, tmp_path / "index", Interrupted())
    build(PASSAGES[:2], tmp_path / "index")
    assert passages_of(tmp_path / "index") == list(PASSAGES[:2])


def test_passages_are_added_replaced_and_deleted(tmp_path: Path) -> None:
    index = tmp_path / "index"
    build(PASSAGES[:3], index)
    manifest = dpr.add_passages(PASSAGES[2:], index, encoder=ENCODER)
    assert (manifest.passages, manifest.provenance.sources[0].duplicates) == (len(PASSAGES), 1)
    assert dpr.add_passages(PASSAGES[2:], index, encoder=ENCODER) == manifest
    with pytest.raises(DataError, match="another title, text or field"):
        dpr.add_passages([{"id": "rome", "text": "Rome is old"}], index, encoder=ENCODER)
    dpr.add_passages([{"id": "rome", "text": "Rome is old"}], index, encoder=ENCODER, replace=True)
    assert {passage.id: passage.text for passage in passages_of(index)}["rome"] == "Rome is old"
    dpr.delete_passages("rome", index)
    assert dpr.delete_passages(["paris", "python"], index).passages == len(PASSAGES) - 3
    assert {passage.id for passage in passages_of(index)} == {"seoul", "busan", "kimchi"}
    assert [path.name for path in tmp_path.iterdir()] == ["index"]


def test_an_index_without_vectors_is_added_to_without_an_encoder(tmp_path: Path) -> None:
    build(PASSAGES[:2], tmp_path / "index", None)
    with pytest.raises(ConfigError, match="the index has no vectors"):
        dpr.add_passages(PASSAGES[2:], tmp_path / "index", encoder=ENCODER)
    assert dpr.add_passages(PASSAGES[2:], tmp_path / "index").passages == len(PASSAGES)


def test_what_cannot_be_deleted_is_refused(tmp_path: Path) -> None:
    build(PASSAGES, tmp_path / "index", None)
    with pytest.raises(DataError, match="no passage or document 'tokyo'; nothing was deleted; give ids that it has"):
        dpr.delete_passages(["tokyo"], tmp_path / "index")
    with pytest.raises(DataError, match="no passage or document 'oslo', 'tokyo'; nothing"):
        dpr.delete_passages(["tokyo", "oslo"], tmp_path / "index")
    with pytest.raises(ConfigError, match="nothing to delete"):
        dpr.delete_passages([], tmp_path / "index")


def test_the_passages_of_another_writer_stay(tmp_path: Path) -> None:
    build(PASSAGES, tmp_path / "index", None)
    with writer_lock(tmp_path / "index" / ".lock"), pytest.raises(IndexLockedError):
        build(PASSAGES, tmp_path / "index", None)
    [spool] = [path for path in tmp_path.iterdir() if path.name != "index"]
    ids = [json.loads(line)["id"] for line in spool.read_text(encoding="utf-8").splitlines()]
    assert ids == [passage.id for passage in PASSAGES]
    build(PASSAGES, tmp_path / "index", None)
    assert [path.name for path in tmp_path.iterdir()] == ["index"]
