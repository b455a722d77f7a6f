"""Which fields the passages of an index have, and how many passages have which value."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import Field

from dpr.metadata import json_value
from dpr.pipeline import QA
from service import examples
from service.deps import KNOWN_PARAMETERS, ContextOf, EngineOf, IndexQuery
from service.routes.documented import GUARDED, documented
from service.schemas import Model
from service.security.scopes import requires

DEFAULT_VALUES = 20
MAX_VALUES = 100

Value = str | int | float | bool

router = APIRouter(prefix="/v1", tags=["indexes"], responses=GUARDED)


class ValueOut(Model):
    """A value of a field, or an item of its lists."""

    value: Value
    passages: int = Field(description="How many passages have it.")


class FacetOut(Model):
    """What the passages have in one field."""

    type: str = Field(description="boolean, integer, number, date, datetime, string or strings.")
    passages: int = Field(description="How many passages have the field.")
    values: list[ValueOut] = Field(
        description="The most frequent values, equally frequent ones in their order; none of the types number, date "
        "and datetime."
    )
    distinct: int | None = Field(description="How many different values there are; null for number, date, datetime.")
    least: Value | None = Field(description="The least value of a number, a date or a time; null for other types.")
    greatest: Value | None = Field(description="The greatest one.")


class FacetsResponse(Model):
    """The fields of an index by name."""

    index: str
    generation: str
    passages: int
    fields: dict[str, FacetOut]


@router.get(
    "/facets",
    summary="Which fields there are to filter by",
    dependencies=[requires("read"), KNOWN_PARAMETERS],
    response_model=FacetsResponse,
    responses=documented(422, 500, 503, 504, example=examples.FACETS),
)
async def facets(
    engine: EngineOf,
    context: ContextOf,
    index: IndexQuery = None,
    limit: Annotated[int, Query(ge=1, le=MAX_VALUES, description="How many values of each field.")] = DEFAULT_VALUES,
) -> Response:
    """List the fields of the passages, with their types and their most frequent values."""
    qa, name = engine.ready(index), engine.indexes.find(index).name
    body = await engine.run(lambda qa: _facets(qa, name, limit), context, qa)
    return Response(body, media_type="application/json")


def _facets(qa: QA, name: str, limit: int) -> str:
    fields = {
        field: FacetOut(
            type=facet.type,
            passages=facet.passages,
            values=[ValueOut(value=value, passages=count) for value, count in facet.values],
            distinct=facet.distinct,
            least=_value(facet.least),
            greatest=_value(facet.greatest),
        )
        for field, facet in qa.index.filtered.facets(None, limit).items()
    }
    return FacetsResponse(
        index=name, generation=qa.generation, passages=len(qa.index.passages), fields=fields
    ).model_dump_json()


def _value(value: Any) -> Any:
    return None if value is None else json_value(value)
