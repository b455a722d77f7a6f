"""The retrievers of other frameworks, each against the real package, over one index."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import dpr
from dpr.errors import RequestError
from dpr.search.open import open_index
from tests.fakes import HashEncoder, WordAnalyzer
from tests.small_index import small_index

os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"  # read at its import

QUESTION = "capital of France"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("frameworks") / "index"
    passages = [
        dpr.Passage("paris", "Paris is the capital of France", "Paris", "cities"),
        dpr.Passage("rome", "Rome is the capital of Italy", "", "cities", 40),
        dpr.Passage("kimchi", "kimchi is a dish"),
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


def test_dense_retrieval_is_one_at_a_time_for_all_of_a_framework_s_threads(tmp_path: Path) -> None:
    pytest.importorskip("langchain_core", reason="the extra langchain is not installed")
    from dpr.integrations.langchain import PassageRetriever

    small_index(tmp_path / "index")
    qa = dpr.QA(open_index(tmp_path / "index", encoder=HashEncoder(), analyzer=WordAnalyzer()))
    batches = PassageRetriever(qa=qa, k=1).batch(["capital of France", "capital of Italy"] * 4)
    assert [documents[0].id for documents in batches] == ["paris", "rome"] * 4
