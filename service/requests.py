"""What requests look like: strict, without conversion of types and without unknown fields.

The schemas say all that can be refused without the index, so that a client generated from them, or a fuzzer, sends
what is taken.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError, PydanticKnownError

from dpr.questions import MAX_BATCH, MAX_K, MAX_N_BEST, MAX_QUESTION_CHARACTERS, broken_rule
from dpr.search.registry import RETRIEVERS, describe
from service.filtering import FilterIn, StrictModel
from service.settings import RetrieverName

FusionMethod = Literal["zscore", "minmax", "raw", "rrf"]

MAX_WEIGHT = 1_000
MAX_LISTS = 8
MAX_LIST_NAME_CHARACTERS = 40
MAX_ID_CHARACTERS = 1_000
DEFAULT_K = 10


QUESTION_PATTERN = r"^[^\u0000]*[^\s\u0000\u001c-\u001f\u0085][^\u0000]*$"
"""A character that is no blank, and none that is NUL; ``\\s`` of JSON schemas lacks some blanks."""

NOT_BLANK = r"[^\s\u001c-\u001f\u0085]"
"""A character that is no blank."""


def _good_question(question: str) -> str:
    broken = broken_rule(question)
    if broken is not None:
        # A sentence is data here, not a template: braces in it are its own.
        raise PydanticCustomError(broken[0], "{sentence}", {"sentence": broken[1]})
    return question


Question = Annotated[
    str,
    AfterValidator(_good_question),
    Field(json_schema_extra={"minLength": 1, "maxLength": MAX_QUESTION_CHARACTERS, "pattern": QUESTION_PATTERN}),
]
IndexName = Annotated[str, Field(min_length=1, max_length=64)]
ListName = Annotated[str, Field(max_length=MAX_LIST_NAME_CHARACTERS)]
Weight = Annotated[float, Field(ge=0, le=MAX_WEIGHT, allow_inf_nan=False)]


def _integral(number: object) -> object:
    """Return 5 for 5.0: in JSON, and in its schemas, they are one number."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


Integral = Annotated[int, BeforeValidator(_integral)]


def _few(weights: object) -> object:
    """Refuse too many weights before each of them is looked at: an error for each of 90,000 takes a second."""
    if isinstance(weights, dict) and len(weights) > MAX_LISTS:
        raise PydanticKnownError(
            "too_long", {"field_type": "Dictionary", "max_length": MAX_LISTS, "actual_length": len(weights)}
        )
    return weights


class Search(StrictModel):
    """Which list is searched for a question, how lists are fused, and whether hits are reranked."""

    index: IndexName | None = Field(None, description="Which of the server's indexes; the first one by default.")
    retriever: RetrieverName | None = Field(
        None, description=f"Which list to search: {describe(RETRIEVERS)}; the server has a default."
    )
    fusion: FusionMethod | None = Field(
        None, description="How the hybrid retriever fuses its lists; the server has a default, with its weights."
    )
    weights: Annotated[dict[ListName, Weight] | None, BeforeValidator(_few)] = Field(
        None,
        max_length=MAX_LISTS,
        description="Weight of each list of the hybrid retriever; equal where fusion is given without them.",
    )
    filter: FilterIn | None = Field(
        None, description="Which passages are searched, by their fields; /v1/facets lists the fields."
    )
    rerank: bool | None = Field(
        None, description="Rescore the first hits; by default, where the server has a reranker."
    )


class RetrieveRequest(Search):
    """One ``question`` or a list of ``questions``, never both."""

    question: Question | None = Field(None, description="One question, at most 1,000 characters.")
    questions: list[Question] | None = Field(
        None, min_length=1, max_length=MAX_BATCH, description="Several questions, computed together."
    )
    k: Integral = Field(DEFAULT_K, ge=1, le=MAX_K, description="Passages to retrieve for each question.")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if self.question is None and self.questions is None:
            raise PydanticCustomError("question_missing", "there is no question; send question or questions")
        if self.question is not None and self.questions is not None:
            raise PydanticCustomError("question_ambiguous", "both question and questions are given; send one of them")
        return self

    @property
    def batch(self) -> list[str]:
        """The questions asked, one or many."""
        return [self.question] if self.question is not None else self.questions or []


class QueryRequest(RetrieveRequest):
    """A retrieve request whose ``k`` passages are also read for answers."""

    n_best: Integral = Field(1, ge=1, le=MAX_N_BEST, description="Answers to return for each question.")
    stream: bool | None = Field(
        None,
        description="Respond with server-sent events: passages first, then the answers; by default, where Accept asks "
        "for text/event-stream.",
    )


class ExplainRequest(Search):
    """A question and a passage, named by its ``passage_id`` or by its ``rank`` among the hits, never by both."""

    question: Question = Field(description="One question, at most 1,000 characters.")
    passage_id: str | None = Field(
        None, max_length=MAX_ID_CHARACTERS, description="The id of the passage, as hits have it."
    )
    rank: Annotated[int, Field(ge=1, le=MAX_K), BeforeValidator(_integral)] | None = Field(
        None, description="The rank of the passage among the hits of the question; by default, 1."
    )

    @model_validator(mode="after")
    def _at_most_one(self) -> Self:
        if self.passage_id is not None and self.rank is not None:
            raise PydanticCustomError("passage_ambiguous", "both passage_id and rank are given; send one of them")
        return self
