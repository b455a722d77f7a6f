"""Measure the project at its defaults on the example corpora, and print one table.

    python -m examples.measure                                    the bundled encoder and reader
    python -m examples.measure --encoder NAME --reader NAME         others, by name or folder
    python -m examples.measure --limit 20 --json                  20 questions for the service, the figures as JSON

Business pages: the share of questions whose page comes first, and among the first five. Questions across languages: the
same, of any passage of the gold article. Demo: the share of questions that the service answers exactly right over HTTP,
and how well its probabilities are calibrated, in each language.

It runs the installed commands and asks by HTTP, as any other program would; the formulas are those of dpr.evaluation.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from dpr.benchmark.reader import score_readings
from dpr.data.passages import read_corpus, read_examples
from dpr.errors import DPRError
from dpr.evaluation.metrics import evaluate
from dpr.evaluation.trec import read_run
from dpr.reader.extractive.probability import HANGUL, OTHER_SCRIPT, RULES, script_of
from dpr.types import Answer, Example, Reading
from examples.demo import run as demo

HERE = Path(__file__).resolve().parent
BUSINESS = f"squad:{HERE / 'business' / 'korean.json'}"
DEMO = (f"squad:{HERE / 'demo' / 'english.json'}", f"squad:{HERE / 'demo' / 'korean.json'}")
CROSS_LANGUAGE = f"squad:{HERE / 'demo' / 'cross-language.json'}"
EVERYDAY = f"squad:{HERE / 'demo' / 'everyday.json'}"

RETRIEVERS = ("bm25", "dense", "hybrid")
DEPTH = 20
LANGUAGES = {"korean": HANGUL, "english": OTHER_SCRIPT}
DIRECTIONS = {"korean to english": HANGUL, "english to korean": OTHER_SCRIPT}

Figures = dict[str, float]
Report = dict[str, dict[str, Figures]]
"""Figures by set and by retriever, direction or language."""


def main() -> int:
    options = parse_options()
    demo.console.stderr = True
    try:
        with tempfile.TemporaryDirectory(prefix="dpr-measure-") as folder:
            report = measure(Path(folder), options.encoder, options.reader, options.limit)
    except (demo.DemoError, DPRError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        show(report)
    return 0


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the project at its defaults on the example corpora.")
    parser.add_argument("--encoder", metavar="NAME_OR_DIR", help="the encoder; by default the bundled one")
    parser.add_argument("--reader", metavar="NAME_OR_DIR", help="the reader; by default the bundled one")
    parser.add_argument("--limit", metavar="N", type=int, help="ask the service N questions, spread over all")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON, shares from 0 to 1")
    options = parser.parse_args()
    if options.limit is not None and options.limit < 1:
        parser.error(f"--limit is {options.limit}; give at least 1")
    return options


def measure(folder: Path, encoder: str | None, reader: str | None, limit: int | None) -> Report:
    """Build both indexes in a folder and measure everything.

    Raises:
        DemoError: a command fails, or the service does not answer.
    """
    business, articles = folder / "business", folder / "demo"
    build(business, [BUSINESS], encoder)
    build(articles, DEMO, encoder)
    pages = benchmark(business, BUSINESS, folder / "business-report")
    crossing = benchmark(articles, CROSS_LANGUAGE, folder / "cross-language-report")
    examples = spread([example for source in (*DEMO, EVERYDAY) for example in read_examples(source)], limit)
    served = ("--reader", reader) if reader else ()
    with demo.serving(articles, served) as (_, address):
        readings = [reading_of(demo.ask(address, example.question.text)) for example in examples]
    return {
        "business pages": page_figures(pages, list(read_examples(BUSINESS))),
        **article_figures(crossing, list(read_examples(CROSS_LANGUAGE))),
        "demo over HTTP": answer_figures(readings, examples),
    }


def build(index: Path, sources: Sequence[str], encoder: str | None) -> None:
    corpora = [argument for source in sources for argument in ("--corpus", source)]
    options = ["--encoder", encoder] if encoder else []
    command("dpr-index", "build", *corpora, *options, "--output", str(index))


def benchmark(index: Path, questions: str, output: Path) -> dict[str, dict[str, list[str]]]:
    """Return the ids of each retriever's passages, best first, by retriever and question id."""
    names = ("--retrievers", ",".join(RETRIEVERS), "--k", f"1,5,{DEPTH}")
    command("dpr", "benchmark", "--index", str(index), "--questions", questions, *names, "--output", str(output))
    runs = {name: read_run(output / f"{name}.trec") for name in RETRIEVERS}
    return {
        name: {question: [passage for passage, _ in ranked] for question, ranked in run.items()}
        for name, run in runs.items()
    }


