"""Hybrid retrieval: several retrievers' candidates, fused into one list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from dpr.errors import ConfigError, RequestError
from dpr.search.fusion import Fusion, fuse
from dpr.search.hits import PassageId, hits_of_fusion, refuse_bad_k, with_windows
from dpr.text.scripts import has_hangul
from dpr.types import Hit, ReadsTokens, TokensRead, TopK

DEFAULT_DEPTH = 100


class CandidateSource(Protocol):
    """A retriever whose rows and scores can be fused with those of another over the same index."""

    @property
    def passage_id(self) -> PassageId:
        """The id of a row."""

    def top_k(self, questions: Sequence[str], k: int) -> TopK:
        """Return the rows and scores of the k best passages, (Q, k)."""


class HybridRetriever:
    """Fuses the candidates of retrievers over one index.

    Each source gives ``depth`` candidates whatever k is asked for, so that a passage's fused score, and with it the
    first hits, do not depend on how many of them are wanted. Where the fusion has a way of its own for Hangul, each
    question of a batch is fused by its script.
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
        lists = {name: source.top_k(questions, self.depth) for name, source in self._sources.items()}
        found: list[list[Hit]] = [[] for _ in questions]
        for fusion, places in _by_fusion(self.fusion, questions):
            part = {name: TopK(top.rows[places], top.scores[places]) for name, top in lists.items()}
            hits = hits_of_fusion(fuse(part, k, fusion, self._passage_id), self._passage_id)
            for place, of_question in zip(places, hits, strict=True):
                found[place] = of_question
        return with_windows(found, lists.values())


def _by_fusion(fusion: Fusion, questions: Sequence[str]) -> Iterator[tuple[Fusion, list[int]]]:
    """Yield each fusion that some of the questions are to be fused by, and their places."""
    in_hangul = [fusion.hangul is not None and has_hangul(question) for question in questions]
    for way, wanted in ((fusion, False), (fusion.hangul, True)):
        places = [place for place, has in enumerate(in_hangul) if has == wanted]
        if way is not None and places:
            yield way, places
