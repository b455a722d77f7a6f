"""The router: the collection that answers, with its models, and the taking over of the next one."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from copy import copy
from typing import TYPE_CHECKING, Any, cast

from dpr.errors import UnknownPassageError
from dpr.pipeline import QA, Generator, RetrievalOptions, SearchBy
from dpr.search.contract import Reranker
from dpr.search.embedding import EmbeddedTexts, embed_texts
from dpr.search.lazy import Lazy
from dpr.types import Explanation, Hit, Passage, Reader
from service.errors import NotReadyError, NotRoutedError
from service.indexes import WARM_UP_QUESTIONS, Publication, ServedIndex
from service.models import Models
from service.schemas import MissingShardOut, ShardsOut
from service.settings import DEFAULT_INDEX, Settings
from service.shards.cluster import Cluster
from service.shards.index import LockedReranker, QuestionEncoder, ShardedIndex
from service.shards.session import ShardLostError
from service.shards.wire import ShardState

if TYPE_CHECKING:
    from dpr.search.open import OpenIndex

logger = logging.getLogger(__name__)

WAIT_FOR_SHARDS_S = 30.0
"""Time after its start in which a router waits for every shard; then it answers without those that are not there."""

LOOK_S = 0.1


def cluster_of(settings: Settings) -> Cluster:
    """Return the nodes that the settings name.

    Raises:
        ConfigError: an address or the key cannot be one.
    """
    key = settings.node_key.get_secret_value() if settings.node_key else ""
    return Cluster(settings.nodes, key, settings.shard_timeout_s, max(settings.reload_interval_s, LOOK_S))


class RoutedQA(QA):
    """Question answering over a collection whose shards other processes serve.

    Nothing here holds the lock of the models while it waits for nodes.
    """

    def __init__(
        self,
        index: ShardedIndex,
        reader: Reader | Lazy[Reader] | None,
        generator: Generator | None,
        retrieval: RetrievalOptions,
        lock: AbstractContextManager[object],
    ) -> None:
        """See `QA`; ``lock`` is held while a local model computes."""
        super().__init__(cast("OpenIndex", index), reader, generator, retrieval, lock)  # it has what a QA asks of one
        self.sharded = index
        self._lock = nullcontext()

    def encode(self, questions: Sequence[str]) -> list[None]:
        """Encode questions that are searched for next, together with those of other requests."""
        if self.sharded.encoder is not None:
            self.sharded.encoder.encode_questions(questions)
        return [None] * len(questions)

    def find(self, questions: Sequence[str], k: int, search: SearchBy) -> tuple[list[list[Hit]], dict[int, str]]:
        """Return the hits of questions, and the causes of the shards that did not answer, by number.

        Raises:
            ShardsLostError: no shard answers.
            RequestError: as `retrieve` does.
        """
        view = self._for_request()
        while True:
            try:
                hits = super(RoutedQA, view)._hits(questions, k, search)
            except ShardLostError as error:
                # Its hits were merged, and nobody can show them: merge those of the shards that are left.
                logger.warning("%s; its hits are left out", error)
            else:
                lost_shards = dict(sorted(view.sharded.session.lost_shards.items()))
                self.sharded.cluster.partial_searches += bool(lost_shards)
                return hits, lost_shards

    def _hits(self, questions: Sequence[str], k: int, search: SearchBy) -> list[list[Hit]]:
        return self.find(questions, k, search)[0]

    def embed(self, texts: Sequence[str], *, as_passages: bool = False) -> EmbeddedTexts:
        """Return the vectors of texts, and how many of their tokens were read."""
        encoder = self.sharded.encoder
        if encoder is None:
            raise NotRoutedError("this collection has no vectors; ask one that was built with them", "model")
        with encoder.lock:
            return embed_texts(encoder.inner, texts, as_passages)

    def explain(self, question: str, passage_id: str | None = None, **choices: Any) -> Explanation:
        """Return why a passage has its score and its rank over all shards; see `QA.explain`.

        Raises:
            ShardsLostError: a shard does not answer, so that ranks would be others.
        """
        view = self._for_request()
        try:
            explanation = super(RoutedQA, view).explain(question, passage_id, **choices)
        except (ShardLostError, UnknownPassageError):
            view.sharded.session.refuse_lost()
            raise
        view.sharded.session.refuse_lost()
        return explanation

    def _for_request(self) -> RoutedQA:
        view = copy(self)
        view.sharded = self.sharded.for_request()
        view.index = cast("OpenIndex", view.sharded)
        return view


class RoutedIndex(ServedIndex):
    """The collection that most nodes serve, in place of an index on disk.

    Attributes:
        cluster: the nodes.
    """

    def __init__(self, cluster: Cluster, models: Models) -> None:
        """Ask no node yet."""
        self.cluster = cluster
        self._models = models
        self._started = 0.0
        self._stopped = threading.Event()
        super().__init__(DEFAULT_INDEX, self._open, lock=models.lock)
        self.is_fixed = False

    def load(self) -> None:
        """Wait until every shard has a node, or for a while; then load the models and serve.

        Raises:
            DPRError: the encoder is not that of the collection, or a model cannot be loaded.
        """
        self.cluster.start()
        self._started = time.monotonic()
        while not self._is_enough() and not self._stopped.wait(LOOK_S):
            self.problem = self._waits_for()
        if not self._stopped.is_set():
            super().load()

    def stop(self) -> None:
        """Ask no node any more."""
        self._stopped.set()
        self.cluster.stop()

    def shards(self) -> tuple[int, dict[int, int]]:
        """Return how many shards the collection that answers has, and how many nodes answer for each of them."""
        if self._snapshot is None:
            return 0, {}
        shard = cast("RoutedQA", self._snapshot).sharded.state.shard
        nodes, total = self.cluster.nodes.coverage().get(shard.collection, {}), shard.shards
        return total, {number: len(nodes.get(number, [])) for number in range(1, total + 1)}

    def shards_out(self) -> ShardsOut:
        """Return which shards answer now."""
        total, nodes = self.shards()
        causes = {
            number: self.cluster.nodes.cause(self._collection() or "", number) for number, n in nodes.items() if not n
        }
        lost_shards = [MissingShardOut(shard=number, cause=cause) for number, cause in causes.items()]
        return ShardsOut(total=total, missing=lost_shards)

    def _collection(self) -> str | None:
        return None if self._snapshot is None else self._snapshot.generation

    def _is_enough(self) -> bool:
        collection = self.cluster.nodes.collection()
        states = self.cluster.nodes.states(collection) if collection else []
        is_late = time.monotonic() - self._started > WAIT_FOR_SHARDS_S
        return bool(states) and (is_late or len(states) == states[0].shard.shards)

    def _waits_for(self) -> str:
        nodes = list(self.cluster.nodes)
        answering = sum(not node.problem for node in nodes)
        return (
            f"the router waits until each shard has a node ({answering} of {len(nodes)} nodes answer, the log says why)"
        )

    def _state(self) -> ShardState:
        collection = self.cluster.nodes.collection(self._collection())
        if collection is None or not (states := self.cluster.nodes.states(collection)):
            raise NotReadyError(self._waits_for())
        return states[0]

    def _open(self) -> QA:
        state, models = self._state(), self._models
        recorded = state.manifest.encoder
        encoder = QuestionEncoder(models.encoder(recorded), models.lock) if recorded else None
        beside = models.beside_index()
        load = beside.reranker
        reranker: Lazy[Reranker] | None = None
        if load is not None:
            reranker = Lazy(lambda: LockedReranker(load(), models.lock))
        index = ShardedIndex(self.cluster, state, encoder, beside.retrieval.rerank, reranker)
        return RoutedQA(index, beside.reader, beside.generator, beside.retrieval, models.lock)

    def _published(self) -> Publication | None:
        collection = self.cluster.nodes.collection(self._collection())
        return (int(collection, 16),) if collection else self._publication  # no node answers: what there is goes on

    def _sample(self, qa: QA) -> Passage:
        hits = qa.retrieve(WARM_UP_QUESTIONS[0])
        passages = [hit.passage for hit in hits if hit.passage is not None]
        return passages[0] if passages else Passage("", WARM_UP_QUESTIONS[1])
