"""Speed of our reader against transformers' question-answering pipeline, on the CPU.

    python -m benchmarks.reader --data squad:dev-v1.1.json

All read the same pairs of a question and its passage with the same weights and lengths (384 tokens, stride 128,
answers of at most 30): ours is saved as whole weights first. The passages are spread evenly over the data's, ordered by
length. transformers 5 has no such pipeline, so the other side is its last release that has, with this environment's
torch, in an environment of its own that is made once in ``build/`` (or give ``--their-python``).

Every system is loaded once and reads a quarter of the pairs unmeasured. Then the systems take turns within each round,
whose order turns round, so that a machine that is also busy with other work slows all alike. The ratios are to the
pipeline as it is by default, pair by pair. Both sides use all cores and have the environment that the ``dpr`` command
gives itself (OMP_WAIT_POLICY=passive, GOMP_SPINCOUNT=10000).

The second part is the time of one question over ten passages of about 155 tokens, for each of our backends.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import string
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import reader_contestant
from benchmarks.machine import describe_machine, make_environment, shown, spread, write_report
from dpr.config import DEFAULT_READER
from dpr.data.passages import read_examples
from dpr.models.checkpoint import load_tokenizer, resolve
from dpr.models.openvino import is_available
from dpr.models.tokens import count_tokens
from dpr.reader.extractive.model import load_reader_model, save_reader_model
from dpr.types import Example

Report = dict[str, Any]
QuestionWithPassages = reader_contestant.QuestionWithPassages

ROOT = Path(__file__).resolve().parent.parent
THEIR_TRANSFORMERS = "transformers==4.57.*"
THEIRS = "pipeline, one pair at a time"
PIPELINE: dict[str, Report] = {
    THEIRS: {"kind": "pipeline", "batch_size": 1},
    "pipeline, batches of 16": {"kind": "pipeline", "batch_size": 16},
}
TORCH: dict[str, Report] = {
    "ours, torch fp32": {"kind": "ours", "precision": "fp32", "backend": "torch"},
    "ours, torch bf16": {"kind": "ours", "precision": "bf16", "backend": "torch"},
}
OPENVINO: dict[str, Report] = {
    "ours, OpenVINO fp32": {"kind": "ours", "precision": "fp32", "backend": "openvino"},
    "ours, OpenVINO bf16": {"kind": "ours", "precision": "bf16", "backend": "openvino"},
}
PASSAGES, PASSAGE_TOKENS = 10, 155
"""Of a question whose time is measured."""


def main() -> None:
    options = parse_options()
    console = Console()
    their_python = options.their_python or make_environment(options.environment, [THEIR_TRANSFORMERS])
    ours = TORCH | (OPENVINO if is_available() else {})
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        model, work = save_whole(options.reader, Path(temporary)), Path(temporary) / "work.json"
        work_items = choose_work(options, model)
        work.write_text(json.dumps(work_items), encoding="utf-8")
        teams = {
            sys.executable: {"model": str(model), "work": str(work), "systems": ours},
            str(their_python): {"model": str(model), "work": str(work), "systems": PIPELINE},
        }
        console.print("loading …")
        started = {python: stack.enter_context(Contestant(python, contest)) for python, contest in teams.items()}
        loaded = {python: contestant.report() for python, contestant in started.items()}
        contestants = {name: started[python] for python, contest in teams.items() for name in contest["systems"]}
        report: Report = {
            "machine": describe_machine(("torch", "transformers", "openvino") if is_available() else ("torch",)),
            "settings": settings_of(options),
            "their_versions": loaded[str(their_python)]["versions"],
            "pairs": summary_of_pairs(
                take_turns(contestants, "pairs", options.rounds, console), len(work_items["pairs"])
            ),
        }
        times = take_turns({name: contestants[name] for name in ours}, "questions", options.rounds, console)
        report["questions"] = {"passages": PASSAGES, "systems": {name: latency_of(of) for name, of in times.items()}}
    if options.output:
        write_report(options.output, report)
    print_tables(console, report)
    if options.output:
        console.print(f"written to {options.output}")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, metavar="SOURCE", help="kind:PATH of questions with their passages")
    parser.add_argument("--reader", default=str(DEFAULT_READER), help="whose weights all systems have")
    parser.add_argument("--pairs", type=int, default=400)
    parser.add_argument("--questions", type=int, default=10, help="whose time over ten passages is taken in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--environment", type=Path, default=ROOT / "build" / "benchmark-reader", help="the pipeline's")
    parser.add_argument("--their-python", type=Path, help="of an environment that has the pipeline; none is made then")
    parser.add_argument("--quick", action="store_true", help="one round of few pairs, and no file: does it run at all?")
    parser.add_argument("--output", type=Path, help="[default: results/reader.json beside this file]")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.pairs, options.questions = 1, 20, 2
    elif options.output is None:
        options.output = Path(__file__).parent / "results" / "reader.json"
    return options


def settings_of(options: argparse.Namespace) -> Report:
    kept = {name: getattr(options, name) for name in ("pairs", "questions", "rounds", "seed")}
    kind, _, path = options.data.partition(":")
    return kept | {"data": f"{kind}:{Path(path).name}", "reader": Path(options.reader).name}


def save_whole(reader: str, folder: Path) -> Path:
    """Save a reader as whole weights, with the lengths that all systems have."""
    model, tokenizer, config = load_reader_model(resolve(reader))
    lengths = replace(
        config,
        max_tokens=reader_contestant.MAX_TOKENS,
        stride=reader_contestant.STRIDE,
        question_tokens=reader_contestant.QUESTION_TOKENS,
        max_answer_tokens=reader_contestant.MAX_ANSWER_TOKENS,
    )
    whole = folder / "reader"
    save_reader_model(whole, model, tokenizer, lengths)
    return whole


def choose_work(options: argparse.Namespace, model: Path) -> dict[str, list[QuestionWithPassages]]:
    """Return the pairs to read, a part of them to warm up with, and the questions over ten passages each."""
    examples = list({example.positives[0].text: example for example in read_examples(options.data)}.values())
    generator = random.Random(options.seed)
    selected = by_length(examples, options.pairs)
    generator.shuffle(selected)
    pairs: list[QuestionWithPassages] = [(example.question.text, [example.positives[0].text]) for example in selected]
    tokenizer = load_tokenizer(model)
    near = sorted(
        examples, key=lambda example: abs(count_tokens(tokenizer, example.positives[0].text) - PASSAGE_TOKENS)
    )
    near = near[: PASSAGES * options.questions]
    generator.shuffle(near)
    questions: list[QuestionWithPassages] = [
        (near[first].question.text, [example.positives[0].text for example in near[first : first + PASSAGES]])
        for first in range(0, len(near), PASSAGES)
    ]
    return {"pairs": pairs, "warm_up": pairs[::4], "questions": questions}


def by_length(examples: Sequence[Example], count: int) -> list[Example]:
    """Return examples whose passages are spread evenly over all, ordered by length."""
    if len(examples) < count:
        sys.exit(f"the data have {len(examples)} passages, not {count}; give more, or take fewer --pairs")
    ordered = sorted(examples, key=lambda example: (len(example.positives[0].text), example.question.id))
    return [ordered[number] for number in np.linspace(0, len(ordered) - 1, count).round().astype(int).tolist()]


class Contestant:
    """A process that loads systems and waits for orders; where it fails, its log is shown."""

    def __init__(self, python: str, contest: Report) -> None:
        environment = {
            "OMP_WAIT_POLICY": "passive",
            "GOMP_SPINCOUNT": "10000",
            "HF_HUB_OFFLINE": "1",
            "CUDA_VISIBLE_DEVICES": "",
            "PYTHONPATH": str(ROOT) if python == sys.executable else "",
        }
        # -P: the files beside the program are no modules, whatever their names
        command = [python, "-P", str(ROOT / "benchmarks" / "reader_contestant.py"), json.dumps(contest)]
        pipe = subprocess.PIPE
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115  # closed by __exit__
        self._process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdin=pipe, stdout=pipe, stderr=self._log, text=True
        )

    def __enter__(self) -> Contestant:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._log.close()

    def report(self) -> Report:
        """Return the next line that it prints.

        Raises:
            SystemExit: it ended instead.
        """
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            self._log.seek(0)
            sys.exit(f"a contestant failed:\n{self._log.read()[-3000:]}")
        report: Report = json.loads(line)
        return report

    def measure(self, system: str, part: str) -> Report:
        """Let a system read a part of the work, and return what it took."""
        if self._process.stdin:
            self._process.stdin.write(json.dumps({"system": system, "part": part}) + "\n")
            self._process.stdin.flush()
        return self.report()


def take_turns(
    contestants: Mapping[str, Contestant], part: str, rounds: int, console: Console
) -> dict[str, list[Report]]:
    """Return what each system took, one report for each round; the order turns round after each."""
    runs: dict[str, list[Report]] = {name: [] for name in contestants}
    for number in range(rounds):
        for name in list(contestants)[:: -1 if number % 2 else 1]:
            measured = contestants[name].measure(name, part)
            runs[name].append(measured)
            took = measured.get("wall_s") or sum(measured["each_s"])
            console.print(f"round {number + 1}: {part}: {name}: {took:.2f} s")
    return runs


def summary_of_pairs(runs: Mapping[str, Sequence[Report]], pairs: int) -> Report:
    """Return each system's rates, how many times as fast as the pipeline it is, and how often it agrees with it."""
    theirs = runs[THEIRS]
    return {
        name: {
            "pairs_per_s": spread([pairs / one["wall_s"] for one in of]),
            "ratio": spread([other["wall_s"] / one["wall_s"] for one, other in zip(of, theirs, strict=True)]),
            "cpu_ratio": spread([other["cpu_s"] / one["cpu_s"] for one, other in zip(of, theirs, strict=True)]),
            "same_answer": agreement(of[0]["answers"], theirs[0]["answers"]),
            "wall_s": [one["wall_s"] for one in of],
            "cpu_s": [one["cpu_s"] for one in of],
        }
        for name, of in runs.items()
    }


