"""Compare a report with an earlier one, and decide whether it fails: for the continuous integration of users.

A rule is a sentence: ``recall@5 drops by 1 significantly``. A system fails it if its mean of the metric is lower than
in the baseline by so many points or more (of 100; without ``by``, by anything), and, with ``significantly``, if the
p-value of the paired randomization test is below 5 %. ``in NAME`` at the end names one system; else all are looked at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dpr.benchmark.documents import document_numbers
from dpr.benchmark.report import BenchmarkReport
from dpr.errors import ConfigError, DataError
from dpr.evaluation.compare import SIGNIFICANCE, Difference, compare
from dpr.evaluation.metrics import Values
from dpr.types import IntArray
from dpr.unicode_form import as_on_disk

POINTS = 100
"""The points of a metric, whose values are shares."""

ROUNDING = 1e-9
"""A drop that is less than this below the points of a rule is as large."""

RANKS = "rank"
"""The column of a report's questions that is no metric."""

_RULE = re.compile(
    r"(?P<metric>\S+)\s+drops(?:\s+by\s+(?P<points>\d+(?:\.\d+)?))?(?P<significantly>\s+significantly)?"
    r"(?:\s+in\s+(?P<system>\S+))?"
)


@dataclass(frozen=True, slots=True)
class FailRule:
    """When a report is worse than its baseline.

    Attributes:
        metric: the metric.
        points: by how many points of 100 it must have dropped.
        is_significant: whether chance must be an unlikely cause.
        system: the system; empty for all that both reports have.
    """

    metric: str
    points: float = 0.0
    is_significant: bool = False
    system: str = ""

    @classmethod
    def parse(cls, text: str) -> FailRule:
        """Read a rule.

        Raises:
            ConfigError: the text is no rule.
        """
        match = _RULE.fullmatch(text.strip())
        if match is None:
            raise ConfigError(
                f"--fail-if {text!r} is no rule; write METRIC drops [by POINTS] [significantly] [in SYSTEM], such as "
                "'recall@5 drops by 1 significantly'"
            )
        system, points = match["system"] or "", float(match["points"] or 0)
        if points > POINTS:
            raise ConfigError(
                f"--fail-if {text!r} never holds: a metric has {POINTS} points; write a number of points up to that"
            )
        return cls(match["metric"], points, match["significantly"] is not None, system)

    def is_broken_by(self, difference: Difference) -> bool:
        """Return whether a difference from the baseline is the drop that the rule names."""
        drops = difference.mean < 0 and -POINTS * difference.mean > self.points - ROUNDING
        return drops and (not self.is_significant or difference.p_value < SIGNIFICANCE)


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a metric of a system since the baseline.

    ``fails`` says whether the rule that looks at it is broken; None where there is no rule.
    """

    system: str
    metric: str
    before: float
    after: float
    difference: Difference
    fails: bool | None = None

    @property
    def sentence(self) -> str:
        """The change in words."""
        interval = self.difference.interval
        verdict = "" if self.fails is None else ": FAILS" if self.fails else ": passes"
        return (
            f"{self.system}: {self.metric} {100 * self.before:.2f} → {100 * self.after:.2f} "
            f"({100 * self.difference.mean:+.2f}, 95 % interval {100 * interval.low:+.2f} … "
            f"{100 * interval.high:+.2f}, p {self.difference.p_value:.4f}){verdict}"
        )

    def as_json(self) -> dict[str, object]:
        """Return the change as JSON values."""
        difference = self.difference
        return {
            "system": self.system,
            "metric": self.metric,
            "before": self.before,
            "after": self.after,
            "difference": difference.mean,
            "low": difference.interval.low,
            "high": difference.interval.high,
            "p_value": difference.p_value,
            "fails": self.fails,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """What an earlier report says of each question.

    Attributes:
        path: its file.
        questions: the ids of its Q questions.
        systems: each metric by question, (Q,), by system and metric.
    """

    path: Path
    questions: Sequence[str]
    systems: Mapping[str, Mapping[str, Values]]

    def check(self, rules: Sequence[FailRule]) -> None:
        """Refuse rules that look at what the baseline does not have; to be called before the work of a benchmark.

        Raises:
            ConfigError: a rule names a system or a metric that the baseline lacks.
        """
        for rule in rules:
            names = [rule.system] if rule.system else list(self.systems)
            if rule.system and rule.system not in self.systems:
                raise ConfigError(
                    f"--fail-if looks at the system {rule.system!r}, and {self.path} has {', '.join(self.systems)}; "
                    "name one of them"
                )
            for name in names:
                if rule.metric not in self.systems[name]:
                    raise _unknown_metric(rule.metric, f"{self.path} does not have of {name}", self.systems[name])


def _unknown_metric(metric: str, cause: str, metrics: Iterable[str]) -> ConfigError:
    return ConfigError(f"--fail-if looks at {metric!r}, which {cause}; choose from {', '.join(metrics)}")


def read_baseline(path: Path) -> Baseline:
    """Read the ``report.json`` of an earlier benchmark.

    Raises:
        DataError: the file cannot be read, is no report, or lacks a number of a question.
    """
    try:
        columns = json.loads(as_on_disk(path).read_text(encoding="utf-8"))["per_question"]
        questions = [str(name) for name in columns["id"]]
        systems = {
            str(name): {
                str(metric): np.asarray(values, dtype=np.float64)
                for metric, values in of_system.items()
                if metric != RANKS
            }
            for name, of_system in columns["systems"].items()
        }
    except OSError as error:
        raise DataError.at(
            path, None, f"cannot be read ({error.strerror}); give the report.json of a benchmark"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError.at(
            path, None, f"is no report of dpr benchmark ({type(error).__name__}: {error}); give its report.json"
        ) from None
    for name, of_system in systems.items():
        for metric, values in of_system.items():
            if values.shape != (len(questions),) or not np.isfinite(values).all():
                raise DataError.at(
                    path,
                    None,
                    f"{metric} of {name} is not a number for each of the {len(questions)} questions; make the report "
                    "again",
                )
    return Baseline(path, questions, systems)


def changes(report: BenchmarkReport, baseline: Baseline, rules: Sequence[FailRule]) -> list[Change]:
    """Compare a report with an earlier one by each rule; without a rule, tell what became of the primary metric.

    Raises:
        DataError: the earlier report is over other questions.
        ConfigError: a rule names a metric or a system that one of the two lacks, or they have no system in common.
    """
    ids = [question.id for question in report.questions]
    if baseline.questions != ids:
        common = len(set(ids) & set(baseline.questions))
        raise DataError.at(
            baseline.path,
            None,
            f"the report has {len(baseline.questions)} questions, and this one {len(ids)}, of which {common} are in "
            "both; compare reports over the same questions in the same order",
        )
    baseline.check(rules)
    groups = document_numbers([question.document or question.id for question in report.questions])
    names = [name for name in report.systems if name in baseline.systems]
    if not names:
        raise ConfigError(
            f"this benchmark has {', '.join(report.systems)}, and {baseline.path} {', '.join(baseline.systems)}; "
            "compare reports that have a system in common"
        )
    if not rules:
        return [_change(name, report.primary, report, baseline, groups) for name in names]
    judged = []
    for rule in rules:
        if rule.system and rule.system not in names:
            raise ConfigError(
                f"--fail-if looks at the system {rule.system!r}, and this benchmark has {', '.join(report.systems)}; "
                "name one of them, or measure it"
            )
        for name in [rule.system] if rule.system else names:
            change = _change(name, rule.metric, report, baseline, groups)
            judged.append(replace(change, fails=rule.is_broken_by(change.difference)))
    return judged


def only_in_one(report: BenchmarkReport, baseline: Baseline) -> list[str]:
    """Return a sentence for each system that is not compared because only one of the two reports has it."""
    before, after = baseline.systems.keys(), report.systems.keys()
    return [
        *(f"{name} is in the baseline only; it is not compared" for name in sorted(before - after)),
        *(f"{name} is not in the baseline; it is not compared" for name in sorted(after - before)),
    ]


def _change(name: str, metric: str, report: BenchmarkReport, baseline: Baseline, groups: IntArray | None) -> Change:
    before, after = baseline.systems[name], report.systems[name].values
    if metric not in before or metric not in after:
        both = [each for each in after if each in before]
        raise _unknown_metric(metric, "not both reports have", both)
    difference = compare(before[metric], after[metric], groups, report.seed)
    return Change(name, metric, float(before[metric].mean()), float(after[metric].mean()), difference)
