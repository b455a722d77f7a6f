from __future__ import annotations

import sys

import pytest

from benchmarks.reader import THEIRS, Contestant, agreement, by_length, latency_of, summary_of_pairs
from dpr.types import Example, Passage, Question


def example(length: int) -> Example:
    return Example(Question(f"q{length}", "Who?"), (Passage(f"p{length}", "x" * length),))


def test_passages_are_spread_over_the_lengths() -> None:
    examples = [example(length) for length in (5, 1, 9, 3, 7)]
    assert [len(one.positives[0].text) for one in by_length(examples, 3)] == [1, 5, 9]


def test_too_few_passages_are_refused() -> None:
    with pytest.raises(SystemExit, match="have 1 passages, not 2"):
        by_length([example(3)], 2)


def test_the_ratio_is_to_the_pipeline_round_by_round() -> None:
    runs = {
        THEIRS: [{"wall_s": wall_s, "cpu_s": 8.0, "answers": ["a ", "b"]} for wall_s in (4.0, 8.0, 6.0)],
        "ours": [{"wall_s": 2.0, "cpu_s": 2.0, "answers": ["a", "c"]} for _ in range(3)],
    }
    summary = summary_of_pairs(runs, pairs=10)
    assert summary["ours"]["ratio"] == {"median": 3.0, "low": 2.0, "high": 4.0}
    assert summary["ours"]["cpu_ratio"]["median"] == 4.0
    assert summary["ours"]["pairs_per_s"]["median"] == 5.0
    assert summary["ours"]["same_answer"] == 0.5
    assert summary[THEIRS]["ratio"]["median"] == summary[THEIRS]["same_answer"] == 1.0


def test_spaces_around_an_answer_do_not_count() -> None:
    assert agreement(["a", "b", ""], [" a", "b ", "c"]) == pytest.approx(2 / 3)


def test_latency_is_over_all_rounds() -> None:
    summary = latency_of([{"each_s": [0.1, 0.2]}, {"each_s": [0.3]}])
    assert summary["median_ms"] == pytest.approx(200)
    assert summary["p95_ms"] == pytest.approx(290)


def test_a_contestant_that_fails_shows_its_log() -> None:
    with Contestant(sys.executable, {}) as contestant, pytest.raises(SystemExit, match="KeyError: 'work'"):
        contestant.report()
