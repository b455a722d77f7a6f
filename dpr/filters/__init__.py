"""Filters: which passages a question is asked of, by their fields.

`parse` reads the JSON form and the text form into one immutable tree (`dpr.filters.tree`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dpr.filters.from_json import decoded, filter_of_json
from dpr.filters.from_text import filter_of_text
from dpr.filters.tree import FILTER_TYPES, refuse_large
from dpr.filters.tree import AllOf as AllOf
from dpr.filters.tree import AnyOf as AnyOf
from dpr.filters.tree import Condition as Condition
from dpr.filters.tree import Filter as Filter
from dpr.filters.tree import Not as Not

FilterForm = Filter | Mapping[str, Any] | str
"""A filter as callers write it: a tree, the JSON form, also as a text, or the text form."""


def parse(form: FilterForm) -> Filter:
    """Return a filter from any of its forms.

    Raises:
        RequestError: it cannot be read, or is too large; its ``field`` is ``filter``.
    """
    if isinstance(form, FILTER_TYPES):
        condition = form
    elif not isinstance(form, str):
        condition = filter_of_json(form)
    elif form.lstrip().startswith(("{", "[")):  # no filter in text form begins so
        condition = filter_of_json(decoded(form))
    else:
        condition = filter_of_text(form)
    refuse_large(condition)
    return condition
