"""What responses about the server and its indexes look like."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dpr.questions import MAX_BATCH, MAX_K, MAX_N_BEST, MAX_QUESTION_CHARACTERS
from dpr.store.manifest import EncoderRecord
from service.errors import without_folders
from service.schemas import FusionOut, Model, ShardsOut
from service.settings import RetrieverName


def public_name(model: str) -> str:
    """Return the name of a model as others may see it: without the folder where it lies."""
    return without_folders(model).removeprefix("…/")


class EncoderOut(Model):
    """The encoder of the index."""

    name: str
    fingerprint: str
    dimension: int

    @classmethod
    def from_record(cls, encoder: EncoderRecord) -> EncoderOut:
        """Return what is told of an encoder on record."""
        return cls(name=public_name(encoder.name), fingerprint=encoder.fingerprint, dimension=encoder.dimension)


class AnalyzerOut(Model):
    """The analyzer of the index."""

    name: str
    version: str


class Limits(Model):
    """What a request may ask for."""

    question_characters: int = MAX_QUESTION_CHARACTERS
    batch: int = MAX_BATCH
    k: int = MAX_K
    n_best: int = MAX_N_BEST
    passages: int = Field(description="Questions × k of one request.")
    timeout_s: int = Field(description="Seconds until a request gets 504.")
    body_bytes: int
    in_flight: int


class InfoResponse(Model):
    """What this server serves, and how much may be asked of it."""

    version: str
    index: str = Field(description="The name of the default index, which the rest is about.")
    generation: str
    passages: int
    problem: str | None = Field(description="Why a published generation is not the one that answers; null otherwise.")
    encoder: EncoderOut | None = Field(description="Null for an index without vectors.")
    analyzer: AnalyzerOut
    dense_kind: str | None
    retrievers: list[str]
    retriever_default: RetrieverName = Field(description="The retriever of a request that names none.")
    fusion_default: FusionOut = Field(description="How hybrid fuses for a request without fusion and weights.")
    fusions: dict[str, str] = Field(description="Each fusion method and its rule for a passage absent from a list.")
    reranker: str | None = Field(description="The model that rescores the first hits; null where none does.")
    rerank_depth: int | None = Field(description="How many hits it rescores.")
    reader: str | None = Field(description="What finds answer spans; null for a server that has none.")
    generator: str | None = Field(description="The chat model that writes the answers; null where none does.")
    takes_documents: bool = Field(
        description="Whether this caller may change documents: the server takes them, and the caller's key allows it."
    )
    limits: Limits


class IndexOut(Model):
    """An index that is served."""

    name: str
    is_default: bool = Field(description="Whether it answers requests that name none.")
    generation: str = Field(description="The generation that answers.")
    passages: int
    encoder: EncoderOut | None = Field(description="Null for an index without vectors.")
    retrievers: list[str] = Field(description="The retrievers that a request may ask of it.")
    retriever_default: RetrieverName = Field(description="The one of a request that names none.")
    problem: str | None = Field(
        description="Why the published generation is not the one that answers; null where it is."
    )


class IndexesResponse(Model):
    """The indexes that are served, the default one first."""

    indexes: list[IndexOut]


class ReloadResponse(Model):
    """What is served after looking for new generations."""

    changed: list[str] = Field(description="The names of the indexes that another generation answers for now.")
    indexes: list[IndexOut]


class AliveResponse(Model):
    """The process listens."""

    status: Literal["alive"]


class ReadyResponse(Model):
    """The index and the models are loaded and warm."""

    status: Literal["ready"]
    generation: str
    is_current: bool = Field(
        description="False where a published generation cannot be served, and the one before it answers."
    )
    shards: ShardsOut | None = Field(None, description="Of a router, the shards that answer; null of other servers.")


class WelcomeResponse(Model):
    """Where to go from here."""

    name: str
    version: str
    documentation: str
    openapi: str
