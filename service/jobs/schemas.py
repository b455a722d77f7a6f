"""What requests and responses about documents and jobs look like."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from service.filtering import StrictModel
from service.jobs.job import Job, Kind, State
from service.requests import NOT_BLANK
from service.schemas import Model


class DocumentIn(StrictModel):
    """A document to put; its id is in the path."""

    title: str = Field("", description="Title, which is searched with the text.")
    text: str = Field(
        description="All of the text; it is cut into passages as the index was built.",
        json_schema_extra={"minLength": 1, "pattern": NOT_BLANK},
    )
    metadata: dict[str, str | bool | int | float | list[str] | None] = Field(
        default_factory=dict,
        description="Further fields, which its passages have and filters test; dates and times in ISO 8601.",
    )


class JobOut(Model):
    """A job: documents that were accepted together, and what became of them."""

    id: str
    index: str = Field(description="The name of the index that it changes.")
    kind: Kind
    documents: int = Field(description="How many documents it changes.")
    state: State
    stage: str | None = Field(description="What is being done of it; null while nothing is.")
    completed: int | None = Field(description="How much of the stage is done.")
    total: int | None = Field(description="How much the stage has; null where that is not known.")
    accepted_utc: str
    finished_utc: str | None
    generation: str | None = Field(description="The generation that has its changes, once it is done.")
    error: str | None = Field(description="Why it failed, or why it is tried again.")

    @classmethod
    def from_job(cls, job: Job, index: str) -> JobOut:
        """Return what is told of a job."""
        facts = {name: getattr(job, name) for name in cls.model_fields if name != "index"}
        return cls(index=index, **facts)


class JobsResponse(Model):
    """The newest jobs of an index, newest first."""

    jobs: list[JobOut]


class LineOut(Model):
    """What became of a line of an import."""

    line: int = Field(description="Its number, from 1.")
    id: str | None = Field(description="The id of its document; null for a line that is refused.")
    status: Literal["accepted", "replaced", "refused"] = Field(
        description="Accepted; replaced by a later line with the same id; or refused."
    )
    error: str | None = Field(None, description="Why it is refused.")


class ImportResponse(Model):
    """The last line of the response to an import."""

    job: JobOut
    accepted: int
    replaced: int
    refused: int
