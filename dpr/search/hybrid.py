"""Hybrid retrieval: several retrievers' candidates, fused into one list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from dpr.errors import ConfigError, RequestError
from dpr.measured import ReadsTokens, TokensRead
from dpr.search.fusion import Fusion, fuse
from dpr.search.hits import PassageId, hits_of_fusion, refuse_bad_k, with_windows
from dpr.types import DoubleArray, Hit, TopK

DEFAULT_DEPTH = 100


class CandidateSource(Protocol):
    """A retriever whose rows and scores can be fused with those of another over the same index."""

    @property
    def passage_id(self) -> PassageId:
        """The id of a row."""

    def top_k(self, questions: Sequence[str], k: int) -> TopK:
        """Return the rows and scores of the k best passages, (Q, k)."""


@runtime_checkable
class MeasuresCoverage(Protocol):
    """A source that knows how much of a question its best hit covers."""

    def top_k_and_coverage(self, questions: Sequence[str], k: int) -> tuple[TopK, DoubleArray]:
        """Return the k best passages, (Q, k), and how much of each question its best one covers, (Q,)."""


def candidates_of(source: CandidateSource, questions: Sequence[str], k: int) -> tuple[TopK, DoubleArray | None]:
    """Return the k best passages, (Q, k), and the coverage of each question, (Q,), where the source measures it."""
    if isinstance(source, MeasuresCoverage):
        return source.top_k_and_coverage(questions, k)
    return source.top_k(questions, k), None


class HybridRetriever:
    """Fuses the candidates of retrievers over one index.

    Each source gives ``depth`` candidates whatever k is asked for, so that a passage's fused score, and with it the
    first hits, do not depend on how many of them are wanted. Each question of a batch has weights of its own, where the
    fusion follows coverage.
    """

    def __init__(
        self,
        sources: Mapping[str, CandidateSource],
        fusion: Fusion | None = None,
        depth: int = DEFAULT_DEPTH,
        name: str = "hybrid",
    ) -> None:
        """Fuse the named sources.

        Raises:
            ConfigError: there is no source, or the depth is below 1.
            RequestError: the fusion's weights name other lists than the sources.
        """
        if not sources:
            raise ConfigError("a hybrid retriever has no source: give it at least one retriever, such as dense or bm25")
        if depth < 1:
            raise ConfigError(f"the candidate depth is {depth}: it must be at least 1")
        self.name = name
        self.fusion = fusion or Fusion()
        self.fusion.weights_for(sources)
        self.depth = depth
        self._sources = dict(sources)
        self._passage_id = next(iter(sources.values())).passage_id

    def tokens_read(self, question: str) -> TokensRead | None:
        """Return how many tokens of a question the source with an encoder reads; None where no source says it."""
        sources = (source for source in self._sources.values() if isinstance(source, ReadsTokens))
        return next((source.tokens_read(question) for source in sources), None)

    def search(self, questions: Sequence[str], k: int) -> list[list[Hit]]:
        """Return at most k hits for each question, best first, each with what every list said of it.

        Raises:
            RequestError: k is below 1 or above the candidate depth.
        """
        refuse_bad_k(k)
        if k > self.depth:
            raise RequestError(f"k is {k}: a hybrid of {self.depth} candidates a list gives at most {self.depth}", "k")
        lists, coverage = {}, {}
        for name, source in self._sources.items():
            lists[name], share = candidates_of(source, questions, self.depth)
            if share is not None:
                coverage[name] = share
        fused = fuse(lists, k, self.fusion, self._passage_id, coverage)
        return with_windows(hits_of_fusion(fused, coverage, self._passage_id), lists.values())
