"""What a step of any training returns, and the refusal of a loss that is no number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dpr.errors import ModelError


class BadLossError(ModelError):
    """The loss is no number any more, or infinite."""


@dataclass(frozen=True, slots=True)
class StepResult:
    """The mean loss of a global batch, how many negatives a question had in the mean, and the number of questions."""

    loss: float
    negatives: float
    questions: int


def refuse_bad_loss(loss: float, kind: str, ids: Sequence[str], is_scaled: bool) -> None:
    """Stop at a loss that is no finite number, naming what it was computed over.

    Raises:
        BadLossError: it is not finite, and no scaler is there that would skip such a step and lower its scale (fp16).
    """
    if math.isfinite(loss) or is_scaled:
        return
    named = ", ".join(ids[:20])
    raise BadLossError(
        f"the loss became {loss} over the {kind} {named}{' …' if len(ids) > 20 else ''}; "
        "lower the learning rate or look at these texts"
    )
