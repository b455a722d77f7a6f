"""Tune BM25's k1 and b, the fusion, and the depth of reranking, one after the other, by cross-validation.

Each stage begins with what the one before it selected, and keeps its default unless the gain on held-out folds is above
chance (`dpr.tuning.cross_validation`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from dpr.benchmark.gold import JudgedQuestions, judge_questions
from dpr.errors import RequestError
from dpr.evaluation.metrics import Values, parse_metric, per_question
from dpr.search.contract import Reranker, Retriever
from dpr.search.fusion import DEFAULT_DEPTH, Fusion
from dpr.search.open import OpenIndex
from dpr.search.registry import HYBRID_LISTS
from dpr.search.reranking import Reranked
from dpr.search.retrievers import HybridRetriever
from dpr.search.reweighed import reweighed_bm25
from dpr.tuning.cross_validation import Setting, Stage, choose_setting
from dpr.tuning.fusion import retrieve_all, rows_of, units_of
from dpr.types import Example, FloatArray, Hit, IntArray, Passage, Progress, TopK, no_progress

K1 = (0.6, 0.9, 1.2, 1.5, 2.0)
B = (0.3, 0.4, 0.6, 0.75, 0.9)
WEIGHTS = tuple(number / 10 for number in range(11))
METHODS = ("zscore", "minmax", "rrf")
DEPTHS = (DEFAULT_DEPTH, 200)
RERANK_DEPTHS = (5, 10, 20, 50)
BATCH_QUESTIONS = 256


@dataclass(frozen=True, slots=True)
class SettingsOptions:
    """What to tune.

    Attributes:
        stages: some of ``bm25``, ``fusion`` and ``rerank``, in this order.
        objective: the metric to maximize.
        folds: the number of folds.
    """

    stages: Sequence[str] = ("bm25", "fusion", "rerank")
    objective: str = "mrr@10"
    folds: int = 5

    def __post_init__(self) -> None:
        known = ("bm25", "fusion", "rerank")
        if not self.stages or [stage for stage in known if stage in self.stages] != list(self.stages):
            raise RequestError(
                f"the settings to tune are {', '.join(self.stages) or 'none'}; name some of "
                f"{', '.join(known)} in order",
                "settings",
            )
        if self.folds < 2:
            raise RequestError(f"folds is {self.folds}; settings are chosen by 2 folds or more", "folds")
        _, depth = parse_metric(self.objective)
        if depth > DEFAULT_DEPTH:
            raise RequestError(f"{self.objective} is deeper than the {DEFAULT_DEPTH} hits that are searched", "metric")


class CachedReranker:
    """A reranker that scores no pair twice."""

    def __init__(self, reranker: Reranker) -> None:
        self.name = reranker.name
        self._reranker = reranker
        self._scores: dict[tuple[str, str], float] = {}

    def score(self, questions: Sequence[str], passages: Sequence[Passage]) -> FloatArray:
        """Return the score of each question with the passage at the same position, (N,)."""
        pairs = [(question, passage.titled()) for question, passage in zip(questions, passages, strict=True)]
        new = [number for number, pair in enumerate(pairs) if pair not in self._scores]
        if new:
            scores = self._reranker.score([questions[number] for number in new], [passages[number] for number in new])
            self._scores.update(zip((pairs[number] for number in new), scores.tolist(), strict=True))
        return np.array([self._scores[pair] for pair in pairs], dtype=np.float32)


class CachedCandidates(Retriever):
    """The candidates of a list for known questions, searched once."""

    def __init__(self, retriever: Retriever, questions: Sequence[str], depth: int, progress: Progress) -> None:
        self.name = retriever.name
        self._row_of = {text: row for row, text in enumerate(dict.fromkeys(questions))}
        self._top = retrieve_all(retriever, list(self._row_of), depth, progress)

    def top_k(self, questions: Sequence[str], k: int) -> TopK:
        """Return the first k candidates of each question, (Q, k)."""
        top = rows_of(self._top, [self._row_of[question] for question in questions])
        return TopK(top.rows[:, :k], top.scores[:, :k], coverage=top.coverage)

    def search(self, questions: Sequence[str], k: int) -> list[list[Hit]]:
        """Raise an error: only a fusion takes from it."""
        raise NotImplementedError


def tune_settings(
    index: OpenIndex, examples: Iterable[Example], options: SettingsOptions, progress: Progress = no_progress
) -> list[Stage]:
    """Tune an index's settings by questions with gold passages; return the choice of each stage.

    Raises:
        RequestError: the index has no vectors for a fusion, or no reranker.
        DataError: two questions share an id, none can be judged, or no gold passage is in the index.
    """
    judged = judge_questions(index.passages, examples)
    return _Tuning(index, judged, units_of(judged.examples), options, progress).run()


class _Tuning:
    """The stages over one set of questions."""

    def __init__(
        self, index: OpenIndex, judged: JudgedQuestions, groups: IntArray, options: SettingsOptions, progress: Progress
    ) -> None:  # fmt: skip
        self._index, self._judged, self._options, self._progress = index, judged, options, progress
        self._groups = groups
        parameters = index.manifest.weights["bm25"].parameters
        self._bm25: Setting = {"k1": float(parameters["k1"]), "b": float(parameters["b"])}
        self._fusion = index.fusion

    def run(self) -> list[Stage]:
        """Run the stages in their order."""
        return [
            {"bm25": self._tune_bm25, "fusion": self._tune_fusion, "rerank": self._tune_rerank}[name]()
            for name in self._options.stages
        ]

    def _tune_bm25(self) -> Stage:
        others: list[Setting] = [{"k1": k1, "b": b} for k1, b in product(K1, B)]
        settings = [self._bm25, *(setting for setting in others if setting != self._bm25)]

        def measure(number: int) -> Values:
            values = self._measure(self._bm25_of(settings[number]))
            self._progress("try k1 and b", number + 1, len(settings))
            return values

        stage, selected = self._choose("bm25", settings, measure)
        self._bm25 = settings[selected]
        return stage

    def _tune_fusion(self) -> Stage:
        default = self._fusion
        others = (
            replace(default, method=method, weights=weights_of(weight), depth=depth)
            for method, weight, depth in product(METHODS, WEIGHTS, DEPTHS)
        )
        default_setting = _setting(default)
        fusions = [default, *(fusion for fusion in others if _setting(fusion) != default_setting)]
        deepest = max(fusion.depth for fusion in fusions)
        texts = [question.text for question in self._judged.questions]
        recalled = {
            name: CachedCandidates(retriever, texts, deepest, self._progress)
            for name, retriever in self._hybrid_lists().items()
        }

        def measure(number: int) -> Values:
            values = self._measure(HybridRetriever(recalled, self._index.passages.id, fusions[number]))
            self._progress("try fusions", number + 1, len(fusions))
            return values

        stage, selected = self._choose("fusion", [_setting(fusion) for fusion in fusions], measure)
        self._fusion = fusions[selected]
        return stage

    def _tune_rerank(self) -> Stage:
        options, make = self._index.rerank, self._index.reranker
        if options is None or make is None:
            raise RequestError("the depth of reranking is tuned with a reranker; set one with --rerank", "rerank")
        reranker = CachedReranker(make())
        depths = [options.depth, *(depth for depth in (0, *RERANK_DEPTHS) if depth != options.depth)]
        first = self._first_stage()

        def measure(number: int) -> Values:
            depth = depths[number]
            retriever = Reranked(first, reranker, self._index.passages.get, depth) if depth else first
            values = self._measure(retriever)
            self._progress("try depths of reranking", number + 1, len(depths))
            return values

        return self._choose("rerank", [{"depth": float(depth)} for depth in depths], measure)[0]

    def _first_stage(self) -> Retriever:
        if self._index.manifest.encoder is None:
            return self._bm25_of(self._bm25)
        return HybridRetriever(self._hybrid_lists(), self._index.passages.id, self._fusion)

    def _hybrid_lists(self) -> dict[str, Retriever]:
        return {"dense": self._index.retriever("dense"), "bm25": self._bm25_of(self._bm25)}

    def _bm25_of(self, setting: Setting) -> Retriever:
        return reweighed_bm25(self._index.resources, float(setting["k1"]), float(setting["b"]))

    def _choose(self, name: str, settings: Sequence[Setting], measure: Callable[[int], Values]) -> tuple[Stage, int]:
        return choose_setting(name, settings, measure, self._groups, self._options.folds)

    def _measure(self, retriever: Retriever) -> Values:
        """Return the objective of each judged question, (Q,)."""
        questions = self._judged.questions
        _, k = parse_metric(self._options.objective)
        run: dict[str, list[str]] = {}
        for start in range(0, len(questions), BATCH_QUESTIONS):
            batch = questions[start : start + BATCH_QUESTIONS]
            hits = retriever.search([question.text for question in batch], k + self._judged.most_excluded)
            run |= {
                question.id: self._judged.without_excluded(question.id, (hit.passage_id for hit in of_question))
                for question, of_question in zip(batch, hits, strict=True)
            }
        return per_question(run, self._judged.qrels, [self._options.objective])[self._options.objective]


def _setting(fusion: Fusion) -> Setting:
    dense = fusion.weights_for(HYBRID_LISTS)["dense"]
    return {"method": fusion.method, "dense": round(dense, 6), "depth": float(fusion.depth)}


def fusion_of(setting: Setting, default: Fusion) -> Fusion:
    """Return the fusion of a setting of the stage ``fusion``, for the rest like the default."""
    weights = weights_of(float(setting["dense"]))
    return replace(default, method=str(setting["method"]), weights=weights, depth=int(setting["depth"]))


def weights_of(dense: float) -> dict[str, float]:
    """Return the weights of both lists by that of ``dense``; they add up to 1."""
    return {"dense": dense, "bm25": round(1 - dense, 6)}
