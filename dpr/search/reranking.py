"""Reranking: a reranker scores each of the first hits with its question."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from dpr.config import ComputeOptions
from dpr.errors import ConfigError, ModelError
from dpr.measured import TokensRead
from dpr.search.contract import Reranker, Retriever
from dpr.search.registry import DEFAULT_RERANK_DEPTH, DEFAULT_RERANKER, MAX_RERANK_DEPTH, RERANKERS, reranked_name
from dpr.search.retrievers import refuse_bad_k
from dpr.types import Explanation, FirstStage, Hit, Passage
from dpr.value_types import check_fields


@dataclass(frozen=True, slots=True)
class RerankOptions:
    """The reranker of an index's hits.

    Attributes:
        model: the folder or hub name of a cross-encoder, or ``TYPE:MODEL`` with a reranker type of
            `dpr.search.registry.RERANKERS`.
        depth: the number of hits to rescore, from the first.
        precision: ``auto`` or a name of `dpr.models.backends.PRECISIONS`.
        backend: a name of `dpr.models.backends.BACKENDS`.

    Raises:
        ConfigError: the model has no name or an unknown type, or the depth is out of range.
    """

    model: str
    depth: int = DEFAULT_RERANK_DEPTH
    precision: str = "auto"
    backend: str = "auto"

    def __post_init__(self) -> None:
        check_fields(self)
        if not 1 <= self.depth <= MAX_RERANK_DEPTH:
            raise ConfigError(f"the rerank depth is {self.depth}; choose 1 to {MAX_RERANK_DEPTH}")
        if not self.type_and_name[1].strip():
            raise ConfigError("the reranker has no name; give its folder or hub name, or leave it out")

    @property
    def type_and_name(self) -> tuple[str, str]:
        """The reranker type, and the model's name without it."""
        reranker_type, colon, name = self.model.partition(":")
        if colon and reranker_type in RERANKERS:
            return reranker_type, name
        if colon and not Path(self.model).exists():
            raise ConfigError(f"unknown reranker type {reranker_type!r}; choose from {', '.join(RERANKERS)}")
        return DEFAULT_RERANKER, self.model

    def computed_as(self, compute: ComputeOptions) -> RerankOptions:
        """Return the options with this precision and backend in place of ``auto``."""
        return replace(
            self,
            precision=compute.precision if self.precision == "auto" else self.precision,
            backend=compute.backend if self.backend == "auto" else self.backend,
        )

    def load(self) -> Reranker:
        """Load the model.

        Raises:
            ModelError: it cannot be loaded, or is not a reranker of this type.
            ConfigError: this machine lacks the precision or the backend.
        """
        reranker_type, name = self.type_and_name
        return RERANKERS[reranker_type].load(name, self.precision, self.backend)

    def as_json(self) -> dict[str, object]:
        """Return the options as JSON values, for a report."""
        reranker_type, name = self.type_and_name
        return {**asdict(self), "kind": reranker_type, "model": name}


class Reranked(Retriever):
    """A retriever whose first ``depth`` hits are reordered by a reranker's score, equal scores by passage id.

    Hits beyond the depth follow in their order. Their scores are as far below the reranker's lowest as their
    first-stage scores are below the best first-stage score. The reranker reads the window of a long passage that the
    first stage matched, else its beginning.
    """

    def __init__(
        self,
        retriever: Retriever,
        reranker: Reranker,
        passages: Callable[[Sequence[int]], Sequence[Passage]],
        depth: int = DEFAULT_RERANK_DEPTH,
    ) -> None:
        """Wrap a retriever; ``passages`` returns the passages of rows, such as ``PassageStore.get``."""
        self.name = reranked_name(retriever.name)
        self.fusion = retriever.fusion
        self.depth = depth
        self._retriever = retriever
        self._reranker = reranker
        self._passages = passages

    def tokens_read(self, question: str) -> TokensRead | None:
        """Return how many tokens of a question the first stage reads."""
        return self._retriever.tokens_read(question)

    def search(self, questions: Sequence[str], k: int) -> list[list[Hit]]:
        """Return at most k hits for each question, best first, each with its rank and score in the first stage.

        Raises:
            RequestError: k is below 1, or above the limit of the first stage.
            ModelError: the reranker returns a score that is not finite.
        """
        refuse_bad_k(k)
        batch = self._retriever.search(questions, max(k, self.depth))
        scores = self._scores(questions, [hits[: self.depth] for hits in batch])
        return [_reordered(hits, of_hits)[:k] for hits, of_hits in zip(batch, scores, strict=True)]

    def explain(self, question: str, row: int) -> Explanation:
        """Return why a passage has its rank in the first stage, and where the reranker put it."""
        first = replace(self._retriever.explain(question, row), retriever=self.name)
        if first.rank is None:
            return first
        [hits] = self.search([question], max(self.depth, first.rank))
        hit = next(hit for hit in hits if hit.row == row)
        return replace(first, rank=hit.rank, score=hit.score, first_stage=hit.first_stage)

    def _scores(self, questions: Sequence[str], batch: Sequence[Sequence[Hit]]) -> list[list[float]]:
        """Return the reranker's score of each hit; all pairs of a batch are scored together."""
        hits = [hit for of_question in batch for hit in of_question]
        passages = [_as_read(*pair) for pair in zip(hits, self._passages([hit.row for hit in hits]), strict=True)]
        pair_questions = [question for question, of_question in zip(questions, batch, strict=True) for _ in of_question]
        scores = self._reranker.score(pair_questions, passages) if hits else np.empty(0, dtype=np.float32)  # (N,)
        if not np.isfinite(scores).all():
            raise ModelError(
                f"the reranker {self._reranker.name} returns scores that are not finite; use precision fp32, or "
                "another model"
            )
        remaining = iter(scores.tolist())
        return [[next(remaining) for _ in of_question] for of_question in batch]


def _as_read(hit: Hit, passage: Passage) -> Passage:
    if hit.window is None:
        return passage
    return replace(passage, text=passage.text[hit.window.start : hit.window.end])


def _reordered(hits: Sequence[Hit], scores: Sequence[float]) -> list[Hit]:
    """Return the rescored hits by score, then the other hits in their order."""
    rescored = sorted(zip(scores, hits, strict=False), key=lambda pair: (-pair[0], pair[1].passage_id))
    ranked = [replace(hit, score=score, first_stage=FirstStage(hit.rank, hit.score, score)) for score, hit in rescored]
    unread = hits[len(scores) :]
    lowest, best_before = (ranked[-1].score, hits[0].score) if hits else (0.0, 0.0)
    ranked += [
        replace(
            hit,
            score=lowest - (best_before - hit.score),
            first_stage=FirstStage(hit.rank, hit.score, None),
        )
        for hit in unread
    ]
    return [replace(hit, rank=rank) for rank, hit in enumerate(ranked, start=1)]
