"""The weighting schemes by name: the weights of postings and the factors of a question's terms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from dpr.errors import ConfigError
from dpr.sparse.bm25 import lucene_weights, okapi_weights
from dpr.sparse.collection import CollectionStatistics
from dpr.sparse.counts import TermCounts
from dpr.sparse.question_terms import QuestionTerms
from dpr.sparse.tfidf import tfidf_factors, tfidf_weights
from dpr.types import FloatArray

BOUNDS = {"k1": (0.0, 1000.0), "b": (0.0, 1.0), "epsilon": (0.0, 1000.0)}
"""Least and greatest value of each parameter: with a k1 of 1e50, every weight would be 0 in float32."""


@dataclass(frozen=True, slots=True)
class Scheme:
    """A way to score: the sum, over a question's terms, of the term's factor times the posting's weight.

    Attributes:
        name: its key in ``SCHEMES``.
        defaults: the parameters of ``formula`` and their default values.
        formula: weighs the postings.
        factors: weighs the terms of questions, (terms,) float32, given the number of passages.
    """

    name: str
    defaults: Mapping[str, float]
    formula: Callable[..., FloatArray]
    factors: Callable[[QuestionTerms, int], FloatArray]

    def weights(
        self, counts: TermCounts, collection: CollectionStatistics | None = None, **parameters: float
    ) -> FloatArray:
        """Return the weight of each posting of ``counts``, (postings,) float32.

        ``collection`` has the statistics of the whole collection; None: ``counts`` are the whole collection.

        Raises:
            ConfigError: a parameter is unknown or out of range.
        """
        self.check(**parameters)
        statistics = CollectionStatistics.from_counts(counts) if collection is None else collection
        return self.formula(counts, statistics, **{**self.defaults, **parameters})

    def check(self, **parameters: float) -> None:
        """Refuse parameters that the formula does not accept.

        Raises:
            ConfigError: a parameter is unknown or out of range.
        """
        for name, value in parameters.items():
            if name not in self.defaults:
                names = ", ".join(self.defaults) or "none"
                raise ConfigError(f"the scheme {self.name!r} has no parameter {name!r}; its parameters: {names}")
            least, greatest = BOUNDS[name]
            if not least <= value <= greatest:
                raise ConfigError(f"{name} is {value}, which is out of range; choose from {least:g} to {greatest:g}")


def repeat_factors(questions: QuestionTerms, passages: int) -> FloatArray:  # noqa: ARG001
    """Return the term frequency in the question: BM25 adds a repeated term's weight each time."""
    return questions.repeats.astype(np.float32)


SCHEMES = {
    scheme.name: scheme
    for scheme in (
        Scheme("bm25", {"k1": 1.2, "b": 0.75, "epsilon": 0.25}, okapi_weights, repeat_factors),
        Scheme("bm25-lucene", {"k1": 1.2, "b": 0.75}, lucene_weights, repeat_factors),
        Scheme("tfidf", {}, tfidf_weights, tfidf_factors),
    )
}
"""``bm25`` scores as ``rank_bm25.BM25Okapi`` does, ``bm25-lucene`` as Lucene, ``tfidf`` as ``TfidfVectorizer``."""


def scheme_of(name: str) -> Scheme:
    """Return a scheme by its name.

    Raises:
        ConfigError: the name is unknown.
    """
    if name not in SCHEMES:
        raise ConfigError(f"unknown sparse scheme {name!r}; choose from {', '.join(SCHEMES)}")
    return SCHEMES[name]
