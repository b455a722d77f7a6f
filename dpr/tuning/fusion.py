"""Tune fusion weights on questions with gold passages.

Each list is retrieved once. `dpr.search.fusion` then fuses the lists with every point of a grid of weights, so the
metrics are those of a search with these weights. `dpr.tuning.one_standard_error` chooses among the points.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dpr.benchmark.documents import document_groups
from dpr.benchmark.gold import JudgedQuestions, judge_questions
from dpr.errors import RequestError
from dpr.evaluation.metrics import Values, parse_metric, per_question
from dpr.search.contract import Retriever
from dpr.search.fusion import DEFAULT_DEPTH, Fusion, fuse
from dpr.search.open import OpenIndex
from dpr.search.record import DEFAULT_FUSION
from dpr.search.registry import HYBRID_LISTS, fuses
from dpr.tuning.one_standard_error import choose, cross_validate, weight_grid
from dpr.tuning.tuned_fusion import Point, TunedFusion
from dpr.types import Example, IntArray, Progress, TopK, no_progress

OBJECTIVE = "mrr@10"
TIE_BREAKS = ("recall@1", "mrr@10")
SHOWN_METRICS = ("recall@1", "recall@20", "mrr@10")
MAX_LISTS = 3
FOLDS = 5
BATCH_QUESTIONS = 256


@dataclass(frozen=True, slots=True)
class TuningOptions:
    """Which lists to fuse, by which method, for which metric.

    Attributes:
        lists: names of two or three retrievers of the index.
        objective: the metric to maximize; recall@1 decides between equal values (MRR@10 if that is the objective).
        method: the fusion method, a name in `dpr.search.fusion.METHODS`.
        folds: number of folds for the cross-validated estimate; 0: no estimate.
        source: the source of the questions, for the record.
        without_text: number of judged questions without a text, for the record.
    """

    lists: Sequence[str] = HYBRID_LISTS
    objective: str = OBJECTIVE
    method: str = Fusion().method
    folds: int = FOLDS
    source: str = ""
    without_text: int = 0


def tune(
    index: OpenIndex,
    examples: Iterable[Example],
    options: TuningOptions = TuningOptions(),
    progress: Progress = no_progress,
) -> TunedFusion:
    """Find the best fusion weights of an index's lists for questions, with the coverage rule of the default fusion.

    The ``excluded_ids`` of an example are removed from its hits. ``progress`` is called for every batch of questions
    and every point of the curve.

    Raises:
        ConfigError: the objective is not a metric.
        RequestError: the lists cannot be fused, the method is unknown, the objective is deeper than the candidates, or
            folds is negative.
        DataError: two questions share an id, none can be judged, or no gold passage is in the index.
    """
    lists, objective, method, folds = options.lists, options.objective, options.method, options.folds
    if folds < 0:
        raise RequestError(f"folds is {folds}: give 0 for no estimate, or 2 and more", field="folds")
    sources, metrics = _sources(index, lists, method), _metrics(objective)
    judged = judge_questions(index.passages, examples)
    documents = units_of(judged.examples)
    grid = weight_grid(len(lists))
    weights = [dict(zip(lists, point, strict=True)) for point in (grid / grid[0].sum()).round(9).tolist()]
    texts = [question.text for question in judged.questions]
    candidates = {name: retrieve_all(source, texts, DEFAULT_DEPTH, progress) for name, source in sources.items()}
    fusions = [Fusion(method, each, coverage_power=DEFAULT_FUSION.coverage_power) for each in weights]
    values = _curve(candidates, fusions, metrics, judged, index.passages.id, progress)
    default = [DEFAULT_FUSION.weights_for(HYBRID_LISTS)[name] for name in lists] if is_hybrid(lists) else None
    decisive = values[objective], values[next(name for name in TIE_BREAKS if name != objective)]
    return TunedFusion(
        method,
        DEFAULT_FUSION.coverage_power,
        objective,
        tuple(
            Point(each, {name: float(values[name][number].mean()) for name in metrics})
            for number, each in enumerate(weights)
        ),
        choose(grid, *decisive, documents, default),
        cross_validate(grid, *decisive, documents, folds, default),
        judged.question_set(options.source, options.without_text),
        len(np.unique(documents)),
        index.generation,
    )


def is_hybrid(lists: Sequence[str]) -> bool:
    """Tell whether these are the lists that ``hybrid`` fuses, in any order."""
    return sorted(lists) == sorted(HYBRID_LISTS)


def _sources(index: OpenIndex, names: Sequence[str], method: str) -> dict[str, Retriever]:
    Fusion(method)
    if not 2 <= len(set(names)) == len(names) <= MAX_LISTS:
        names_given = ", ".join(names) or "nothing"
        raise RequestError(f"the lists to fuse are {names_given}; name two or three different ones", field="retriever")
    for name in names:
        if fuses(name):
            raise RequestError(f"the retriever {name!r} is itself a fusion; name the lists that it fuses", "retriever")
    return {name: index.retriever(name) for name in names}


def _metrics(objective: str) -> list[str]:
    """Return the names of the metrics to compute, the objective's first."""
    _, depth = parse_metric(objective)
    if depth > DEFAULT_DEPTH:
        raise RequestError(
            f"{objective} is deeper than the {DEFAULT_DEPTH} candidates of a list; choose a smaller depth", "metric"
        )
    return list(dict.fromkeys([objective, *SHOWN_METRICS]))


