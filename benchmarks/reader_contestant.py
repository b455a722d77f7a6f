"""The contestants of benchmarks.reader that share an environment, in a process of their own.

    python benchmarks/reader_contestant.py '{"model": DIR, "work": FILE, "systems": {NAME: {"kind": …}, …}}'

It loads every system, reads a part of the work with each, and prints a line of JSON when it is ready. Then each line of
JSON on its input, ``{"system": NAME, "part": "pairs"}``, is answered with one line of what the reading took. It waits
without using the CPU meanwhile. Of this project it imports something only for the kind ``ours``, so that the pipeline's
environment needs no more than torch and transformers.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

Report = dict[str, Any]
QuestionWithPassages = tuple[str, Sequence[str]]
"""A question and its passages."""

Read = Callable[[Sequence[QuestionWithPassages]], list[str]]
"""Returns the text of the best answer to each question."""

MAX_TOKENS, STRIDE, QUESTION_TOKENS, MAX_ANSWER_TOKENS = 384, 128, 64, 30


def main() -> None:
    contest = json.loads(sys.argv[1])
    work: dict[str, list[QuestionWithPassages]] = json.loads(Path(contest["work"]).read_text(encoding="utf-8"))
    readers: dict[str, Read] = {}
    for name, system in contest["systems"].items():
        settings = dict(system)
        readers[name] = KINDS[settings.pop("kind")](contest["model"], **settings)
        readers[name](work["warm_up"])
    say({"versions": {package: version(package) for package in ("torch", "transformers", "tokenizers")}})
    for line in sys.stdin:
        order = json.loads(line)
        say(MEASURES[order["part"]](readers[order["system"]], work[order["part"]]))


def say(report: Report) -> None:
    sys.stdout.write(json.dumps(report) + "\n")
    sys.stdout.flush()


def measure_pairs(read: Read, questions: Sequence[QuestionWithPassages]) -> Report:
    """Time reading everything at once."""
    wall, cpu = time.perf_counter(), time.process_time()
    answers = read(questions)
    return {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu, "answers": answers}


def measure_questions(read: Read, questions: Sequence[QuestionWithPassages]) -> Report:
    """Time one question after the other, each with all its passages."""
    each: list[float] = []
    for item in questions:
        start = time.perf_counter()
        read([item])
        each.append(time.perf_counter() - start)
    return {"each_s": each}


def open_pipeline(model: str, batch_size: int) -> Read:
    """Return transformers' pipeline with our lengths: pair by pair as it does by default, or in batches."""
    from transformers import pipeline

    answerer: Any = pipeline("question-answering", model=model, tokenizer=model, device="cpu")  # type: ignore[call-overload,unused-ignore]
    settings = {
        "max_seq_len": MAX_TOKENS,
        "doc_stride": STRIDE,
        "max_question_len": QUESTION_TOKENS,
        "max_answer_len": MAX_ANSWER_TOKENS,
    }

    def read(questions: Sequence[QuestionWithPassages]) -> list[str]:
        pairs = [{"question": question, "context": passage} for question, (passage,) in questions]
        if batch_size == 1:
            return [answerer(**pair, **settings)["answer"] for pair in pairs]
        return [answer["answer"] for answer in answerer(pairs, batch_size=batch_size, **settings)]

    return read


def open_ours(model: str, precision: str, backend: str) -> Read:
    """Return our reader; its ``reader.json`` has the lengths."""
    from dpr.reader.extractive.reader import load_reader
    from dpr.types import Candidates, Passage

    reader = load_reader(model, precision, backend=backend)

    def read(questions: Sequence[QuestionWithPassages]) -> list[str]:
        batch = [
            Candidates(question, tuple(Passage(str(row), text) for row, text in enumerate(texts)), (0.0,) * len(texts))
            for question, texts in questions
        ]
        return [reading.answers[0].text if reading.answers else "" for reading in reader.read(batch)]

    return read


KINDS: dict[str, Callable[..., Read]] = {"pipeline": open_pipeline, "ours": open_ours}
MEASURES = {"pairs": measure_pairs, "questions": measure_questions}


if __name__ == "__main__":
    main()
