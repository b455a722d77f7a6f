"""A LlamaIndex retriever (extra ``llama-index``)."""

from __future__ import annotations

from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from dpr.filters import FilterForm
from dpr.integrations.metadata import metadata_of
from dpr.pipeline import QA


class PassageRetriever(BaseRetriever):
    """The passages of an open index, as LlamaIndex nodes with their scores."""

    def __init__(self, qa: QA, k: int = 10, filter: FilterForm | None = None) -> None:
        """Retrieve with a pipeline, as `dpr.open` opens it, ``k`` passages for each query, 1 to 100.

        With a ``filter``, they are those that it keeps.
        """
        self.qa = qa
        self.k = k
        self.filter = filter
        super().__init__()

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        hits = self.qa.retrieve(query_bundle.query_str, k=self.k, filter=self.filter)
        return [
            NodeWithScore(node=TextNode(id_=hit.passage_id, text=hit.text, metadata=metadata_of(hit)), score=hit.score)
            for hit in hits
        ]
