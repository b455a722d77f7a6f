"""The index types as parameters of tests; one that needs a database has its mark, and such tests get a database."""

from __future__ import annotations

from typing import Any

import pytest

from dpr.dense.index_types import INDEX_TYPES

MARKS = {"postgres": pytest.mark.postgres, "milvus": pytest.mark.milvus}


def kinds(*, approximate: bool = False) -> list[Any]:
    """Return the names of all index types, or of the approximate ones."""
    return [
        pytest.param(name, marks=MARKS[name.split("-")[0]] if index_type.is_external else ())
        for name, index_type in INDEX_TYPES.items()
        if not (approximate and index_type.is_exact)
    ]
