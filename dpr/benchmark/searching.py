"""Search all questions with a retriever, and measure what it costs."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from dpr.benchmark.contestant import Cost, Explain, ScoredRun, SystemRun
from dpr.benchmark.gold import JudgedQuestions
from dpr.search.contract import Retriever
from dpr.types import FloatArray, Hit, IntArray, ListExplanation, PassagePool, Progress, Question, TopK, no_progress

BATCH_QUESTIONS = 256
SINGLE_QUESTIONS = 100


def search_all(
    retriever: Retriever, judged: JudgedQuestions, depth: int, name: str, progress: Progress = no_progress
) -> SystemRun:
    """Search in batches for the run, then a sample of questions one by one, like a service.

    The passages that a question excludes are left out of its hits.

    Raises:
        RequestError: the retriever cannot serve that many hits.
    """
    questions = judged.questions
    run: dict[str, list[tuple[str, float]]] = {}
    batches_s: list[float] = []
    progress(f"search {name}", 0, len(questions))
    for start in range(0, len(questions), BATCH_QUESTIONS):
        batch = questions[start : start + BATCH_QUESTIONS]
        batch_hits, elapsed_s = _timed_search(retriever, batch, depth + judged.most_excluded)
        batches_s.append(elapsed_s)
        run |= {
            question.id: [
                (hit.passage_id, hit.score)
                for hit in hits
                if hit.passage_id not in judged.excluded.get(question.id, ())
            ][:depth]
            for question, hits in zip(batch, batch_hits, strict=True)
        }
        progress(f"search {name}", start + len(batch), len(questions))
    return SystemRun(name, run, cost=_cost(retriever, questions, depth, batches_s))


def explainer(retriever: Retriever, run: ScoredRun, pool: PassagePool) -> Explain:
    """Return what tells of a passage what the retriever says of it, with the rank that it has in the run."""

    def explain(question_id: str, text: str, passage: str) -> ListExplanation | None:
        """Return the retriever's explanation of a passage for a question."""
        row, hits = pool.row_of(passage), run.get(question_id, ())
        if row is None:
            return None
        rows: IntArray = np.array([[row if name == passage else -1 for name, _ in hits]], dtype=np.int64)
        scores: FloatArray = np.array([[score for _, score in hits]], dtype=np.float32)
        return retriever.explain_entry(text, row, TopK(rows, scores))

    return explain


def _cost(retriever: Retriever, questions: Sequence[Question], depth: int, batches_s: Sequence[float]) -> Cost:
    step = max(1, len(questions) // SINGLE_QUESTIONS)
    sample = questions[::step][:SINGLE_QUESTIONS]
    single_ms = [1000 * _timed_search(retriever, [question], depth)[1] for question in sample]
    p50, p95 = np.percentile(single_ms, [50, 95]).tolist()
    full = [1000 * seconds for seconds in batches_s[: len(questions) // BATCH_QUESTIONS]]
    batch_p50, batch_p95 = np.percentile(full, [50, 95]).tolist() if full else (None, None)
    return Cost(
        batch_questions=BATCH_QUESTIONS,
        batch_ms_per_question=1000 * sum(batches_s) / len(questions),
        single_questions=len(sample),
        single_ms_p50=p50,
        single_ms_p95=p95,
        batch_ms_p50=batch_p50,
        batch_ms_p95=batch_p95,
    )


def _timed_search(retriever: Retriever, questions: Sequence[Question], k: int) -> tuple[list[list[Hit]], float]:
    texts = [question.text for question in questions]
    began = time.perf_counter()
    hits = retriever.search(texts, k)
    return hits, time.perf_counter() - began