def agreement(ours: Sequence[str], theirs: Sequence[str]) -> float:
    """Return the share of pairs of the same answer; the pipeline's is whole words, with the marks around them."""
    around = string.whitespace + string.punctuation
    return float(np.mean([one.strip(around) == other.strip(around) for one, other in zip(ours, theirs, strict=True)]))


def latency_of(runs: Sequence[Report]) -> Report:
    each = [seconds for one in runs for seconds in one["each_s"]]
    return {"median_ms": 1e3 * float(np.median(each)), "p95_ms": 1e3 * float(np.quantile(each, 0.95)), "each_s": each}


def print_tables(console: Console, report: Report) -> None:
    table = Table("system", "pairs/s", "times as fast", "by CPU time", "same answer", title="Question-passage pairs")
    for name, of in report["pairs"].items():
        table.add_row(
            name, shown(of["pairs_per_s"]), shown(of["ratio"]), shown(of["cpu_ratio"]), f"{of['same_answer']:.1%}"
        )
    console.print(table)
    questions = report["questions"]
    table = Table("system", "median ms", "95th percentile", title=f"One question over {questions['passages']} passages")
    for name, of in questions["systems"].items():
        table.add_row(name, f"{of['median_ms']:.0f}", f"{of['p95_ms']:.0f}")
    console.print(table)


if __name__ == "__main__":
    main()
