"""The retrievers of an index over the passages that a filter keeps, and the counts of its fields."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from threading import Lock
from typing import Any

from dpr.filters import Filter
from dpr.search.resources import IndexResources
from dpr.store.filtering import Facet, facet_of, mask_of, typed_filter
from dpr.store.passages import PassageStore
from dpr.types import BoolArray

MAX_FILTERS = 8
"""Filters whose rows, and at most 32 MiB of vectors each, stay in memory."""

MAX_VALUES = 100
"""Values of a field that are counted for facets once and kept; a call for more counts anew."""

OWN_FIELDS = {"id": "string", "title": "string", "document_id": "string"}
"""The values of a passage itself that filters test like fields."""


class PassageColumns:
    """The columns of an index that filters test: the fields, and a passage's own values."""

    def __init__(self, passages: PassageStore) -> None:
        self._passages = passages
        self.types: Mapping[str, str] = {**passages.fields.types, **OWN_FIELDS}

    def column(self, name: str) -> Any:
        """Return the values of a field as an Arrow chunked array."""
        return self._passages.column(name) if name in OWN_FIELDS else self._passages.fields.column(name)


class Filtered:
    """The rows and retrievers of the last filters, each made once."""

    def __init__(self, resources: IndexResources) -> None:
        self._resources = resources
        self._columns = PassageColumns(resources.passages)
        self._selections: OrderedDict[str, IndexResources] = OrderedDict()
        self._facets: dict[str, Facet] | None = None  # of all passages, which a generation does not change
        self._lock = Lock()

    def resources(self, condition: Filter) -> IndexResources:
        """Return resources that search the passages that a filter keeps.

        Raises:
            RequestError: a field is unknown, or a value does not suit its type.
        """
        key = repr(condition)  # 1, 1.0 and True are equal, and not the same in a filter
        with self._lock:
            selection = self._selections.pop(key, None) or self._select(condition)
            self._selections[key] = selection
            while len(self._selections) > MAX_FILTERS:
                self._selections.popitem(last=False)
            return selection

    def count(self, condition: Filter) -> int:
        """Return how many passages a filter keeps."""
        return int((self.resources(condition).id_rank >= 0).sum())

    def facets(self, condition: Filter | None, limit: int) -> dict[str, Facet]:
        """Return what the passages that a filter keeps have in each field, with at most ``limit`` values.

        Those of all passages are counted once.
        """
        if condition is not None or limit > MAX_VALUES:
            return self._count_facets(condition, limit)
        with self._lock:
            if self._facets is None:
                self._facets = self._count_facets(None, MAX_VALUES)
        return {name: replace(facet, values=facet.values[:limit]) for name, facet in self._facets.items()}

    def _count_facets(self, condition: Filter | None, limit: int) -> dict[str, Facet]:
        resources = self._resources if condition is None else self.resources(condition)
        is_counted: BoolArray = resources.id_rank >= 0
        types = self._resources.passages.fields.types
        return {name: facet_of(self._columns.column(name), types[name], is_counted, limit) for name in types}

    def _select(self, condition: Filter) -> IndexResources:
        condition = typed_filter(condition, self._columns.types)
        return self._resources.selecting(mask_of(condition, self._columns), condition)
