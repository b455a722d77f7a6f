"""The contestant of benchmarks.haystack: hybrid retrieval by Haystack's own components, served by hayhooks.

`benchmarks.haystack` copies this file into a folder of pipelines, in an environment that has Haystack and hayhooks and
nothing of this project. ``CONTEST_PASSAGES`` names the passages as JSON lines, ``CONTEST_MODEL`` the folder of the
sentence-transformers model. Each retriever gives its best ten, as many as are
asked for: Haystack's default.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from hayhooks import BasePipelineWrapper
from haystack import Document, Pipeline
from haystack.components.joiners import DocumentJoiner
from haystack.components.retrievers.in_memory import InMemoryBM25Retriever, InMemoryEmbeddingRetriever
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack_integrations.components.embedders.sentence_transformers import (
    SentenceTransformersDocumentEmbedder,
    SentenceTransformersTextEmbedder,
)


class PipelineWrapper(BasePipelineWrapper):
    """Retrieves by BM25 and by embeddings, and joins the lists by reciprocal ranks."""

    def setup(self) -> None:
        """Embed the passages and build the pipeline."""
        model = os.environ["CONTEST_MODEL"]
        lines = Path(os.environ["CONTEST_PASSAGES"]).read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
        documents = [Document(id=row["id"], content=row["text"], meta={"title": row["title"]}) for row in rows]
        embedder = SentenceTransformersDocumentEmbedder(model=model, meta_fields_to_embed=["title"], progress_bar=False)
        embedder.warm_up()
        store = InMemoryDocumentStore(embedding_similarity_function="cosine")
        store.write_documents(documents=embedder.run(documents=documents)["documents"])
        self.pipeline = Pipeline()
        self.pipeline.add_component("embedder", SentenceTransformersTextEmbedder(model=model, progress_bar=False))
        self.pipeline.add_component("dense", InMemoryEmbeddingRetriever(document_store=store))
        self.pipeline.add_component("bm25", InMemoryBM25Retriever(document_store=store))
        self.pipeline.add_component("joiner", DocumentJoiner(join_mode="reciprocal_rank_fusion"))
        self.pipeline.connect("embedder.embedding", "dense.query_embedding")
        self.pipeline.connect("dense", "joiner")
        self.pipeline.connect("bm25", "joiner")
        self.pipeline.warm_up()

    def run_api(self, question: str, k: int) -> list[dict[str, Any]]:
        """Return the first ``k`` passages for a question."""
        inputs = {"embedder": {"text": question}, "bm25": {"query": question}, "joiner": {"top_k": k}}
        documents = self.pipeline.run(inputs)["joiner"]["documents"]
        return [{"id": document.id, "text": document.content, "score": document.score} for document in documents]
