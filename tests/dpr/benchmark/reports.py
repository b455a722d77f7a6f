"""A report over a few invented questions, in both languages, with names that a page must not take for markup."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from dpr.benchmark.assemble import ReportFacts, assemble
from dpr.benchmark.contestant import Cost, SystemRun
from dpr.benchmark.gold import JudgedQuestions, judge_questions
from dpr.benchmark.report import BenchmarkReport
from dpr.benchmark.setup import Pool
from dpr.benchmark.words import Bilingual
from dpr.types import Example, ListExplanation, Passage, Question, TermShare

HACK = "<img src=x onerror=window.hacked=1></script><script>window.hacked=1</script>"

PASSAGES = tuple(
    Passage(f"p{number:02}", text, title, f"document-{number // 3}")
    for number, (title, text) in enumerate(
        (title, f"{text} Part {number} of the town's records.")
        for number in range(12)
        for title, text in [
            ("물시계", f"물시계는 {1400 + number}년에 세종대왕의 명으로 만들어졌다."),
            (
                "Clock",
                f"The water clock number {number} was built by Ada {HACK if number == 3 else ''} in the old town.",
            ),
        ]
    )
)


class PassageList:
    """Passages as an index has them."""

    def __len__(self) -> int:
        return len(PASSAGES)

    def __iter__(self) -> Iterator[Passage]:
        return iter(PASSAGES)

    def __getitem__(self, row: int) -> Passage:
        return PASSAGES[row]

    def row_of(self, passage_id: str) -> int | None:
        return next((row for row, passage in enumerate(PASSAGES) if passage.id == passage_id), None)


def examples() -> list[Example]:
    """Return a question for each passage."""
    return [
        Example(
            Question(f"q{number}", f"몇 년에 물시계 {number}번을 만들었나?", (f"{1400 + number // 2}년",))
            if number % 2 == 0
            else Question(
                f"q{number}", f"Who built the water clock of {number}? {HACK if number == 7 else ''}", ("Ada",)
            ),
            (passage,),
        )
        for number, passage in enumerate(PASSAGES)
    ]


def run_of(name: str, ranks: Sequence[int], cost: Cost | None = None, *, counts_terms: bool = False) -> SystemRun:
    """Return a run that has each question's passage at a rank, 0: nowhere."""

    def explain(question_id: str, text: str, passage: str) -> ListExplanation:
        terms = (TermShare("clock", 1.25, 1, 1, 12), TermShare("who", 0.0, 0, 1, 0)) if counts_terms else None
        return ListExplanation(None, 0.125, terms)

    run = {}
    for number, passage in enumerate(PASSAGES):
        wrong = [each.id for each in PASSAGES if each.id != passage.id]
        rank = ranks[number % len(ranks)]
        hits = [*wrong[: rank - 1], passage.id, *wrong[rank - 1 :]] if rank else wrong
        run[f"q{number}"] = [(hit, 1.0 / (1 + position)) for position, hit in enumerate(hits[:10])]
    return SystemRun(name, run, Bilingual(f"invented {name}", f"지어낸 {name}"), cost, explain)


COST = Cost(256, 0.5, 24, 1.25, 2.0, 120.0, 130.0, 1_500_000, 3.5, 80_000_000)


def runs() -> list[SystemRun]:
    """Return the runs of four systems; the last has no cost and a Korean name."""
    slow = replace(COST, single_ms_p50=20.0, single_ms_p95=31.0)
    return [
        run_of("bm25", [1, 1, 7], COST, counts_terms=True),
        run_of("dense", [2, 8, 1], slow),
        run_of("hybrid", [1, 1, 1, 2], replace(slow, single_ms_p50=22.0)),
        replace(
            run_of("바깥-시스템", [0, 9, 1]),
            warnings=(Bilingual(f"trained on some of these {HACK}", f"일부로 학습됨 {HACK}"),),
        ),
    ]


def judged_questions() -> JudgedQuestions:
    """Return the questions as judged."""
    return judge_questions(PassageList(), examples())


def made_report() -> BenchmarkReport:
    """Return the report of these runs."""
    judged = judged_questions()
    facts = ReportFacts(
        Pool(len(PASSAGES), "000001"),
        judged.question_set("squad:folder/town.json"),
        [1, 5],
        10,
        command="dpr benchmark",
    )
    return assemble(judged, runs(), facts, PassageList())
