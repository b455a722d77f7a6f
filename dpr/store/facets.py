"""The counts of a collection's fields, which each of its shards has: a JSON file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from dpr.durable import write_atomically
from dpr.errors import IndexFormatError
from dpr.metadata import json_value
from dpr.store.filtering import Facet


def write_facets(path: Path, facets: Mapping[str, Facet]) -> None:
    """Write what the passages have in each field."""
    write_atomically(path, facets_to_json(facets).decode())


def read_facets(path: Path) -> dict[str, Facet] | None:
    """Read what `write_facets` wrote; None where there is no such file.

    Raises:
        IndexFormatError: the file holds something else.
    """
    try:
        return facets_of_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise IndexFormatError(f"{path} does not hold the counts of fields ({error}); split the index again") from error


def facets_to_json(facets: Mapping[str, Facet]) -> bytes:
    """Return what the passages have in each field as JSON; dates and times become texts."""
    return orjson.dumps(
        {
            name: {
                "type": facet.type,
                "passages": facet.passages,
                "values": facet.values,
                "distinct": facet.distinct,
                "least": _bound(facet.least),
                "greatest": _bound(facet.greatest),
            }
            for name, facet in facets.items()
        }
    )


def facets_of_json(body: bytes) -> dict[str, Facet]:
    """Read what `facets_to_json` wrote.

    Raises:
        ValueError: it is something else.
    """
    try:
        return {
            name: Facet(**{**entry, "values": tuple((value, int(count)) for value, count in entry["values"])})
            for name, entry in orjson.loads(body).items()
        }
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _bound(value: Any) -> Any:
    return None if value is None else json_value(value)
