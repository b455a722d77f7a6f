"""A retriever component for Haystack 3 (extra ``haystack``)."""

from __future__ import annotations

from typing import Any

from haystack import Document, component, default_from_dict, default_to_dict

from dpr.integrations.metadata import metadata_of
from dpr.opening import open_qa
from dpr.pipeline import QA, RetrievalOptions
from dpr.search.lazy import Lazy, weakly


@component
class PassageRetriever:
    """The passages of an index, as Haystack documents; a passage's title and offsets are in ``meta``.

    Args:
        index: the folder of the index, opened at the first query or by ``warm_up``.
        retriever: the name of one of the index's retrievers; None: ``hybrid``, or ``bm25`` if the index has no vectors.
        top_k: the number of documents, 1 to 100.
        filters: which passages are searched, in Haystack's form.
        encoder: the new location of the index's encoder, if it moved.
    """

    def __init__(
        self,
        index: str,
        retriever: str | None = None,
        top_k: int = 10,
        encoder: str | None = None,
        filters: dict[str, Any] | None = None,
    ) -> None:
        self.index = index
        self.retriever = retriever
        self.top_k = top_k
        self.encoder = encoder
        self.filters = filters
        self._qa = Lazy(weakly(self._open))

    def warm_up(self) -> None:
        """Open the index, once."""
        self._qa()

    @component.output_types(documents=list[Document])
    def run(
        self, query: str, top_k: int | None = None, filters: dict[str, Any] | None = None
    ) -> dict[str, list[Document]]:
        """Return the documents for a query, best first; ``filters`` replace those of the component.

        Raises:
            RequestError: the query is empty or too long, or ``top_k`` is not in 1..100.
            IndexFormatError: there is no index, or it is damaged.
        """
        condition = self.filters if filters is None else filters
        hits = self._qa().retrieve(query, k=self.top_k if top_k is None else top_k, filter=condition or None)
        return {
            "documents": [
                Document(id=hit.passage_id, content=hit.text, meta=metadata_of(hit), score=hit.score) for hit in hits
            ]
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the component as Haystack stores it in a pipeline's YAML."""
        names = ("index", "retriever", "top_k", "encoder", "filters")
        return default_to_dict(self, **{name: getattr(self, name) for name in names})

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> PassageRetriever:
        """Create the component from the result of ``to_dict``."""
        return default_from_dict(cls, data)

    def _open(self) -> QA:
        return open_qa(self.index, encoder=self.encoder, reader=None, retrieval=RetrievalOptions(self.retriever))
