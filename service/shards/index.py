"""A collection in shards, as the index of a router: its retrievers search lists that the nodes have."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from copy import copy
from dataclasses import replace

import numpy as np

from dpr.errors import RequestError
from dpr.filters import Filter
from dpr.measured import ReadsTokens, TokensRead
from dpr.results import Hit, Passage
from dpr.search.contract import Reranker, Retriever
from dpr.search.explain import explain_by_result
from dpr.search.fusion import Fusion
from dpr.search.lazy import Lazy
from dpr.search.record import DEFAULT_FUSION, fusion_of
from dpr.search.registry import HYBRID_LISTS, RERANKED, fused_lists, plain_name
from dpr.search.reranking import Reranked, RerankOptions
from dpr.search.retrievers import HybridRetriever, hits_of_list, no_questions, refuse_bad_k
from dpr.store.manifest import Manifest
from dpr.types import Encoder, FloatArray, ListExplanation, TopK
from service.shards.cluster import Cluster
from service.shards.session import Search, Session
from service.shards.wire import ShardState

REMEMBERED = 4_096
"""Questions whose vectors are remembered: more than the requests that are computed at a time have."""


class QuestionEncoder:
    """The encoder of a router: it computes under the lock that all models share, and remembers the last questions.

    A question is encoded together with those of other requests before its request waits for nodes, and then found here.
    """

    def __init__(self, encoder: Encoder, lock: AbstractContextManager[object]) -> None:
        self.inner = encoder
        self.lock = lock
        self._vectors: dict[str, FloatArray] = {}

    def encode_questions(self, questions: Sequence[str]) -> FloatArray:
        """Return the vectors of questions, (Q, D)."""
        with self.lock:
            unknown = [question for question in dict.fromkeys(questions) if question not in self._vectors]
            if unknown:
                self._vectors |= zip(unknown, self.inner.encode_questions(unknown), strict=True)
            vectors = np.stack([self._vectors[question] for question in questions])
            for question in list(self._vectors)[: max(0, len(self._vectors) - REMEMBERED)]:
                del self._vectors[question]
        return vectors

    def tokens_read(self, question: str) -> TokensRead | None:
        """Return how many tokens of a question are read; None if the encoder does not say."""
        with self.lock:
            return self.inner.tokens_read(question) if isinstance(self.inner, ReadsTokens) else None


class LockedReranker:
    """A reranker that computes under the lock that all models share."""

    def __init__(self, reranker: Reranker, lock: AbstractContextManager[object]) -> None:
        self.name = reranker.name
        self._reranker = reranker
        self._lock = lock

    def score(self, questions: Sequence[str], passages: Sequence[Passage]) -> FloatArray:
        """Return the score of each question with the passage at the same position, (N,)."""
        with self._lock:
            return self._reranker.score(questions, passages)


class ShardedRetriever(Retriever):
    """One list of a collection."""

    def __init__(self, name: str, index: ShardedIndex, condition: Filter | None) -> None:
        self.name = name
        self._index = index
        self._filter = condition

    def top_k(self, questions: Sequence[str], k: int) -> TopK:
        """Return the rows and scores of the k best passages of all shards, (Q, k)."""
        if not questions:
            return no_questions(k)
        return self._index.lists_of((self.name,), questions, k, self._filter)[self.name]

    def tokens_read(self, question: str) -> TokensRead | None:
        """Return how many tokens of a question the encoder reads; None for another list than dense."""
        encoder = self._index.encoder
        return encoder.tokens_read(question) if self.name == "dense" and encoder is not None else None

    def explain_entry(self, question: str, row: int, top: TopK) -> ListExplanation:
        """Return a passage's rank over all shards, and what its shard says of its score."""
        entry = explain_by_result(row, top)
        of_shard = self._index.explanation_of(self.name, question, row)
        return of_shard if entry.rank is None else replace(entry, terms=of_shard.terms)

    def search(self, questions: Sequence[str], k: int) -> list[list[Hit]]:
        """Return at most k hits for each question, best first."""
        refuse_bad_k(k)
        return hits_of_list(self.name, self.top_k(questions, k), self._index.session.id)


