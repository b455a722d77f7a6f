"""A run file of another program as a system of a benchmark.

What a run lacks or has too much is counted by one rule, and said: a judged question that the run lacks scores 0, a
question that is not judged is left out, and a passage that is not in the pool is a hit that is not relevant.
"""

from __future__ import annotations

import logging
from pathlib import Path

from dpr.benchmark.contestant import SystemRun
from dpr.benchmark.gold import JudgedQuestions
from dpr.benchmark.words import phrase
from dpr.data.intake import UTF8_RULES, ReadRules
from dpr.errors import DataError
from dpr.evaluation.run_files import read_any_run
from dpr.types import PassagePool

logger = logging.getLogger(__name__)


def outside_run(
    name: str, path: Path, judged: JudgedQuestions, pool: PassagePool, rules: ReadRules = UTF8_RULES
) -> SystemRun:
    """Read a run as a system of that name; passages that a question excludes are left out of its hits.

    Raises:
        DataError: the file is no run, is empty, or has none of the judged questions.
    """
    run = read_any_run(path, rules)
    if not judged.qrels.keys() & run.keys():
        raise DataError.at(
            path,
            None,
            f"none of its questions is one of the {len(judged.qrels):,} judged; give a run of these questions",
        )
    kept = {
        question: [hit for hit in run[question] if hit[0] not in judged.excluded.get(question, ())]
        for question in judged.qrels
        if question in run
    }
    unknown = {passage for hits in kept.values() for passage, _ in hits if pool.row_of(passage) is None}
    counts = {
        "run lacks": len(judged.qrels.keys() - run.keys()),
        "run has more": len(run.keys() - judged.qrels.keys()),
        "run has unknown": len(unknown),
    }
    warnings = tuple(phrase(key, {"run": name, "number": number}) for key, number in counts.items() if number)
    return SystemRun(name, kept, phrase("run file", {"name": path.name}), warnings=warnings)
