"""Wrong types at the front door: one sentence of the project's own error, with the value and the remedy."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dpr
from dpr.search.embedding import embed_texts

PASSAGES = [{"id": "a", "text": "Deep Blue was built by IBM."}, {"id": "b", "text": "한라산에는 백록담이 있다."}]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("front") / "index"
    dpr.build_index(PASSAGES, folder, encoder=None)
    return folder


def refusal(call: Callable[..., object], *args: Any, **kwargs: Any) -> str:
    with pytest.raises(dpr.DPRError) as caught:
        call(*args, **kwargs)
    return str(caught.value)


CORPUS = "give a file, a folder, kind:PATH, or a list of passages"


@pytest.mark.parametrize(
    ("corpus", "sentence"),
    [
        (5, f"the corpus is 5, a whole number; {CORPUS}"),
        (None, f"the corpus is None; {CORPUS}"),
        (b"abc", f"the corpus is b'abc', bytes; {CORPUS}"),
        (dpr.Passage("a", "text"), f"the corpus is Passage(id='a', text='text'), a Passage; {CORPUS}"),
        ({"text": "one"}, "the corpus is one dict; give a list of passages, such as [{'text': '…'}]"),
    ],
)
@pytest.mark.parametrize("command", ["build_index", "add_passages"])
def test_a_corpus_of_another_type(index: Path, command: str, corpus: Any, sentence: str) -> None:
    assert refusal(getattr(dpr, command), corpus, index) == sentence


@pytest.mark.parametrize(
    ("name", "args", "options", "sentence"),
    [
        ("build_index", (PASSAGES, 5), {}, "index is 5, a whole number; give a string or a path"),
        ("build_index", (PASSAGES, "x"), {"encoder": 5}, "give a string, a path, an Encoder or None"),
        ("build_index", (PASSAGES, "x"), {"options": {"analyzer": "ko-en"}}, "a dict; give an IndexOptions"),
        ("build_index", (PASSAGES, "x"), {"compute": "fp32"}, "compute is 'fp32', a string; give a ComputeOptions"),
        ("add_passages", (PASSAGES, None), {}, "index is None; give a string or a path"),
        ("delete_passages", (5, "x"), {}, "ids is 5, a whole number; give a string or a list of strings"),
        ("delete_passages", ([5], "x"), {}, "ids is [5], which holds 5, a whole number; give a string"),
        ("open", (["x"],), {}, "index is ['x'], a list; give a string or a path"),
        ("open", ("x",), {"retrieval": "bm25"}, "retrieval is 'bm25', a string; give a RetrievalOptions"),
        ("open", ("x",), {"generator": "http://x"}, "give a GeneratorOptions, a Generator or None"),
        ("evaluate", ("x", []), {}, "qa is 'x', a string; give a QA"),
        ("load_encoder", (5,), {}, "name is 5, a whole number; give a string or a path"),
        ("load_reader", (5,), {}, "name is 5, a whole number; give a string or a path"),
        ("read_passages", (5,), {}, "source is 5, a whole number; give a string"),
        ("read_examples", (5,), {}, "source is 5, a whole number; give a string"),
        ("DenseOptions", ("hnsw", 5), {}, "parameters is 5, a whole number; give a dict"),
        ("DenseOptions", ("hnsw", {"m": "5"}), {}, "which holds '5', a string; give a whole number"),
        ("Bm25Options", (), {"k1": "x"}, "k1 is 'x', a string; give a number"),
        ("ChunkOptions", (2.5,), {}, "tokens is 2.5, a number; give a whole number or None"),
        ("ChunkOptions", (True,), {}, "tokens is True; give a whole number or None"),
        ("IndexOptions", (), {"chunk": 100}, "chunk is 100, a whole number; give a ChunkOptions or None"),
        ("ReadRules", (), {"include": "*.md"}, "include is '*.md', a string; give a list of strings"),
        ("ReadRules", (), {"skip_bad_rows": "yes"}, "skip_bad_rows is 'yes', a string; give True or False"),
        ("ComputeOptions", (5,), {}, "precision is 5, a whole number; give a string"),
        ("EncoderOptions", (), {"dimension": "64"}, "dimension is '64', a string; give a whole number or None"),
        ("RerankOptions", (5,), {}, "model is 5, a whole number; give a string"),
        ("RetrievalOptions", ("hybrid", "rrf"), {}, "fusion is 'rrf', a string; give a Fusion or None"),
        ("Fusion", ("rrf", {"dense": "x"}), {}, "which holds 'x', a string; give a number"),
        ("GeneratorOptions", ("url", "model"), {"key": b"secret"}, "key is bytes; give a string"),
        (
            "GeneratorOptions",
            ("url", "model"),
            {"timeout_s": 0},
            "timeout_s is 0; give seconds above 0, at most a year",
        ),
        ("GeneratorOptions", ("url", "model"), {"timeout_s": float("inf")}, "timeout_s is inf; give seconds above 0"),
    ],
)
def test_an_argument_of_another_type(name: str, args: tuple[Any, ...], options: dict[str, Any], sentence: str) -> None:
    message = refusal(getattr(dpr, name), *args, **options)
    assert sentence in message
    assert "secret" not in message
    assert "\n" not in message


def test_what_a_pipeline_is_asked(index: Path) -> None:
    qa: Any = dpr.open(index, reader=None)
    assert (
        refusal(qa.retrieve, {"question": "x"}) == "the question is {'question': 'x'}; give a text, or a list of texts"
    )
    assert refusal(qa.retrieve, b"x") == "the question is b'x'; give a text, or a list of texts"
    assert refusal(qa.retrieve, "x", k=True) == "k is True; choose a whole number, 1 to 100"
    assert refusal(qa.retrieve, "x", retriever=5) == "retriever is 5; give the name of a retriever"
    assert refusal(qa.retrieve, "x", retriever="bm25", fusion="rrf") == "fusion is 'rrf'; give a dpr.Fusion"
    assert refusal(embed_texts, None, "abc", as_passages=False) == "texts is 'abc', a string; give a list of strings"
    assert refusal(qa.explain, "x", 5, retriever="bm25") == "passage_id is 5; give the id, which is a string"


def test_an_absent_or_unknown_argument_is_pythons_own_error() -> None:
    with pytest.raises(TypeError, match=re.escape("build_index() missing 1 required positional argument: 'index'")):
        dpr.build_index(PASSAGES)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected keyword argument 'encodr'"):
        dpr.build_index(PASSAGES, "x", encodr="x")  # type: ignore[call-arg]


def test_what_is_as_good_as_the_annotated_type() -> None:
    number: Any = np.float32(0.5)
    count: Any = np.int64(64)
    assert dpr.Bm25Options(k1=1).k1 == 1
    assert dpr.Bm25Options(k1=number).k1 == number
    assert dpr.ChunkOptions(count).tokens == 64
    assert dpr.Fusion("zscore", {"dense": 1, "bm25": np.float64(0.5)}).weights
    rules: Any = dpr.ReadRules
    assert list(rules(include=["*.md"]).include) == ["*.md"]
