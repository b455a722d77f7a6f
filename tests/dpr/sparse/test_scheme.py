from __future__ import annotations

import numpy as np
import pytest

from dpr.errors import ConfigError
from dpr.sparse.bm25 import okapi_weights
from dpr.sparse.collection import CollectionStatistics
from dpr.sparse.counts import TermCounts
from dpr.sparse.scheme import SCHEMES
from tests.dpr.sparse.contract import random_documents

COUNTS = TermCounts.build(random_documents(50, 10))


def test_each_scheme_knows_its_name() -> None:
    assert {name: scheme.name for name, scheme in SCHEMES.items()} == {name: name for name in SCHEMES}


def test_parameters_given_replace_the_defaults() -> None:
    np.testing.assert_array_equal(
        SCHEMES["bm25"].weights(COUNTS),
        okapi_weights(COUNTS, CollectionStatistics.from_counts(COUNTS), 1.2, 0.75, 0.25),
    )
    np.testing.assert_array_equal(
        SCHEMES["bm25"].weights(COUNTS, k1=2),
        okapi_weights(COUNTS, CollectionStatistics.from_counts(COUNTS), 2.0, 0.75, 0.25),
    )


@pytest.mark.parametrize(("scheme", "known"), [("bm25-lucene", "k1, b"), ("tfidf", "none")])
def test_an_unknown_parameter_is_refused(scheme: str, known: str) -> None:
    with pytest.raises(ConfigError, match=f"{scheme!r} has no parameter 'epsilon'; its parameters: {known}"):
        SCHEMES[scheme].weights(COUNTS, epsilon=0.5)


@pytest.mark.parametrize(
    "parameters",
    [
        {"k1": -0.1},
        {"b": 1.1},
        {"b": -1},
        {"epsilon": -1},
        {"k1": float("nan")},
        {"k1": float("inf")},
        {"k1": 1e50},  # its weights would be 0 in float32
        {"epsilon": 1e50},
    ],
)
def test_a_parameter_out_of_range_is_refused(parameters: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=r"out of range; choose from 0 to 1(000)?$"):
        SCHEMES["bm25"].weights(COUNTS, None, **parameters)
