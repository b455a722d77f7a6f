"""The retrievers of other frameworks, each against the real package, over one index."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import dpr
from dpr.errors import RequestError
from dpr.filters import Condition, FilterForm
from dpr.integrations.metadata import metadata_of
from dpr.metadata import MetadataValue
from dpr.search.open import open_index
from tests.fakes import HashEncoder, WordAnalyzer
from tests.small_index import small_index

os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"  # read at its import

QUESTION = "capital of France"

ITALIAN = {"field": "language", "operator": "==", "value": "it"}
FILTERS: list[dict[str, Any] | str] = [
    ITALIAN,
    'language = "it"',
    "millions >= 3",
    {"operator": "AND", "conditions": [ITALIAN, {"field": "seen", "operator": ">=", "value": "2026-01-01"}]},
    'language in ("it", "fr") and not language = "fr"',
    {"field": "id", "operator": "!=", "value": "paris"},
]


def fields(language: str, millions: int) -> dict[str, MetadataValue]:
    return {"language": language, "millions": millions, "seen": date(2026, 1, 31)}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("frameworks") / "index"
    passages = [
        dpr.Passage("paris", "Paris is the capital of France", "Paris", "cities", metadata=fields("fr", 2)),
        dpr.Passage("rome", "Rome is the capital of Italy", "", "cities", 40, metadata=fields("it", 3)),
        dpr.Passage("kimchi", "kimchi is a dish", metadata={"language": "ko"}),
    ]
    dpr.build_index(passages, root, encoder=None, options=dpr.IndexOptions(analyzer="words"))
    return root


@pytest.fixture(scope="module")
def qa(index: Path) -> dpr.QA:
    return dpr.open(index, reader=None, retrieval=dpr.RetrievalOptions("bm25"))


def expected(qa: dpr.QA, k: int) -> list[tuple[str, str, float, str, int]]:
    hits = qa.retrieve(QUESTION, k=k)
    assert [hit.passage_id for hit in hits] == ["paris", "rome"][:k]
    starts = {"paris": 0, "rome": 40}
    return [(hit.passage_id, hit.text, hit.score, "cities", starts[hit.passage_id]) for hit in hits]


def filtered(qa: dpr.QA, condition: FilterForm) -> list[tuple[str, str, float, dict[str, object]]]:
    """Return the id, text, score and metadata of each hit, of which there are fewer than without the filter."""
    hits = qa.retrieve(QUESTION, filter=condition)
    assert 0 < len(hits) < len(qa.retrieve(QUESTION))
    return [(hit.passage_id, hit.text, hit.score, metadata_of(hit)) for hit in hits]


def test_haystack(index: Path, qa: dpr.QA) -> None:
    pytest.importorskip("haystack", reason="the extra haystack is not installed")
    from haystack import Pipeline

    from dpr.integrations.haystack import PassageRetriever

    pipeline = Pipeline()
    pipeline.add_component("passages", PassageRetriever(str(index), "bm25", top_k=1))
    stored = Pipeline.loads(pipeline.dumps(), allowed_modules=["dpr.integrations.haystack"])
    for k, inputs in ((1, {}), (2, {"top_k": 2})):
        documents = stored.run({"passages": {"query": QUESTION, **inputs}})["passages"]["documents"]
        assert [
            (item.id, item.content, item.score, item.meta["document_id"], item.meta["start"]) for item in documents
        ] == expected(qa, k)
    with pytest.raises(RequestError, match="the question is empty"):
        PassageRetriever(str(index), "bm25").run(query=" ")


@pytest.mark.parametrize("condition", [form for form in FILTERS if isinstance(form, dict)])
def test_haystack_filters(index: Path, qa: dpr.QA, condition: dict[str, Any]) -> None:
    pytest.importorskip("haystack", reason="the extra haystack is not installed")
    from dpr.integrations.haystack import PassageRetriever

    def rows(retriever: PassageRetriever, **inputs: Any) -> list[tuple[str, str | None, float | None, dict[str, Any]]]:
        documents = retriever.run(query=QUESTION, **inputs)["documents"]
        return [(item.id, item.content, item.score, item.meta) for item in documents]

    plain = PassageRetriever(str(index), "bm25")
    limited = PassageRetriever.from_dict(PassageRetriever(str(index), "bm25", filters=condition).to_dict())
    assert rows(limited) == rows(plain, filters=condition) == filtered(qa, condition)
    french = {**ITALIAN, "value": "fr"}
    assert rows(limited, filters=french) == filtered(qa, french), "a query's filters replace those of the component"
    assert rows(limited, filters={}) == rows(plain), "none at all replace them, too"
    with pytest.raises(RequestError, match="names the field 'author', which no passage has"):
        rows(plain, filters={**ITALIAN, "field": "author"})


def test_langchain(qa: dpr.QA) -> None:
    pytest.importorskip("langchain_core", reason="the extra langchain is not installed")
    from langchain_core.runnables import RunnableLambda

    from dpr.integrations.langchain import PassageRetriever

    retriever = PassageRetriever(qa=qa, k=2)
    documents = retriever.invoke(QUESTION)
    assert [
        (item.id, item.page_content, item.metadata["score"], item.metadata["document_id"], item.metadata["start"])
        for item in documents
    ] == expected(qa, 2)
    chain = retriever | RunnableLambda(lambda found: [item.id for item in found])
    assert chain.batch([QUESTION] * 8) == [["paris", "rome"]] * 8
    with pytest.raises(RequestError, match="k is 101"):
        PassageRetriever(qa=qa, k=101).invoke(QUESTION)


@pytest.mark.parametrize("condition", FILTERS)
def test_langchain_filters(qa: dpr.QA, condition: dict[str, Any] | str) -> None:
    pytest.importorskip("langchain_core", reason="the extra langchain is not installed")
    from dpr.integrations.langchain import PassageRetriever

    documents = PassageRetriever(qa=qa, filter=condition).invoke(QUESTION)
    rows = [(item.id, item.page_content, item.metadata["score"], item.metadata) for item in documents]
    assert rows == filtered(qa, condition)
    with pytest.raises(RequestError, match="names the field 'author', which no passage has"):
        PassageRetriever(qa=qa, filter="author exists").invoke(QUESTION)


def test_llama_index(qa: dpr.QA) -> None:
    pytest.importorskip("llama_index.core", reason="the extra llama-index is not installed")
    from dpr.integrations.llama_index import PassageRetriever

    nodes = PassageRetriever(qa, k=2).retrieve(QUESTION)
    assert [
        (item.node.node_id, item.text, item.score, item.metadata["document_id"], item.metadata["start"])
        for item in nodes
    ] == expected(qa, 2)
    with pytest.raises(RequestError, match="the question is empty"):
        PassageRetriever(qa).retrieve(" ")


@pytest.mark.parametrize("condition", [*FILTERS, Condition("language", "==", "it")])
def test_llama_index_filters(qa: dpr.QA, condition: FilterForm) -> None:
    pytest.importorskip("llama_index.core", reason="the extra llama-index is not installed")
    from dpr.integrations.llama_index import PassageRetriever

    nodes = PassageRetriever(qa, filter=condition).retrieve(QUESTION)
    assert [(item.node.node_id, item.text, item.score, item.metadata) for item in nodes] == filtered(qa, condition)
    with pytest.raises(RequestError, match="names the field 'author', which no passage has"):
        PassageRetriever(qa, filter="author exists").retrieve(QUESTION)


def test_dense_retrieval_is_one_at_a_time_for_all_of_a_framework_s_threads(tmp_path: Path) -> None:
    pytest.importorskip("langchain_core", reason="the extra langchain is not installed")
    from dpr.integrations.langchain import PassageRetriever

    small_index(tmp_path / "index")
    qa = dpr.QA(open_index(tmp_path / "index", encoder=HashEncoder(), analyzer=WordAnalyzer()))
    batches = PassageRetriever(qa=qa, k=1).batch(["capital of France", "capital of Italy"] * 4)
    assert [documents[0].id for documents in batches] == ["paris", "rome"] * 4