def units_of(examples: Sequence[Example]) -> IntArray:
    """Return the number of each question's document, (Q,); the number of the question where documents tell nothing."""
    documents = document_groups(examples)
    return np.arange(len(examples)) if documents is None else documents


def _batches(count: int) -> Iterator[slice]:
    return (slice(start, min(start + BATCH_QUESTIONS, count)) for start in range(0, count, BATCH_QUESTIONS))


def retrieve_all(source: Retriever, questions: Sequence[str], depth: int, progress: Progress) -> TopK:
    """Return a list's candidates for all questions, (Q, depth), with their coverage if the list measures it."""
    tops: list[TopK] = []
    progress(f"retrieve {source.name}", 0, len(questions))
    for batch in _batches(len(questions)):
        tops.append(source.top_k(questions[batch], depth))
        progress(f"retrieve {source.name}", batch.stop, len(questions))
    shares = [top.coverage for top in tops if top.coverage is not None]
    return TopK(
        np.concatenate([top.rows for top in tops]),
        np.concatenate([top.scores for top in tops]),
        coverage=np.concatenate(shares) if shares else None,
    )


def rows_of(top: TopK, questions: slice | Sequence[int]) -> TopK:
    """Return the candidates of some questions."""
    coverage = None if top.coverage is None else top.coverage[questions]
    return TopK(top.rows[questions], top.scores[questions], coverage=coverage)


def _curve(
    lists: Mapping[str, TopK],
    fusions: Sequence[Fusion],
    metrics: Sequence[str],
    judged: JudgedQuestions,
    passage_id: Callable[[int], str],
    progress: Progress,
) -> dict[str, Values]:
    """Return each metric for every fusion and question, (W, Q)."""
    deepest = max(parse_metric(name)[1] for name in metrics) + judged.most_excluded
    candidates = np.unique(np.concatenate([top.rows.ravel() for top in lists.values()])).tolist()
    id_of = {row: passage_id(row) for row in candidates if row >= 0}
    values = {name: np.empty((len(fusions), len(judged.questions))) for name in metrics}
    for number, fusion in enumerate(fusions):
        run: dict[str, list[str]] = {}
        for batch in _batches(len(judged.questions)):
            of_batch = {name: rows_of(top, batch) for name, top in lists.items()}
            fused = fuse(of_batch, deepest, fusion, id_of.__getitem__)
            for question, rows in zip(judged.questions[batch], fused.rows.tolist(), strict=True):
                names = [id_of[row] for row in rows if row >= 0]
                run[question.id] = judged.without_excluded(question.id, names)
        for name, of_questions in per_question(run, judged.qrels, metrics).items():
            values[name][number] = of_questions
        progress("fuse", number + 1, len(fusions))
    return values
