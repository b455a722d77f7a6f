"""What ``/v1/explain`` responds."""

from __future__ import annotations

from pydantic import Field

from service.schemas import FirstStageOut, Model, PassageOut, RetrievedBy, WeighingOut, WindowOut


class TermShareOut(Model):
    """A term of the question, and what it adds to the passage's score in a sparse list."""

    term: str = Field(description="The term, as the analyzer made it of a word.")
    share: float = Field(description="What it adds to the list's score; 0 where the passage does not have it.")
    count: int = Field(description="How often the passage has it.")
    question_count: int = Field(description="How often the question has it, other spellings of its words included.")
    document_frequency: int = Field(description="In how many passages of the index it comes.")


class FusedValueOut(Model):
    """How a list's score became its contribution: the weight times the value."""

    score: float = Field(description="The score that fusion took: the list's own, or the missing rule's.")
    statistics: dict[str, float] = Field(description="The numbers in the formula, by their names there.")
    value: float = Field(description="What the formula gives.")
    base_weight: float = Field(description="The list's weight in the fusion.")
    coverage: float = Field(description="The share of the question that the list's best hit covers; 1 if unmeasured.")
    weight: float = Field(description="The weight for this question, by base weight and coverage.")
    contribution: float = Field(description="What the list added to the passage's score.")


class ListExplanationOut(Model):
    """What one list says of the passage."""

    rank: int | None = Field(description="Its rank among the list's first 100 hits; null where it is none of them.")
    score: float | None = Field(
        description="Its score in the list, also where it has no rank there; null where the list cannot tell."
    )
    terms: list[TermShareOut] | None = Field(
        description="The question's terms, greatest share first; the shares add up to the score. "
        "Null for a list that counts no terms."
    )
    window: WindowOut | None = Field(
        description="The part of a long passage that is most similar to the question; null where there is none."
    )
    fused: FusedValueOut | None = Field(
        description="How fusion took it; null for a single list, and for a passage that no list has among its hits."
    )


class FusionRuleOut(Model):
    """How the lists were fused, in words."""

    method: str
    formula: str = Field(description="How a score becomes a value, with the names of the statistics.")
    missing_rule: str = Field(description="What a list adds for a passage that it does not hold.")
    coverage_power: float = Field(
        description="How strongly weights follow the coverage: weight ~ base * coverage^power."
    )


class ExplanationOut(Model):
    """Why the passage has its score and its rank for the question."""

    question: str
    passage: PassageOut
    rank: int | None = Field(description="Its rank; null where it is none of the first 100 hits.")
    score: float | None = Field(
        description="Its score, to which the contributions add up (of a reranked hit: to the first stage's); "
        "null where no list has it among its first 100 hits."
    )
    lists: dict[str, ListExplanationOut]
    fusion: FusionRuleOut | None = Field(description="Null for a single list.")
    weighing: WeighingOut | None = Field(description="How much each list counted for the question.")
    first_stage: FirstStageOut | None = Field(
        description="Where the hit stood before it was reranked; null where nothing reranked it."
    )


class ExplainTimings(Model):
    """Milliseconds for the whole request."""

    total_ms: float


class ExplainResponse(RetrievedBy):
    """Why a passage has its score and its rank, by the generation and the retriever that are named."""

    timings: ExplainTimings
    explanation: ExplanationOut
