"""What responses look like; the OpenAPI document is made from this file and from `service.requests`.

Every response to a question holds a list named ``results``, one entry for each question in the order asked, also where
a single question was asked.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from service.requests import FusionMethod as FusionMethod
from service.requests import QueryRequest as QueryRequest
from service.requests import RetrieveRequest as RetrieveRequest
from service.settings import RetrieverName


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, from_attributes=True)


class ErrorOut(Model):
    """What went wrong: a code for programs, a sentence for people, and the field to blame, if one is."""

    code: str
    message: str
    field: str | None


class ErrorResponse(Model):
    """The shape of every error."""

    error: ErrorOut


class PassageOut(Model):
    """A passage; ``start`` and ``end`` are its offsets in its source document, in characters."""

    id: str
    title: str
    text: str
    document_id: str
    start: int
    end: int
    metadata: dict[str, str | int | float | bool | list[str]] = Field(
        description="The passage's further fields by name; dates and times in ISO 8601."
    )


class ListScoreOut(Model):
    """What one list said of a hit; ``rank`` and ``score`` are null where the list does not hold it."""

    rank: int | None
    score: float | None
    contribution: float = Field(description="What the list added to the hit's score.")


class WindowOut(Model):
    """A part of a passage; ``start`` and ``end`` are its offsets in the passage's text, in characters."""

    start: int
    end: int


class FirstStageOut(Model):
    """A hit before reranking, and the reranker's score of it; null where the reranker did not read the hit."""

    rank: int
    score: float
    reranker_score: float | None


class HitOut(Model):
    """A retrieved passage with its rank and score in every list that was asked."""

    rank: int
    score: float
    passage: PassageOut
    lists: dict[str, ListScoreOut]
    window: WindowOut | None = Field(
        None, description="The part of a long passage that the dense list matched; null where there is none."
    )
    first_stage: FirstStageOut | None = Field(
        None, description="Where the hit stood before it was reranked; null where nothing reranked."
    )


class WeighingOut(Model):
    """How much each list counted for a question."""

    weights: dict[str, float]
    coverage: dict[str, float] = Field(
        description="The share of the question, 0 to 1, that the best hit of a list covers, where the list measures it."
    )


class RetrieveResult(Model):
    """One question's passages, best first."""

    question: str
    hits: list[HitOut]
    weighing: WeighingOut | None = Field(
        description="How much each list counted for this question; null for a single list, and without hits."
    )
    note: str | None = Field(
        description="What is unusual: how much of the question the encoder did not read; null otherwise."
    )


class AnswerOut(Model):
    """A span: ``start`` and ``end`` in its passage, ``document_start`` and ``document_end`` in the source document."""

    text: str
    passage_id: str
    document_id: str
    start: int
    end: int
    document_start: int
    document_end: int
    score: float = Field(description="Orders answers across passages.")
    span_score: float = Field(description="The reader's score of this span.")
    null_score: float = Field(description="The reader's score of no answer in this passage.")


class Verdict(Model):
    """The answers that the reader found in one question's passages, best first."""

    is_answered: bool = Field(description="False where the reader stands by none of the answers.")
    no_answer_score: float | None = Field(
        description="Null score less best span score; null where no reader gave one. Higher is less answered."
    )
    probability: float | None = Field(
        description="Probability that the best answer is right or nearly right; null where the reader is not "
        "calibrated, nothing was read, or a generator wrote the answer."
    )
    answers: list[AnswerOut]
    evidence: list[PassageOut] = Field(
        description="The passages that hold the answers, best answer first, and those that the text cites."
    )
    text: str | None = Field(
        description="The answer as the generator wrote it, [n] being the hit of rank n; null where none wrote."
    )
    cited: list[str] = Field(description="The ids of the passages that the text cites, in order.")
    note: str | None = Field(
        description="What is unusual: how much of the question encoder and reader did not read, why the reader "
        "answered instead of the generator, or what its text lacks; null otherwise."
    )
    error: ErrorOut | None = Field(
        None,
        description="Why this question of several could not be read, while others were; its hits are there. "
        "Null otherwise.",
    )


class QueryResult(RetrieveResult, Verdict):
    """One question's passages, and the answers that the reader found in them, best first."""


class AnswerEvent(Verdict):
    """The answer to a question of a stream, whose passages an event before had."""

    index: int = Field(description="The place of the question in the request, from 0.")
    question: str


class TextEvent(Model):
    """A piece of the answer as a generator writes it; the answer that follows has the text as it was checked."""

    text: str


class FusionOut(Model):
    """How the lists were fused; null for a single list."""

    method: FusionMethod
    weights: dict[str, float]
    coverage_power: float = Field(
        description="How strongly a question's weights follow the share of it that a list covers; 0: not at all."
    )
    missing_rule: str = Field(description="What a list adds for a passage that it does not hold.")


class RetrieveTimings(Model):
    """Milliseconds for the whole request, whose questions are computed together."""

    retrieve_ms: float
    total_ms: float


class QueryTimings(RetrieveTimings):
    """Milliseconds for the whole request, reading included."""

    read_ms: float


class MissingShardOut(Model):
    """A shard that did not answer."""

    shard: int = Field(description="Its number, from 1.")
    cause: str


class ShardsOut(Model):
    """The shards of a router's collection behind a response; without some of them it is a partial answer."""

    total: int
    missing: list[MissingShardOut] = Field(description="Those whose passages were not searched; empty: none.")


class RetrievedBy(Model):
    """What found the passages of a response."""

    index: str = Field(description="The name of the index that answered.")
    generation: str = Field(description="The generation of that index that answered, all of the response.")
    retriever: RetrieverName
    rerank: bool = Field(description="Whether the reranker rescored the first hits.")
    fusion: FusionOut | None


class RetrieveResponse(RetrievedBy):
    """The passages of each question, in the order asked."""

    shards: ShardsOut | None = Field(None, description="Null for a server that has the whole index.")
    timings: RetrieveTimings
    results: list[RetrieveResult]


class QueryResponse(RetrievedBy):
    """The answers and passages of each question, in the order asked."""

    shards: ShardsOut | None = Field(None, description="Null for a server that has the whole index.")
    timings: QueryTimings
    results: list[QueryResult]


class DoneEvent(Model):
    """The end of a stream in which nothing failed."""

    generation: str
    timings: QueryTimings