class ShardedHybrid(HybridRetriever):
    """Fuses lists of a collection, which the nodes are asked for in one request."""

    def __init__(
        self, names: Sequence[str], index: ShardedIndex, condition: Filter | None, fusion: Fusion, name: str
    ) -> None:
        sources = {source: ShardedRetriever(source, index, condition) for source in names}
        super().__init__(sources, index.session.id, fusion, name=name)
        self._names = tuple(names)
        self._index = index
        self._filter = condition

    def lists_of(self, questions: Sequence[str]) -> dict[str, TopK]:
        """Return the candidates of each list."""
        if not questions:
            return {name: no_questions(self.fusion.depth) for name in self._names}
        return self._index.lists_of(self._names, questions, self.fusion.depth, self._filter)


class ShardedIndex:
    """A collection whose shards other processes serve, in place of a `dpr.search.open.OpenIndex`.

    Attributes:
        state: a shard of the collection, which says what all have in common.
        manifest: the manifest of the shard, with the number of passages of the collection.
        encoder: the encoder of the questions; None for a collection without vectors.
        names: the names of the retrievers.
        fusion: the default fusion of ``hybrid``.
        rerank: the reranker's options; None: nothing reranks.
        cluster: the nodes.
        session: the request that asks; `for_request` returns an index with one of its own.
    """

    def __init__(
        self,
        cluster: Cluster,
        state: ShardState,
        encoder: QuestionEncoder | None,
        rerank: RerankOptions | None = None,
        reranker: Lazy[Reranker] | None = None,
    ) -> None:
        self.state = state
        self.encoder = encoder
        self.manifest: Manifest = replace(state.manifest, passages=state.shard.passages)
        has_hybrid = set(HYBRID_LISTS) <= set(state.lists)
        self.names = (*state.lists, *(("hybrid",) if has_hybrid else ()))
        self.fusion = fusion_of(self.manifest.fusion) if self.manifest.fusion else DEFAULT_FUSION
        self.rerank = rerank
        self.reranker = reranker
        self.cluster = cluster
        self.session = Session(cluster, state)

    @property
    def generation(self) -> str:
        """The name of the collection, as its shards have it on record."""
        return self.state.shard.collection

    @property
    def passages(self) -> Session:
        """The passages of hits."""
        return self.session

    @property
    def filtered(self) -> Session:
        """The counts of the fields."""
        return self.for_request().session

    def for_request(self) -> ShardedIndex:
        """Return the index for one request, with a session of its own."""
        index = copy(self)
        index.session = Session(self.cluster, self.state)
        return index

    def needs_vectors(self, retriever: str) -> bool:
        """Tell whether a retriever needs the vectors of questions."""
        lists = HYBRID_LISTS if plain_name(retriever) == "hybrid" else fused_lists(retriever)
        return self.encoder is not None and "dense" in lists

    def lists_of(
        self, names: Sequence[str], questions: Sequence[str], k: int, condition: Filter | None
    ) -> dict[str, TopK]:
        """Return the hits of lists over all shards that answer, (Q, k) each."""
        vectors = self.encoder.encode_questions(questions) if self.encoder and "dense" in names else None
        return self.session.search(Search(tuple(names), tuple(questions), k, condition), vectors)

    def explanation_of(self, name: str, question: str, row: int) -> ListExplanation:
        """Return what a list says of a passage in its shard, without its rank."""
        vectors = self.encoder.encode_questions([question]) if self.encoder and name == "dense" else None
        return self.session.explanation((name,), question, row, vectors)[name]

    def retriever(self, name: str, fusion: Fusion | None = None, filter: Filter | None = None) -> Retriever:
        """Return a retriever by its name, as `dpr.search.open.OpenIndex` does.

        Raises:
            RequestError: there is no such retriever or no reranker, or the retriever does not fuse lists.
        """
        if name.endswith(RERANKED):
            if self.rerank is None or self.reranker is None:
                raise RequestError("this router has no reranker; start it with --rerank, or leave rerank out", "rerank")
            first_stage = self.retriever(plain_name(name), fusion, filter)
            return Reranked(first_stage, self.reranker(), self.passages.get, self.rerank.depth)
        lists = HYBRID_LISTS if name == "hybrid" else tuple(fused_lists(name))
        if unknown := next((source for source in lists if source not in self.state.lists), None):
            raise RequestError(f"the nodes have no list {unknown!r}; choose from {', '.join(self.names)}", "retriever")
        if len(set(lists)) < len(lists):
            raise RequestError(f"the retriever {name!r} names a list twice; name different ones", "retriever")
        if len(lists) > 1:
            return ShardedHybrid(lists, self, filter, fusion or (self.fusion if name == "hybrid" else Fusion()), name)
        return ShardedRetriever(name, self, filter)
