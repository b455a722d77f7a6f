"""Do synthetic questions rank retrievers as real questions do? Both over the same index, with the same systems.

    python -m benchmarks.synthetic_questions --questions squad:dev-v1.1.json --output runs/synthetic

Prints, for each way to make questions, Kendall's tau-b between the systems' means on real and on synthetic questions,
which system each prefers, and the share of pairs of systems whose significant order on real questions is kept.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import dpr
from dpr.benchmark.report import BenchmarkReport
from dpr.benchmark.retrieval import BenchmarkOptions, benchmark
from dpr.data.passages import read_examples
from dpr.data.synthetic import cloze_questions, sampled, title_questions
from dpr.evaluation.agreement import kendall_tau
from dpr.search.open import OpenIndex, open_index
from dpr.store.current import current_number
from dpr.types import Example, Passage

SYSTEMS = ("bm25", "tfidf", "dense", "hybrid", "bm25+dense", "tfidf+dense", "bm25+tfidf")
METRIC = "recall@5"


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--questions", required=True)
    arguments.add_argument("--pool", action="append", default=[])
    arguments.add_argument("--output", type=Path, required=True)
    arguments.add_argument("--limit", type=int, default=300)
    given = arguments.parse_args()
    root = given.output / "index"
    try:
        current_number(root)
    except dpr.DPRError:
        dpr.build_index([given.questions, *given.pool], root)
    index = open_index(root)
    real = measured(index, list(read_examples(given.questions)), given.output / "real")
    gold = [passage for passage in index.passages if passage.document_id or passage.title]
    for name, examples in made(gold or list(index.passages), given.limit):
        synthetic = measured(index, examples, given.output / name)
        print(json.dumps({"method": name, "questions": len(examples), **agreement(real, synthetic)}))


def made(passages: list[Passage], limit: int) -> Iterator[tuple[str, list[Example]]]:
    yield "cloze", list(cloze_questions(sampled(passages, limit, 1), 1))
    yield "titles", list(title_questions(passages, limit, 1))


def measured(index: OpenIndex, examples: list[Example], output: Path) -> BenchmarkReport:
    return benchmark(index, examples, BenchmarkOptions(SYSTEMS, [1, 5, 20]), output)


def agreement(real: BenchmarkReport, synthetic: BenchmarkReport) -> dict[str, object]:
    means = [[report.systems[name].means[METRIC] for name in SYSTEMS] for report in (real, synthetic)]
    certain = [
        (first, second)
        for first, second in itertools.combinations(SYSTEMS, 2)
        if real.pair(first, second, METRIC).corrected_p_value < 0.05
    ]
    of_real, of_synthetic = (dict(zip(SYSTEMS, values, strict=True)) for values in means)
    kept = sum(
        (of_real[first] - of_real[second]) * (of_synthetic[first] - of_synthetic[second]) > 0
        for first, second in certain
    )
    return {
        "tau": round(kendall_tau(*means), 3),
        "significant_pairs": len(certain),
        "kept": kept,
        "best_real": real.ranking[0],
        "best_synthetic": synthetic.ranking[0],
        "real": {name: round(100 * value, 1) for name, value in of_real.items()},
        "synthetic": {name: round(100 * value, 1) for name, value in of_synthetic.items()},
    }


if __name__ == "__main__":
    main()