def command(program: str, *arguments: str) -> None:
    """Run an installed command; what it prints goes to the error stream.

    Raises:
        DemoError: it is not installed, or ends with an error.
    """
    line = [demo.installed(program), *arguments]
    print(f"$ {shlex.join(line)}", file=sys.stderr, flush=True)
    exit_code = subprocess.run(line, stdout=sys.stderr, check=False).returncode
    if exit_code:
        raise demo.DemoError(f"{program} ended with exit code {exit_code}; its message is above")


def spread(examples: Sequence[Example], limit: int | None) -> list[Example]:
    """Return at most ``limit`` of the examples, evenly spread; all without a limit."""
    if limit is None or limit >= len(examples):
        return list(examples)
    return [examples[number * len(examples) // limit] for number in range(limit)]


def page_figures(runs: Mapping[str, Mapping[str, list[str]]], examples: Sequence[Example]) -> dict[str, Figures]:
    """Return the share of questions whose gold page comes first, and among the first five, by retriever."""
    qrels = {example.question.id: {passage.id: 1 for passage in example.positives} for example in examples}
    return {name: success(run, qrels) for name, run in runs.items()}


def article_figures(runs: Mapping[str, Mapping[str, list[str]]], examples: Sequence[Example]) -> Report:
    """Return the share of questions that find a passage of the gold article, by direction and retriever."""
    passages: dict[str, dict[str, int]] = {}
    for passage in read_corpus(DEMO):
        passages.setdefault(passage.document_id, {})[passage.id] = 1
    report = {}
    for direction, script in DIRECTIONS.items():
        crossing = [example for example in examples if script_of(example.question.text) == script]
        qrels = {example.question.id: passages[example.positives[0].document_id] for example in crossing}
        report[direction] = {name: success(run, qrels) for name, run in runs.items()}
    return report


def success(run: Mapping[str, list[str]], qrels: Mapping[str, Mapping[str, int]]) -> Figures:
    shares = evaluate(run, qrels, ("success@1", "success@5"))
    return {"questions": len(qrels), "top 1": shares["success@1"], "top 5": shares["success@5"]}


def reading_of(result: Mapping[str, Any]) -> Reading:
    """Return what the service answered in the form that dpr.evaluation judges."""
    names = ("text", "passage_id", "start", "end", "score", "span_score", "null_score")
    answers = tuple(Answer(**{name: answer[name] for name in names}) for answer in result["answers"])
    margin = result["no_answer_score"]
    return Reading(
        answers, result["is_answered"], float("inf") if margin is None else margin, probability=result["probability"]
    )


def answer_figures(readings: Sequence[Reading], examples: Sequence[Example]) -> dict[str, Figures]:
    """Return how well the questions of each language were answered; a language without answerable ones is left out."""
    report = {}
    for language, script in LANGUAGES.items():
        numbers = [number for number, example in enumerate(examples) if script_of(example.question.text) == script]
        of_language = [examples[number] for number in numbers]
        if any(not example.is_impossible for example in of_language):
            report[language] = language_figures([readings[number] for number in numbers], of_language, RULES[script])
    return report


def language_figures(readings: Sequence[Reading], examples: Sequence[Example], rule: str) -> Figures:
    """Return the figures of one language's questions, judged by a rule.

    ``exact`` and ``F1`` are those of the answers that the reader stands by, ``exact, best span`` of its best guess,
    each over the answerable questions. ``refused`` is the share of the unanswerable questions that were not answered.
    ``sure`` (of all questions), ``wrong when sure`` and ``ECE`` judge the probabilities.
    """
    accepted = [reading if reading.is_answered else replace(reading, answers=()) for reading in readings]
    answerable = [number for number, example in enumerate(examples) if not example.is_impossible]
    answerable_examples = [examples[number] for number in answerable]
    stood_by = score_readings([accepted[number] for number in answerable], answerable_examples, rule).metrics()
    guessed = score_readings([readings[number] for number in answerable], answerable_examples, rule).metrics()
    judged = score_readings(readings, examples, rule).metrics()
    figures = {
        "questions": len(examples),
        "answerable": len(answerable_examples),
        "exact": stood_by["exact_match"],
        "F1": stood_by["f1"],
        "exact, best span": guessed["exact_match"],
    }
    optional = {
        "refused": "no_answer_recall",
        "sure": "sure",
        "wrong when sure": "wrong_when_sure",
        "ECE": "expected_calibration_error",
    }
    return figures | {name: judged[metric] for name, metric in optional.items() if metric in judged}


def show(report: Report) -> None:
    table = Table("set", "system", "figure", "per cent", pad_edge=False)
    table.columns[-1].justify = "right"
    for group, systems in report.items():
        for system, figures in systems.items():
            for name, value in figures.items():
                is_count = name in ("questions", "answerable")
                table.add_row(group, system, name, f"{value:.0f} *" if is_count else f"{100 * value:.1f}")
        table.add_section()
    Console().print(table)
    print("* a number of questions")


if __name__ == "__main__":
    sys.exit(main())
