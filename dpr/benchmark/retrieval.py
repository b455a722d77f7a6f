"""Benchmark of retrievers: the same questions over the same passages, one report.

The output folder gets ``report.json``, ``recall.png``, ``qrels.trec`` and a run file ``<retriever>.trec`` for each
retriever, so that any evaluation tool of the field can check the numbers.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dpr.benchmark.charts import draw_recall, require_charts
from dpr.benchmark.gold import JudgedQuestions, judge_questions
from dpr.benchmark.report import Cost, FusionUsed, Pool, Report, System, write_report
from dpr.errors import RequestError
from dpr.evaluation.metrics import evaluate, recall_curve
from dpr.evaluation.trec import write_qrels, write_run
from dpr.search.contract import Retriever, SearchableIndex
from dpr.search.fusion import Fusion
from dpr.search.registry import RERANKED, RETRIEVERS, choices, fuses, plain_name
from dpr.search.reranking import RerankOptions
from dpr.types import Example, Hit, Progress, Question, no_progress

BATCH_QUESTIONS = 256
SINGLE_QUESTIONS = 100
RANKED_METRICS = ("mrr@10", "ndcg@10")
MIN_DEPTH = 10


@dataclass(frozen=True, slots=True)
class BenchmarkOptions:
    """What a benchmark of retrieval measures, and what its report says of the questions.

    Attributes:
        retrievers: names of the index's retrievers, with ``+rerank`` for reranked ones, in the order of the report.
        ks: the depths of recall@k; max(ks), and at least 10, hits are retrieved.
        fusion: how ``hybrid`` fuses; None: the index's default.
        source: where the questions come from, for the report.
        without_text: how many questions the source judges but has no text of, for the report.
        command: the command line, for the report.
    """

    retrievers: Sequence[str]
    ks: Sequence[int]
    fusion: Fusion | None = None
    source: str = ""
    without_text: int = 0
    command: str = ""


def benchmark(
    index: SearchableIndex,
    examples: Iterable[Example],
    options: BenchmarkOptions,
    output: Path,
    progress: Progress = no_progress,
) -> Report:
    """Search the same questions with every retriever; write how well and how fast each one retrieves.

    The passages of a question's ``excluded_ids`` are left out of its hits, in the metrics and in the run files.

    Args:
        index: the open index.
        examples: questions with their gold passages.
        options: the retrievers, the depths, the fusion and the facts for the report.
        output: the folder to write into, created if it does not exist.
        progress: called after every batch of questions.

    Raises:
        RequestError: no or an unknown retriever, no k, a k above a retriever's limit, or a fusion without
            ``hybrid``.
        DataError: two questions share an id or one has none, none can be judged, or no gold passage is in the index.
        MissingDependencyError: matplotlib is not installed.
    """
    require_charts()
    depth = _depth(options.ks)
    retrievers = _open(index, options.retrievers, options.fusion)
    judged = judge_questions(index.passages, examples)
    write_qrels(output / "qrels.trec", judged.qrels)
    for retriever in retrievers.values():  # the first search may compile, load a model or refuse the depth
        retriever.search([judged.questions[0].text], depth + judged.most_excluded)
    metrics = [*(f"recall@{k}" for k in sorted(set(options.ks))), *RANKED_METRICS]
    systems, curves = {}, {}
    for name, retriever in retrievers.items():
        run, cost = _measure(retriever, judged, depth, progress)
        write_run(output / f"{name}.trec", run, name)
        ranked = {question: [passage for passage, _ in hits] for question, hits in run.items()}
        systems[name] = System(evaluate(ranked, judged.qrels, metrics), cost)
        curves[name] = recall_curve(ranked, judged.qrels, depth)
    pool = Pool(len(index.passages), index.generation)
    question_set = judged.question_set(options.source, options.without_text)
    fusion = _fusion_used(options.retrievers, options.fusion or index.fusion)
    report = Report(systems, pool, question_set, depth, fusion, options.command, _reranker_used(systems, index.rerank))
    draw_recall(
        output / "recall.png", curves, options.ks, f"{question_set.count:,} questions, {pool.passages:,} passages"
    )
    write_report(output / "report.json", report)
    return report


def _depth(ks: Sequence[int]) -> int:
    if not ks or min(ks) < 1:
        raise RequestError(f"recall is requested at k = {list(ks)}: choose at least one k, each from 1", field="k")
    return max(*ks, MIN_DEPTH)


def _open(index: SearchableIndex, names: Sequence[str], fusion: Fusion | None) -> dict[str, Retriever]:
    if not names:
        raise RequestError("there is no retriever to measure: choose at least one, such as bm25", field="retriever")
    if fusion is not None and not any(map(fuses, names)):
        fusing = choices(filter(fuses, RETRIEVERS))
        raise RequestError(
            f"a fusion is given, but none of {', '.join(names)} fuses; leave it out, or measure {fusing}"
        )
    return {name: index.retriever(name, fusion if fuses(name) else None) for name in names}


def _fusion_used(names: Sequence[str], fusion: Fusion) -> FusionUsed | None:
    if not any(map(fuses, names)):
        return None
    return FusionUsed(fusion.method, fusion.weights, fusion.rrf_constant, fusion.missing_rule, fusion.coverage_power)


def _reranker_used(systems: Mapping[str, System], options: RerankOptions | None) -> dict[str, object] | None:
    """Return the reranker, and the milliseconds that it added to a question of a batch, by retriever."""
    reranked = {name: plain_name(name) for name in systems if name.endswith(RERANKED)}
    if options is None or not reranked:
        return None
    added_ms = {
        plain: systems[name].cost.batch_ms_per_question - systems[plain].cost.batch_ms_per_question
        for name, plain in reranked.items()
        if plain in systems
    }
    return {**options.as_json(), "added_ms_per_question": added_ms}


def _measure(
    retriever: Retriever, judged: JudgedQuestions, depth: int, progress: Progress
) -> tuple[dict[str, list[tuple[str, float]]], Cost]:
    """Search in batches for the run, then a sample of questions one by one, like a service."""
    questions = judged.questions
    run: dict[str, list[tuple[str, float]]] = {}
    batch_s = 0.0
    for start in range(0, len(questions), BATCH_QUESTIONS):
        batch = questions[start : start + BATCH_QUESTIONS]
        batch_hits, elapsed_s = _timed_search(retriever, batch, depth + judged.most_excluded)
        batch_s += elapsed_s
        run |= {
            question.id: [
                (hit.passage_id, hit.score)
                for hit in hits
                if hit.passage_id not in judged.excluded.get(question.id, ())
            ][:depth]
            for question, hits in zip(batch, batch_hits, strict=True)
        }
        progress(f"search {retriever.name}", start + len(batch), len(questions))
    sample = _sample(questions)
    single_ms = [1000 * _timed_search(retriever, [question], depth)[1] for question in sample]
    p50, p95 = np.percentile(single_ms, [50, 95]).tolist()
    return run, Cost(BATCH_QUESTIONS, 1000 * batch_s / len(questions), len(sample), p50, p95)


def _timed_search(retriever: Retriever, questions: Sequence[Question], k: int) -> tuple[list[list[Hit]], float]:
    texts = [question.text for question in questions]
    began = time.perf_counter()
    hits = retriever.search(texts, k)
    return hits, time.perf_counter() - began


def _sample(questions: Sequence[Question]) -> Sequence[Question]:
    """Return SINGLE_QUESTIONS questions spread evenly over all, always the same ones."""
    step = max(1, len(questions) // SINGLE_QUESTIONS)
    return questions[::step][:SINGLE_QUESTIONS]
