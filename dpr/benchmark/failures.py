"""Why one system finds what another misses: evidence that a person can read, and failures grouped by cause."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dpr.benchmark.contestant import SystemRun
from dpr.benchmark.gold import JudgedQuestions
from dpr.benchmark.traits import language_of
from dpr.evaluation.answers import has_korean_answer
from dpr.types import Example, IntArray, Passage, PassagePool, Progress, Question, no_progress

LONG_WORDS = 300
FEW_TERMS = 0.25


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a system says of one passage: rank and score, and for a sparse one the terms with their shares.

    ``terms`` are the question's terms that the passage has, with what each adds to the score, greatest first; None for
    a system that counts no terms. ``lacks`` are terms of the question that the passage lacks.
    """

    passage: str
    rank: int | None
    score: float | None
    terms: tuple[tuple[str, float], ...] | None = None
    lacks: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        """Return the evidence as JSON values."""
        entry: dict[str, object] = {"passage": self.passage, "rank": self.rank, "score": self.score}
        if self.terms is not None:
            entry |= {"terms": [list(term) for term in self.terms], "lacks": list(self.lacks)}
        return entry


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A question that some systems get and some miss.

    Attributes:
        question: its position among the questions of the report.
        gold: the id of its first gold passage in the pool.
        found_by: the systems that have a gold passage among their first hits.
        causes: for each system that does not, the causes that apply, the decisive one first.
        evidence: what each system says of the gold passage.
        first_hits: what each system that misses says of its own first hit; None without hits.
    """

    question: int
    gold: str
    found_by: tuple[str, ...]
    causes: Mapping[str, tuple[str, ...]]
    evidence: Mapping[str, Evidence]
    first_hits: Mapping[str, Evidence | None]

    def as_json(self) -> dict[str, object]:
        """Return the disagreement as JSON values."""
        return {
            "question": self.question,
            "gold": self.gold,
            "found_by": list(self.found_by),
            "missed_by": {name: list(causes) for name, causes in self.causes.items()},
            "evidence": {name: evidence.as_json() for name, evidence in self.evidence.items()},
            "first_hits": {name: hit.as_json() if hit else None for name, hit in self.first_hits.items()},
        }


@dataclass(frozen=True, slots=True)
class Miss:
    """What a cause is judged by: a question, its gold passage, and the first hit of the system that missed it."""

    example: Example
    gold: Passage
    first_hit: Passage | None
    evidence: Evidence
    first_hits: int


CAUSES: Mapping[str, Callable[[Miss], bool]] = {
    "nothing was found": lambda miss: miss.first_hit is None,
    "other language": lambda miss: (
        {language_of(miss.example.question.text), language_of(miss.gold.text)} == {"ko", "en"}
    ),
    "the first hit has the answer too": lambda miss: (
        miss.first_hit is not None and has_korean_answer(miss.example.question.answers, miss.first_hit.text)
    ),
    "another passage of the same document": lambda miss: (
        miss.first_hit is not None and _document(miss.first_hit) == _document(miss.gold)
    ),
    "no shared term": lambda miss: miss.evidence.terms == (),
    "few shared terms": lambda miss: (
        miss.evidence.terms is not None
        and len(miss.evidence.terms) <= FEW_TERMS * (len(miss.evidence.terms) + len(miss.evidence.lacks))
    ),
    "number or date": lambda miss: any(map(str.isdigit, "".join(miss.example.question.answers[:1]))),
    "long passage": lambda miss: len(miss.gold.text.split()) >= LONG_WORDS,
    "narrowly missed": lambda miss: miss.evidence.rank is not None and miss.evidence.rank <= 2 * miss.first_hits,
}
"""The causes of a miss, in the order in which they decide."""

OTHER_CAUSE = "ranked lower by its words or meaning"
"""The cause of a miss to which no other applies."""


def disagreements(
    judged: JudgedQuestions,
    runs: Sequence[SystemRun],
    ranks: Mapping[str, IntArray],
    pool: PassagePool,
    first_hits: int,
    progress: Progress = no_progress,
) -> tuple[Disagreement, ...]:
    """Return each question that one system gets and another misses, with the evidence of all systems.

    A system gets a question if a gold passage is among its ``first_hits``.

    Args:
        judged: the judged questions.
        runs: the systems.
        ranks: the rank of each question's first relevant passage by system, (Q,) each; 0: not found.
        pool: the passages.
        first_hits: how many hits count.
        progress: called after every hundred questions.
    """
    hits = np.stack([(ranks[run.name] > 0) & (ranks[run.name] <= first_hits) for run in runs])  # (systems, Q)
    rows = np.flatnonzero(hits.any(axis=0) & ~hits.all(axis=0)).tolist()
    explained: list[Disagreement] = []
    for count, number in enumerate(rows, start=1):
        example = judged.examples[number]
        gold = _gold(judged.qrels[example.question.id], pool)
        if gold is not None:
            question = example.question
            evidence = {run.name: evidence_of(run, question, gold.id) for run in runs}
            causes: dict[str, tuple[str, ...]] = {}
            first: dict[str, Evidence | None] = {}
            for run in (run for run, is_hit in zip(runs, hits[:, number].tolist(), strict=True) if not is_hit):
                best = next((passage for passage, _ in run.run.get(question.id, ())), None)
                row = None if best is None else pool.row_of(best)
                miss = Miss(example, gold, None if row is None else pool[row], evidence[run.name], first_hits)
                causes[run.name] = tuple(name for name, applies in CAUSES.items() if applies(miss)) or (OTHER_CAUSE,)
                first[run.name] = None if best is None else evidence_of(run, question, best)
            found_by = tuple(run.name for run in runs if run.name not in causes)
            explained.append(Disagreement(number, gold.id, found_by, causes, evidence, first))
        if count % 100 == 0 or count == len(rows):
            progress("explain disagreements", count, len(rows))
    return tuple(explained)


def evidence_of(run: SystemRun, question: Question, passage: str) -> Evidence:
    """Return what a system says of a passage; its rank and score in the run where it explains nothing."""
    hits = run.run.get(question.id, ())
    rank, score = next(
        ((rank, score) for rank, (name, score) in enumerate(hits, start=1) if name == passage), (None, None)
    )
    entry = run.explain(question.id, question.text, passage) if run.explain else None
    if entry is None:
        return Evidence(passage, rank, score)
    score = entry.score if score is None else score
    if entry.terms is None:
        return Evidence(passage, rank, score)
    shared = tuple((term.term, round(term.share, 4)) for term in entry.terms if term.count)
    return Evidence(passage, rank, score, shared, tuple(term.term for term in entry.terms if not term.count))


def clusters(disagreement_list: Sequence[Disagreement], systems: Sequence[str]) -> dict[str, dict[str, int]]:
    """Return for each cause, by system, in how many questions it decides; causes by falling number."""
    counts = {cause: dict.fromkeys(systems, 0) for cause in (*CAUSES, OTHER_CAUSE)}
    for disagreement in disagreement_list:
        for system, (cause, *_) in disagreement.causes.items():
            counts[cause][system] += 1
    order = sorted(counts, key=lambda cause: -sum(counts[cause].values()))
    return {cause: counts[cause] for cause in order if any(counts[cause].values())}


def _gold(grades: Mapping[str, int], pool: PassagePool) -> Passage | None:
    """Return the first relevant passage that the pool has."""
    rows = (pool.row_of(passage) for passage, grade in grades.items() if grade > 0)
    return next((pool[row] for row in rows if row is not None), None)


def _document(passage: Passage) -> str:
    return passage.document_id or passage.title or passage.id
