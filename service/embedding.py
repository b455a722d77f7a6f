"""What ``/v1/embeddings`` takes and responds, and its work in steps."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
import orjson
from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from dpr.errors import RequestError
from dpr.pipeline import QA
from dpr.types import FloatArray
from service.errors import UnknownModelError
from service.filtering import StrictModel
from service.requests import NOT_BLANK, IndexName
from service.schemas import Model
from service.status import public_name
from service.work import Operation, Step, Steps, text_tokens

MAX_INPUTS = 256
MAX_TEXT_CHARACTERS = 32_000
MAX_MODEL_CHARACTERS = 200

TEXT_SCHEMA: dict[str, Any] = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_TEXT_CHARACTERS,
    "pattern": NOT_BLANK,
}


def _good_text(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("text_empty", "a text of input is empty; send at least one word")
    return text


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


Text = Annotated[str, Field(max_length=MAX_TEXT_CHARACTERS), AfterValidator(_good_text)]
Texts = Annotated[
    list[Text],
    Field(min_length=1, max_length=MAX_INPUTS),
    BeforeValidator(_as_list),
    WithJsonSchema(
        {"anyOf": [TEXT_SCHEMA, {"type": "array", "items": TEXT_SCHEMA, "minItems": 1, "maxItems": MAX_INPUTS}]}
    ),
]


class EmbeddingsRequest(StrictModel):
    """One text or several, to be encoded by the encoder of an index."""

    input: Texts = Field(description="A text, or several; not lists of token numbers.")
    model: str = Field(
        max_length=MAX_MODEL_CHARACTERS, description="The name of the index's encoder, as `/v1/info` has it."
    )
    input_type: Literal["question", "passage"] = Field(
        "question",
        description="What the texts are: questions and passages get other prompts, or another encoder. "
        "An extra of this server.",
    )
    encoding_format: Literal["float", "base64"] = Field(
        "float", description="Numbers, or the bytes of little-endian float32 in base64."
    )
    dimensions: Annotated[int | None, WithJsonSchema({"type": "null"})] = Field(
        None, description="Refused: vectors are as long as those of the index."
    )
    user: str | None = Field(None, description="Ignored.")
    index: IndexName | None = Field(None, description="Which of the server's indexes; the first one by default.")


class EmbeddingOut(Model):
    """The vector of one text."""

    object: Literal["embedding"]
    index: int = Field(description="The place of the text in the request, from 0.")
    embedding: list[float] | str = Field(description="Numbers, or base64 of little-endian float32.")


class UsageOut(Model):
    """How many tokens of the texts the encoder read, without special tokens and prompts."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingsResponse(Model):
    """The vectors of the texts, in their order, of length 1 where the encoder normalizes."""

    object: Literal["list"]
    data: list[EmbeddingOut]
    model: str
    usage: UsageOut
    generation: str = Field(description="The index generation whose encoder this is.")


def encoder_of(qa: QA, request: EmbeddingsRequest) -> str:
    """Return the name of the encoder, which the request asks for.

    Raises:
        UnknownModelError: it asks for another one.
        RequestError: the index has no encoder, or the request asks for vectors of another length.
    """
    recorded = qa.index.manifest.encoder
    if recorded is None:
        raise RequestError("this index has no encoder; ask an index that was built with vectors", "model")
    name = public_name(recorded.name)
    if request.model != name:
        raise UnknownModelError(f"this index has no encoder {request.model!r}; ask for {name!r}", "model")
    if request.dimensions is not None:
        raise RequestError(
            f"the vectors of this index have {recorded.dimension} numbers and are not cut; leave dimensions out",
            "dimensions",
        )
    return name


def embed_steps(qa: QA, request: EmbeddingsRequest) -> Steps[bytes]:
    """Return the JSON of the response."""
    as_passages = request.input_type == "passage"

    def compute(texts: Sequence[str]) -> list[tuple[FloatArray, int]]:
        embedded = qa.embed(texts, as_passages=as_passages)
        counts = [
            text_tokens(text) if read is None else read for text, read in zip(texts, embedded.tokens, strict=True)
        ]
        return list(zip(embedded.vectors, counts, strict=True))

    operation = Operation("embed", compute, text_tokens, ("embed", qa, as_passages))
    outputs = yield Step(operation, request.input)
    render = partial(_rendered, request, encoder_of(qa, request), qa.generation, outputs)
    pages = yield Step(Operation("respond", lambda _: [render()], lambda _: len(outputs)), [None])
    page: bytes = pages[0]
    return page


def _rendered(
    request: EmbeddingsRequest, model: str, generation: str, outputs: Sequence[tuple[FloatArray, int]]
) -> bytes:
    def encoded(vector: FloatArray) -> object:
        numbers = np.ascontiguousarray(vector, dtype="<f4")
        return base64.b64encode(numbers.tobytes()).decode() if request.encoding_format == "base64" else numbers

    tokens = sum(count for _, count in outputs)
    response = {
        "object": "list",
        "data": [
            {"object": "embedding", "index": number, "embedding": encoded(vector)}
            for number, (vector, _) in enumerate(outputs)
        ],
        "model": model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        "generation": generation,
    }
    return orjson.dumps(response, option=orjson.OPT_SERIALIZE_NUMPY)
