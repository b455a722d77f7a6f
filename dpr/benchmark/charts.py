"""The chart of risk over coverage."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from dpr.durable import replacing
from dpr.errors import MissingDependencyError
from dpr.evaluation.risk import RiskCoverage

# Okabe and Ito's colours, which stay apart for colour-blind readers and in print.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLES = ("-", "--", "-.", ":")


def require_charts() -> None:
    """Raise MissingDependencyError unless matplotlib is installed; call it before long work."""
    if find_spec("matplotlib") is None:
        raise MissingDependencyError.extra("matplotlib", "report")  # noqa: S610  not Django's


def draw_risk_coverage(path: Path, curves: Mapping[str, RiskCoverage], title: str) -> None:
    """Draw the risk of each system's answers over the share of questions that it answers into a PNG file.

    Args:
        path: the PNG file, replaced when the picture is whole.
        curves: risk and coverage by system.
        title: one line above the picture.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    require_charts()
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for number, (name, curve) in enumerate(curves.items()):
        colour, style = COLOURS[number % len(COLOURS)], STYLES[number % len(STYLES)]
        axes.plot(curve.coverage, curve.risk, style, color=colour, linewidth=2, label=name)
    axes.grid(alpha=0.3)
    axes.xaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
    axes.set_xlim(0, 1)
    axes.set_ylim(bottom=0)
    label = "risk (answers that are not exactly right)"
    axes.set(xlabel="coverage (questions answered, the surest first)", ylabel=label, title=title)
    axes.legend(loc="upper left")
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150)
