from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from dpr.progress_lines import LINE_EVERY_S, STAGES, ProgressLines, duration, stage_words
from dpr.search.learned import LEARNED

ROOT = Path(__file__).resolve().parents[2]


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def lines_and_clock() -> tuple[ProgressLines, list[str], Clock]:
    written: list[str] = []
    clock = Clock()
    return ProgressLines(written.append, "loading the encoder", clock), written, clock


def test_a_stage_has_a_line_every_few_seconds_with_counts_rate_and_time_left() -> None:
    lines, written, clock = lines_and_clock()
    for second in range(13):
        clock.now_s = 100.0 + second
        lines.report("encode", 100 + 50 * second, 1000)
    assert written == [
        "encoding passages into vectors: 350 of 1,000 vectors, 50/s, 5 s so far, 13 s left",
        "encoding passages into vectors: 600 of 1,000 vectors, 50/s, 10 s so far, 8 s left",
    ]


def test_stages_that_take_turns_have_a_rate_and_a_time_each() -> None:
    lines, written, clock = lines_and_clock()
    for second in range(6):
        clock.now_s = 100.0 + second
        lines.report("cut", 10 * second, None)
        lines.report("documents", 100 * second, 1000)
    assert written == ["cut: 50, 10/s, 5 s so far"]
    clock.now_s += 5
    lines.report("documents", 1000, 1000)
    assert written[1:] == ["converting documents to text: 1,000 of 1,000 documents, 100/s, done in 10 s"]


def test_a_finished_stage_has_its_line_at_once_and_once() -> None:
    lines, written, clock = lines_and_clock()
    lines.report("encode", 0, 4096)
    clock.now_s += 2
    lines.report("encode", 4096, 4096)
    lines.report("encode", 4096, 4096)
    assert written == ["encoding passages into vectors: 4,096 of 4,096 vectors, 2,048/s, done in 2 s"]


def test_lines_keep_coming_while_nothing_is_reported() -> None:
    lines, written, clock = lines_and_clock()
    for _ in range(60):
        clock.now_s += 1
        lines.tick()
    lines.report("dense", 0, 20000)
    for _ in range(60):
        clock.now_s += 1
        lines.tick()
    lines.report("dense", 20000, 20000)
    for _ in range(60):
        clock.now_s += 1
        lines.tick()
    assert written[:3] == [f"loading the encoder: {seconds} s so far" for seconds in (5, 15, 35)]
    assert written[3].startswith("building the vector index: 0 of 20,000 vectors, ")
    assert sum(line.startswith("building the vector index: 0 of 20,000 ") for line in written) >= 60 / LINE_EVERY_S
    done = written.index("building the vector index: 20,000 of 20,000 vectors, 333/s, done in 1 min 00 s")
    assert [line.partition(",")[0] for line in written[done + 1 :]] == [
        "at work after building the vector index: 5 s so far",
        "at work after building the vector index: 15 s so far",
        "at work after building the vector index: 35 s so far",
    ]


def test_a_silence_without_a_stage_has_a_line_a_minute_in_the_end() -> None:
    lines, written, clock = lines_and_clock()
    for _ in range(1000):
        clock.now_s += 1
        lines.tick()
    assert written[4:6] == ["loading the encoder: 2 min 15 s so far", "loading the encoder: 3 min 15 s so far"]


def test_a_stage_of_a_moment_has_no_rate() -> None:
    lines, written, clock = lines_and_clock()
    lines.report("dense", 0, 16)
    clock.now_s += 0.001
    lines.report("dense", 16, 16)
    assert written == ["building the vector index: 16 of 16 vectors, done in 0 s"]


def test_one_unit_has_no_plural() -> None:
    lines, written, _ = lines_and_clock()
    lines.report("corpus", 1, 1)
    assert written == ["reading passages from the sources: 1 of 1 passage, done in 0 s"]


def test_a_stage_that_goes_on_from_before_has_the_rate_of_this_run() -> None:
    lines, written, clock = lines_and_clock()
    lines.report("train", 5001, 6001)
    clock.now_s += 10
    lines.report("train", 5006, 6001)
    assert written == ["training the model: 5,006 of 6,001 steps, 0.5/s, 10 s so far, 33 min 10 s left"]


def test_a_stage_without_a_total_has_a_count_and_a_rate() -> None:
    lines, written, clock = lines_and_clock()
    lines.report("corpus", 1000, None)
    clock.now_s += 5
    lines.report("corpus", 21000, None)
    lines.report("corpus", 21500, 21500)
    assert written == [
        "reading passages from the sources: 21,000 passages, 4,000/s, 5 s so far",
        "reading passages from the sources: 21,500 of 21,500 passages, 4,100/s, done in 5 s",
    ]


def reported_stages() -> set[str]:
    """Return the names of stages in the code: of one that ends with a value, such as a retriever's, what is before."""
    stages: set[str] = set()
    for package in ("dpr", "index_builder", "service"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not (isinstance(node, ast.Call) and node.args):
                    continue
                if ast.unparse(node.func).rpartition(".")[2].lstrip("_") != "progress":
                    continue
                match node.args[0]:
                    case ast.Constant(value=str(name)) | ast.JoinedStr(values=[ast.Constant(value=str(name)), *_]):
                        stages.add(name.strip())
    return stages


def test_every_stage_says_what_is_done_to_what() -> None:
    stages = reported_stages()
    assert {"encode", "train", "search", "seal"} <= stages
    names = {*stages, *LEARNED, "shard"}
    assert names - STAGES.keys() == set()
    assert all(len(doing.split()) > 1 and unit.endswith("s") for doing, unit in STAGES.values())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("search e5/hybrid", ("retrieving passages with e5/hybrid", "questions")),
        ("shard 1 of 3", ("writing shard 1 of 3", "passages")),
        ("compare systems", ("testing systems for differences", "metrics")),
        ("a new stage", ("a new stage", "")),
    ],
)
def test_a_stage_is_known_by_its_name_or_its_first_word(name: str, words: tuple[str, str]) -> None:
    assert stage_words(name) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")],
)
def test_a_duration_is_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_command_that_computes_in_silence_writes_lines_to_a_file(tmp_path: Path) -> None:
    program = """
import time
import dpr.progress_lines
dpr.progress_lines.LINE_EVERY_S = 0.1
from dpr.console import show_progress
with show_progress("loading the encoder") as progress:
    progress("dense", 0, 7)
    time.sleep(2.2)
"""
    log = tmp_path / "log"
    with log.open("w") as stderr:
        subprocess.run([sys.executable, "-c", program], stderr=stderr, check=True, cwd=ROOT)
    lines = log.read_text(encoding="utf-8").splitlines()
    assert len(lines) >= 2
    assert all(line.startswith("building the vector index: 0 of 7 vectors, ") for line in lines)
    assert "\x1b" not in log.read_text(encoding="utf-8")
