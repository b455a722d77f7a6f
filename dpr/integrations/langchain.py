"""A LangChain retriever (extra ``langchain``)."""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict

from dpr.integrations.metadata import metadata_of
from dpr.pipeline import QA


class PassageRetriever(BaseRetriever):
    """The passages of an open index, as LangChain documents; safe for several threads.

    Attributes:
        qa: the pipeline, as `dpr.open` opens it; with its default retrieval.
        k: the number of documents, 1 to 100.
        filter: which passages are searched: the JSON form or the text form of a filter.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    qa: QA
    k: int = 10
    filter: dict[str, Any] | str | None = None

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:  # noqa: ARG002
        hits = self.qa.retrieve(query, k=self.k, filter=self.filter)
        return [Document(id=hit.passage_id, page_content=hit.text, metadata=metadata_of(hit)) for hit in hits]
