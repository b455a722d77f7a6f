"""The filter of a request, in its JSON form (`dpr.filters.from_json`)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from dpr.filters import Filter
from dpr.filters.from_json import filter_of_json
from dpr.filters.tree import MAX_CONDITIONS, MAX_VALUES

Operator = Literal["==", "!=", "<", "<=", ">", ">=", "in", "not in", "contains", "prefix", "exists"]
Scalar = bool | int | float | str


def _in_one_sentence(value: object, read: ValidatorFunctionWrapHandler) -> Any:
    """Refuse a value once, not once for each type that it could have."""
    try:
        return read(value)
    except ValidationError:
        if isinstance(value, list) and len(value) > MAX_VALUES:
            code, cause = "too_many", f"a list of {len(value):,} values, over the limit of {MAX_VALUES:,}; send fewer"
        else:
            cause = "a value that none can be compared with; send a string, a number, true, false, or a list of these"
            code = "wrong_type"
        raise PydanticCustomError(code, "{sentence}", {"sentence": f"the filter has {cause}"}) from None


class StrictModel(BaseModel):
    """A part of a request: no type is converted, and no unknown field is taken."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ConditionIn(StrictModel):
    """A test of one field. A passage without the field fails it, but passes ``!=`` and ``not in``."""

    field: str = Field(min_length=1, max_length=200, description="The name of a field of the passages.")
    operator: Operator = Field(
        description="Ranges are for numbers, dates and times; contains and prefix for texts and lists of texts."
    )
    value: Annotated[
        Scalar | Annotated[list[Scalar], Field(max_length=MAX_VALUES)] | None, WrapValidator(_in_one_sentence)
    ] = Field(None, description="A value, a list of values for in and not in, none for exists; dates as in ISO 8601.")


class GroupIn(StrictModel):
    """All of some filters, any of them, or not all of them."""

    operator: Literal["AND", "OR", "NOT"]
    conditions: list[FilterIn] = Field(min_length=1, max_length=MAX_CONDITIONS)


def _kind(value: Any) -> str:
    has_conditions = "conditions" in value if isinstance(value, dict) else hasattr(value, "conditions")
    return "group" if has_conditions else "condition"


FilterIn = Annotated[Annotated[ConditionIn, Tag("condition")] | Annotated[GroupIn, Tag("group")], Discriminator(_kind)]

GroupIn.model_rebuild()


def filter_of(request_filter: ConditionIn | GroupIn | None) -> Filter | None:
    """Return the filter of a request.

    Raises:
        RequestError: it is too large, or an operator has a value of another form.
    """
    return None if request_filter is None else filter_of_json(request_filter.model_dump(exclude_unset=True))
