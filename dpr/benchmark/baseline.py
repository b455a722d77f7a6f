"""Compare a report with an earlier one, and decide whether it fails: for the continuous integration of users.

A rule is a sentence: ``recall@5 drops by 1 significantly``. A system fails it if its mean of the metric is lower than
in the baseline by more than so many points (of 100; without ``by``, by anything), and, with ``significantly``, if the
p-value of the paired randomization test is below 5 %. ``in NAME`` at the end names one system; else all are looked at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dpr.benchmark.documents import document_numbers
from dpr.benchmark.report import BenchmarkReport
from dpr.errors import ConfigError, DataError
from dpr.evaluation.compare import SIGNIFICANCE, Difference, compare
from dpr.evaluation.metrics import Values
from dpr.types import IntArray

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
        return cls(match["metric"], points, match["significantly"] is not None, system)


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a metric of a system since the baseline; ``fails`` says whether its rule is broken."""

    system: str
    metric: str
    before: float
    after: float
    difference: Difference
    fails: bool

    @property
    def sentence(self) -> str:
        """The change in words."""
        interval = self.difference.interval
        verdict = "FAILS" if self.fails else "passes"
        return (
            f"{self.system}: {self.metric} {100 * self.before:.2f} → {100 * self.after:.2f} "
            f"({100 * self.difference.mean:+.2f}, 95 % interval {100 * interval.low:+.2f} … "
            f"{100 * interval.high:+.2f}, p {self.difference.p_value:.4f}): {verdict}"
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


def changes(report: BenchmarkReport, baseline: Path, rules: Sequence[FailRule]) -> list[Change]:
    """Compare a report with the ``report.json`` of an earlier one, by each rule.

    Raises:
        DataError: the file is no report, or is one over other questions.
        ConfigError: a rule names a metric or a system that one of the two lacks.
    """
    earlier = _read(baseline)
    ids = [question.id for question in report.questions]
    if earlier["id"] != ids:
        common = len(set(ids) & set(earlier["id"]))
        raise DataError.at(
            baseline,
            None,
            f"the report has {len(earlier['id'])} questions, and this one {len(ids)}, of which {common} are in "
            "both; compare reports over the same questions in the same order",
        )
    groups = document_numbers([question.document or question.id for question in report.questions])
    return [change for rule in rules for change in _by_rule(rule, report, earlier["systems"], groups)]


def _by_rule(
    rule: FailRule, report: BenchmarkReport, earlier: Mapping[str, Any], groups: IntArray | None
) -> list[Change]:
    names = [name for name in report.systems if name in earlier]
    if rule.system or not names:
        if rule.system not in names:
            raise ConfigError(
                f"--fail-if looks at the system {rule.system or 'of any name'!r}, and both reports have "
                f"{', '.join(names) or 'none in common'}; name one of them"
            )
        names = [rule.system]
    found = []
    for name in names:
        values = report.systems[name].values.get(rule.metric)
        before = earlier[name].get(rule.metric)
        if values is None or before is None:
            measured = ", ".join(metric for metric in report.systems[name].values if metric in earlier[name])
            raise ConfigError(
                f"--fail-if looks at {rule.metric!r}, which not both reports have; choose from {measured}"
            )
        old: Values = np.asarray(before, dtype=np.float64)
        difference = compare(old, values, groups, report.seed)
        drops = difference.mean < 0 and -100 * difference.mean > rule.points - 1e-9
        fails = drops and (not rule.is_significant or difference.p_value < SIGNIFICANCE)
        found.append(Change(name, rule.metric, float(old.mean()), float(values.mean()), difference, fails))
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        columns: dict[str, Any] = document["per_question"]
        dict(columns["systems"]), list(columns["id"])  # they must be these
    except OSError as error:
        raise DataError.at(
            path, None, f"cannot be read ({error.strerror}); give the report.json of a benchmark"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise DataError.at(
            path, None, f"is no report of dpr benchmark ({type(error).__name__}: {error}); give its report.json"
        ) from None
    return columns
