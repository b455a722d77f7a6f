"""The answer to "which should I use?": one sentence, with its interval and its p-value, in English and Korean."""

from __future__ import annotations

from dataclasses import dataclass

from dpr.benchmark.pairs import Pair, p_words, points, signed
from dpr.benchmark.report import BenchmarkReport, System


@dataclass(frozen=True, slots=True)
class Verdict:
    """The system to use, and why.

    Attributes:
        system: the system to use: the cheapest of the leaders, by the time of a single question.
        best: the system with the greatest mean of the primary metric.
        leaders: ``best``, and every system that is not significantly worse, in the order of the ranking.
        english: the answer in English, its first sentence naming the system.
        korean: the same in Korean.
    """

    system: str
    best: str
    leaders: tuple[str, ...]
    english: tuple[str, ...]
    korean: tuple[str, ...]


def verdict(report: BenchmarkReport) -> Verdict:
    """Return which system the report says to use, by its primary metric and then by its cost."""
    best, *others = report.ranking
    pairs = {name: report.pair(best, name) for name in others}
    leaders = (best, *(name for name in others if not pairs[name].is_significant))
    system = min(leaders, key=lambda name: (_single_ms(report.systems[name]), leaders.index(name)))
    sentences = [(f"Use {system}.", f"추천: {system}."), _quality(report, system)]
    beaten = next((name for name in others if name not in leaders), None)
    if beaten is not None:
        sentences.append(_lead(report.pair(system, beaten), system, beaten, is_next=len(leaders) == 1))
    if len(leaders) > 1:
        sentences.append(_tie(report, system, leaders))
    english, korean = zip(*sentences, strict=True)
    return Verdict(system, best, leaders, english, korean)


def _single_ms(system: System) -> float:
    return system.cost.single_ms_p50 if system.cost else float("inf")


def _quality(report: BenchmarkReport, name: str) -> tuple[str, str]:
    measured = report.systems[name].metrics[report.primary]
    value, low, high = (f"{100 * share:.1f}" for share in (measured.value, measured.low, measured.high))
    metric, _, k = report.primary.partition("@")
    if metric == "recall" and all(len(question.gold) <= 1 for question in report.questions):
        first = f"A right passage is among its first {k}" if k != "1" else "Its first hit is a right passage"
        english = f"{first} for {value} % of the questions (95 % interval {low}–{high})."
        korean = f"정답 문단이 상위 {k}개 안에 있는 질문: {value} % (95 % 신뢰 구간 {low}–{high})."
    else:
        english = f"Its {report.primary} is {value} % (95 % interval {low}–{high})."
        korean = f"{report.primary}: {value} % (95 % 신뢰 구간 {low}–{high})."
    return english, korean


def _lead(pair: Pair, system: str, other: str, *, is_next: bool) -> tuple[str, str]:
    sign = 1 if pair.first == system else -1
    low, high = sorted((sign * pair.low, sign * pair.high))
    numbers = f"{signed(low)} to {signed(high)}", f"{signed(low)} ~ {signed(high)}"
    place = ("the next best", "그다음") if is_next else ("the best of the rest", "나머지 가운데 최고")
    p_value = p_words(pair.corrected_p_value)
    difference = sign * pair.difference
    more = "more" if difference >= 0 else "less"
    english = f"{system} has {points(abs(difference))} points {more} than {other}, {place[0]}"
    korean = f"{place[1]} {other} 대비 {signed(difference)} %p"
    return f"{english} (95 % interval {numbers[0]}, {p_value}).", f"{korean} (95 % 신뢰 구간 {numbers[1]}, {p_value})."


def _tie(report: BenchmarkReport, system: str, leaders: tuple[str, ...]) -> tuple[str, str]:
    others = [name for name in leaders if name != system]
    names = " and ".join(others) if len(others) < 3 else f"{', '.join(others[:-1])} and {others[-1]}"
    visible = [report.pair(system, name).smallest_difference for name in others]
    least = max((size for size in visible if size is not None), default=None)
    p_value = min(report.pair(system, name).corrected_p_value for name in others)
    chance = f"p ≥ {p_value:.3f}" if len(others) > 1 else p_words(p_value)
    english = f"{names} cannot be told apart from it by these questions ({chance})"
    korean = f"이 질문들로는 {', '.join(others)}와(과)의 차이를 확인할 수 없습니다 ({chance})"
    if least is not None:
        english += f"; a difference of {points(least)} points would have shown 4 times in 5"
        korean += f". {points(least)} %p 차이라면 다섯 번 중 네 번은 드러났을 것입니다"
    cost = report.systems[system].cost
    if cost is not None:
        english += f"; of them it answers fastest, in {cost.single_ms_p50:.1f} ms"
        korean += f". 그중 가장 빠릅니다({cost.single_ms_p50:.1f} ms)"
    return f"{english}.", f"{korean}."


def pareto_front(report: BenchmarkReport) -> list[str]:
    """Return the systems that no other beats in both quality and time, by rising time of a single question."""
    timed = {name: system for name, system in report.systems.items() if system.cost}
    ordered = sorted(timed, key=lambda name: (_single_ms(timed[name]), -timed[name].means[report.primary]))
    front: list[str] = []
    for name in ordered:
        if not front or timed[name].means[report.primary] > timed[front[-1]].means[report.primary]:
            front.append(name)
    return front
