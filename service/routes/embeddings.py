"""``/v1/embeddings`` in the form of OpenAI's interface (https://platform.openai.com/docs/api-reference/embeddings)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Response

from service import examples
from service.bodies import ComputedRoute
from service.deps import KNOWN_PARAMETERS, ContextOf, EngineOf
from service.embedding import EmbeddingsRequest, EmbeddingsResponse, embed_steps, encoder_of
from service.routes.documented import GUARDED, documented
from service.security.scopes import requires

router = APIRouter(
    prefix="/v1",
    tags=["questions"],
    dependencies=[requires("read"), KNOWN_PARAMETERS],
    responses=GUARDED,
    route_class=ComputedRoute,
)


@router.post(
    "/embeddings",
    summary="The vectors of texts, in OpenAI's form",
    response_model=EmbeddingsResponse,
    responses=documented(400, 404, 413, 422, 500, 503, 504, example=examples.EMBEDDINGS_RESPONSE),
)
async def embeddings(
    request: Annotated[EmbeddingsRequest, Body(openapi_examples=examples.EMBEDDINGS_REQUESTS)],
    engine: EngineOf,
    context: ContextOf,
) -> Response:
    """Encode texts with the encoder of the index, as questions or as passages: the two have one space.

    OpenAI's own client is served; ``input_type`` is an extra of this server.
    """
    qa = engine.ready(request.index)
    encoder_of(qa, request)
    body = await engine.run_steps(lambda qa: embed_steps(qa, request), context, qa)
    return Response(body, media_type="application/json")
