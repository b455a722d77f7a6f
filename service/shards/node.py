"""What a node computes for routers: hits of lists in its shard, passages, what lists say of one, counts of fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, cast

from pydantic import Field

from dpr.errors import ConfigError, RequestError
from dpr.filters import Filter
from dpr.pipeline import QA
from dpr.questions import MAX_BATCH, MAX_K, MAX_QUESTION_CHARACTERS
from dpr.search.contract import Retriever
from dpr.search.fusion import MAX_DEPTH
from dpr.search.registry import RETRIEVERS, fuses
from dpr.search.retrievers import DenseRetriever
from dpr.store.facets import facets_to_json
from dpr.store.manifest import ShardRecord
from dpr.topk import no_hits
from dpr.types import Encoder, FloatArray, TopK
from service.filtering import ConditionIn, GroupIn, StrictModel, filter_of
from service.shards import wire

MAX_LISTS = 8
MAX_ROWS = MAX_BATCH * MAX_K

Text = Annotated[str, Field(max_length=MAX_QUESTION_CHARACTERS)]


class NodeRequest(StrictModel):
    """What every request to a node has."""

    collection: str = Field(max_length=64, description="The collection that the shard has to be of.")


class ListsRequest(NodeRequest):
    """Questions to search some lists of a shard for."""

    questions: list[Text] = Field(min_length=1, max_length=MAX_BATCH)
    lists: list[str] = Field(min_length=1, max_length=MAX_LISTS, description="Retrievers that fuse nothing.")
    k: int = Field(ge=1, le=MAX_DEPTH, description="Hits of each list.")
    vectors: str | None = Field(
        None, description="The questions' vectors, float32 in base64; needed for the list dense."
    )
    filter: Annotated[ConditionIn | GroupIn | None, Field(None, description="Which passages are searched.")]


class PassagesRequest(NodeRequest):
    """Rows whose passages are wanted."""

    rows: list[int] = Field(max_length=MAX_ROWS, description="Rows of the collection, all in this shard.")


class ExplanationRequest(NodeRequest):
    """A passage, by its id or its row, of which some lists are to say what they have for a question."""

    questions: list[Text] = Field(min_length=1, max_length=1, description="The question.")
    lists: list[str] = Field(max_length=MAX_LISTS, description="Retrievers that fuse nothing; none: only the row.")
    id: str | None = Field(None, description="The passage's id; null where its row is given.")
    row: int | None = Field(None, description="Its row of the collection; null where its id is given.")
    vectors: str | None = Field(
        None, description="The question's vector, float32 in base64; needed for the list dense."
    )


class FacetsRequest(NodeRequest):
    """The counts of the collection's fields are wanted."""


class QuestionVectors:
    """An encoder that has the vectors of one batch of questions already."""

    def __init__(self, vectors: FloatArray) -> None:
        """Take the vectors, (Q, D)."""
        self._vectors = vectors

    def encode_questions(self, _questions: Sequence[str]) -> FloatArray:
        """Return the vectors, (Q, D)."""
        return self._vectors


def check_shard(qa: QA) -> ShardRecord:
    """Return the record of a node's shard.

    Raises:
        ConfigError: the index is none.
    """
    shard = qa.index.manifest.shard
    if shard is None:
        raise ConfigError("a node serves a shard, and this index is a whole one; split it with dpr-index split")
    return shard


def state_of(qa: QA) -> wire.ShardState:
    """Return what a node serves."""
    return wire.ShardState(qa.index.manifest, tuple(name for name in qa.index.names if not fuses(name)))


def search_lists(qa: QA, request: ListsRequest) -> bytes:
    """Return the hits of each question in each list.

    Raises:
        RequestError: there is no such list, the vectors are not of these questions, or the filter does not suit.
    """
    condition = filter_of(request.filter)
    tops: dict[str, TopK] = {
        name: _retriever(qa, name, request, condition).top_k(request.questions, request.k) for name in request.lists
    }
    rows = {row for top in tops.values() for row in top.rows[top.rows >= 0].tolist()}
    return wire.write_lists(tops, {row: qa.index.passages.id(row) for row in rows}, check_shard(qa).first_row)


def passages_of(qa: QA, request: PassagesRequest) -> bytes:
    """Return the passages of some rows.

    Raises:
        RequestError: a row is none of this shard.
    """
    shard, passages = check_shard(qa), qa.index.passages
    rows = [row - shard.first_row for row in request.rows]
    outside = next((row for row in rows if not 0 <= row < passages.row_count), None)
    if outside is not None:
        raise RequestError(f"the row {outside + shard.first_row} is not of {shard.title}", "rows")
    return wire.write_passages(passages.get(rows))


def explanation_of(qa: QA, request: ExplanationRequest) -> bytes:
    """Return what lists say of a passage for a question; no row where this shard does not have it.

    Raises:
        RequestError: there is no such list, or the vector is not of this question.
    """
    shard, passages = check_shard(qa), qa.index.passages
    row = request.row - shard.first_row if request.row is not None else passages.row_of(request.id or "")
    if row is None or not 0 <= row < passages.row_count:
        return wire.write_explanation(wire.ShardExplanation(None, "", {}))
    (question,), nowhere = request.questions, no_hits(1, 1)
    entries = {
        name: _retriever(qa, name, request, None).explain_entry(question, row, nowhere) for name in request.lists
    }
    return wire.write_explanation(wire.ShardExplanation(row + shard.first_row, passages.id(row), entries))


def facets_of(qa: QA) -> bytes:
    """Return the counts of the collection's fields.

    Raises:
        RequestError: the shard does not have them.
    """
    facets = qa.index.resources.collection_facets
    if facets is None:
        raise RequestError("this shard has no counts of fields; remove the shards, and split the index again")
    return facets_to_json(facets)


def _retriever(qa: QA, name: str, request: ListsRequest | ExplanationRequest, condition: Filter | None) -> Retriever:
    if name not in qa.index.names or fuses(name):
        lists = ", ".join(state_of(qa).lists)
        raise RequestError(f"this shard has no list {name!r}; choose from {lists}", "lists")
    if name != "dense":
        return qa.index.retriever(name, filter=condition)
    recorded = qa.index.manifest.encoder
    if request.vectors is None or recorded is None:
        raise RequestError("the list dense needs the questions' vectors; send them", "vectors")
    encoder = QuestionVectors(wire.vectors_of_text(request.vectors, len(request.questions), recorded.dimension))
    resources = qa.index.resources if condition is None else qa.index.filtered.resources(condition)
    return DenseRetriever(cast("Encoder", encoder), resources.vector_index(), qa.index.passages.id, vectors=resources)


def warm_up(qa: QA, questions: Sequence[str]) -> None:
    """Search each list of a node that needs no model once.

    Raises:
        ConfigError: its index is no shard.
    """
    check_shard(qa)
    for name in state_of(qa).lists:
        if name != "dense" and not RETRIEVERS[name].is_reference and name not in qa.index.manifest.learned:
            qa.index.retriever(name).top_k(list(questions), 1)
    if qa.index.manifest.encoder is not None:
        resources = qa.index.resources
        resources.vector_index().search(resources.segments[0].vectors()[:1], 1)
