"""Why a system misses what another finds: the evidence, and the cause that decides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from dpr.benchmark.contestant import SystemRun
from dpr.benchmark.failures import CAUSES, OTHER_CAUSE, clusters, disagreements
from dpr.benchmark.gold import judge_questions
from dpr.types import Example, ListExplanation, Passage, Question, TermShare

PASSAGES = (
    Passage("clock", "Ada built the water clock in the old town", "Clock", "doc-clock"),
    Passage("clock-2", "The town was proud of it", "Clock", "doc-clock"),
    Passage("tower", "A tower that Ada planned", "Tower", "doc-tower"),
    Passage("river", "The river has many bridges", "River", "doc-river"),
    Passage("한강", "한강에는 다리가 많다", "한강", "doc-한강"),
)


class Pool:
    def __len__(self) -> int:
        return len(PASSAGES)

    def __iter__(self) -> Iterator[Passage]:
        return iter(PASSAGES)

    def __getitem__(self, row: int) -> Passage:
        return PASSAGES[row]

    def row_of(self, passage_id: str) -> int | None:
        return next((row for row, passage in enumerate(PASSAGES) if passage.id == passage_id), None)


def run(name: str, hits: Sequence[str], terms: Sequence[TermShare] | None = None) -> SystemRun:
    def explain(question_id: str, text: str, passage: str) -> ListExplanation:
        return ListExplanation(None, 0.25, tuple(terms) if terms is not None else None)

    scored = [(passage, 1.0 / rank) for rank, passage in enumerate(hits, start=1)]
    return SystemRun(name, {"q": scored}, explain=explain)


def causes_of(
    example: Example, hits: Sequence[str], terms: Sequence[TermShare] | None = None, first_hits: int = 1
) -> tuple[str, ...]:
    judged = judge_questions(Pool(), [example])
    winner, loser = run("winner", [example.positives[0].id]), run("loser", hits, terms)
    rank = 1 + hits.index(example.positives[0].id) if example.positives[0].id in hits else 0
    ranks = {"winner": np.array([1]), "loser": np.array([rank])}
    [found] = disagreements(judged, [winner, loser], ranks, Pool(), first_hits)
    assert found.found_by == ("winner",)
    return found.causes["loser"]


def question_on(text: str, gold: Passage = PASSAGES[0], answer: str = "Ada") -> Example:
    return Example(Question("q", text, (answer,)), (gold,))


SHARED = TermShare("clock", 1.5, 1, 1, 2)
LACKS = [TermShare(name, 0.0, 0, 1, 2) for name in ("who", "made", "it", "there")]


@pytest.mark.parametrize(
    ("example", "hits", "terms", "cause"),
    [
        (question_on("Who built the clock?"), [], None, "nothing was found"),
        (question_on("Does the river have bridges?", PASSAGES[4], "많다"), ["river"], None, "other language"),
        (question_on("Who built the clock?"), ["tower"], None, "the first hit has the answer too"),
        (question_on("Where is the clock?", answer="old"), ["clock-2"], None, "another passage of the same document"),
        (question_on("Where is it?", answer="old"), ["river"], LACKS, "no shared term"),
        (question_on("Where is it?", answer="old"), ["river"], [SHARED, *LACKS], "few shared terms"),
        (question_on("How many towns?", answer="2"), ["river"], [SHARED], "number or date"),
        (question_on("Where is it?", answer="old"), ["river", "clock"], [SHARED], "narrowly missed"),
        (question_on("Where is it?", answer="old"), ["river"], [SHARED], OTHER_CAUSE),
    ],
)
def test_the_first_cause_that_applies_decides(
    example: Example, hits: list[str], terms: list[TermShare] | None, cause: str
) -> None:
    assert causes_of(example, hits, terms)[0] == cause


def test_every_cause_is_tested() -> None:
    assert set(CAUSES) == {
        "nothing was found",
        "other language",
        "the first hit has the answer too",
        "another passage of the same document",
        "no shared term",
        "few shared terms",
        "number or date",
        "long passage",
        "narrowly missed",
    }


def test_the_evidence_names_shared_terms_and_those_that_lack() -> None:
    judged = judge_questions(Pool(), [question_on("Who made the clock there?")])
    runs = [run("winner", ["clock"], [SHARED, *LACKS]), run("loser", ["river", "tower"])]
    [found] = disagreements(judged, runs, {"winner": np.array([1]), "loser": np.array([0])}, Pool(), 5)
    evidence = found.evidence["winner"]
    assert (evidence.rank, evidence.score) == (1, 1.0)
    assert evidence.terms == (("clock", 1.5),)
    assert evidence.lacks == ("who", "made", "it", "there")
    assert (found.evidence["loser"].rank, found.evidence["loser"].score) == (None, 0.25)
    assert found.first_hits["loser"] is not None
    assert found.first_hits["loser"].passage == "river"
    assert clusters([found], ["winner", "loser"]) == {found.causes["loser"][0]: {"winner": 0, "loser": 1}}


def test_questions_that_all_or_no_system_gets_are_no_disagreement() -> None:
    judged = judge_questions(Pool(), [question_on("Who built the clock?")])
    runs = [run("a", ["clock"]), run("b", ["clock"])]
    for rank in (0, 1):
        assert disagreements(judged, runs, {"a": np.array([rank]), "b": np.array([rank])}, Pool(), 5) == ()
