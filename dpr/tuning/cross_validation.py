"""Choose one of several settings by questions, and tell what the choice is worth on questions that did not make it.

The settings are measured on the same questions, which are divided into folds by document. For each fold, the best
setting of all other folds is measured on this one; the mean over the folds is what choosing is worth. The default is
replaced only if the 95 % interval of that gain over it is above zero: else the gain may be chance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from dpr.evaluation.compare import Difference, compare
from dpr.evaluation.metrics import Values
from dpr.tuning.one_standard_error import fold_of
from dpr.types import IntArray

Setting = Mapping[str, float | str]
"""The values of some settings by name: ``{"k1": 0.9, "b": 0.4}``."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The choice among the settings of one stage.

    Attributes:
        name: ``bm25``, ``fusion`` or ``rerank``.
        default: the setting that needs no questions.
        best: the setting of highest mean over all questions.
        selected: the best one, or the default where the gain may be chance or could not be measured.
        value: the mean of the objective with the selected setting, over all questions.
        default_value: that of the default.
        held_out: the gain over the default of choosing, on the folds that did not choose; None where there were none.
        folds: how many there were; 0 for the questions of a single document.
        tried: how many settings were measured.
    """

    name: str
    default: Setting
    best: Setting
    selected: Setting
    value: float
    default_value: float
    held_out: Difference | None
    folds: int
    tried: int

    @property
    def keeps_default(self) -> bool:
        """Whether the default stays."""
        return self.selected == self.default

    @property
    def sentence(self) -> str:
        """The choice in words."""
        if self.held_out is None:
            why = "with questions of a single document, no fold could be held out to tell what another setting is worth"
            return f"{self.name}: keep {described(self.default)}; {why}"
        interval = self.held_out.interval
        gain = (
            f"choosing is worth {100 * self.held_out.mean:+.2f} on held-out folds "
            f"({100 * interval.low:+.2f} … {100 * interval.high:+.2f})"
        )
        if self.keeps_default:
            why = "it is the best" if self.best == self.default else f"{gain}, which may be chance"
            return f"{self.name}: keep {described(self.default)}; {why}"
        return f"{self.name}: {described(self.selected)} in place of {described(self.default)}; {gain}"

    def as_json(self) -> dict[str, object]:
        """Return the choice as JSON values."""
        return {**asdict(self), "keeps_default": self.keeps_default}


def described(setting: Setting) -> str:
    """Return a setting in words: ``k1 0.9, b 0.4``."""
    return ", ".join(
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in setting.items()
    )


def choose_setting(
    name: str, settings: Sequence[Setting], measure: Callable[[int], Values], groups: IntArray, folds: int
) -> tuple[Stage, int]:
    """Measure settings, the first of which is the default; return the choice, and the position of the selected one.

    Args:
        name: the name of the stage.
        settings: the settings.
        measure: returns the objective of each question, (Q,), with a setting by its position.
        groups: the document of each question, (Q,), as a number; no document is in two folds.
        folds: the number of folds, at least 2; there are at most as many as documents.
    """
    values = np.stack([measure(number) for number in range(len(settings))])  # (S, Q)
    means = values.mean(axis=1)
    best = int(means.argmax())
    count, gain = min(folds, len(np.unique(groups))), None
    if count >= 2:
        gain = compare(values[0], _held_out(values, fold_of(groups, count)), groups)
    selected = best if gain is not None and gain.interval.low > 0 else 0
    stage = Stage(
        name,
        settings[0],
        settings[best],
        settings[selected],
        float(means[selected]),
        float(means[0]),
        gain,
        0 if gain is None else count,
        len(settings),
    )
    return stage, selected


def _held_out(values: Values, of_question: IntArray) -> Values:
    """Return the objective of each question, (Q,), with the setting that is best on the other folds."""
    held_out: Values = values[0].copy()
    for fold in np.unique(of_question):
        inside = of_question == fold
        held_out[inside] = values[values[:, ~inside].mean(axis=1).argmax(), inside]
    return held_out
