"""The run: steps, learning rate, validation, the best weights, a state to go on from after a kill, and logs."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import torch
from torch import nn

from dpr.errors import DataError, ModelError
from dpr.train.distributed import Processes
from dpr.train.log import RunLog
from dpr.train.optimizer import make_optimizer, set_learning_rate, warmup_then_linear
from dpr.train.run_folder import BEST, STATE
from dpr.train.schedule import Schedule
from dpr.train.state import load_state, load_weights, save_state, save_weights
from dpr.train.step_result import BadLossError, StepResult
from dpr.types import Progress

logger = logging.getLogger(__name__)

B = TypeVar("B")
B_contra = TypeVar("B_contra", contravariant=True)


class Steps(Protocol[B_contra]):
    """What computes gradients: from labels (`dpr.train.encoder`) or from a teacher (`dpr.train.distillation`)."""

    device: torch.device

    def backward(self, batches: Sequence[B_contra], scaler: torch.amp.GradScaler | None) -> StepResult:
        """Add the gradient of the mean loss of some batches to the weights."""


@dataclass
class Standing:
    """How far the run is, and how its best validation did; ``worse`` counts the validations since."""

    step: int = 0
    best_step: int = 0
    best: float = float("-inf")
    worse: int = 0

    def as_text(self) -> dict[str, str]:
        """Return the standing for a state's metadata."""
        return {"best_step": str(self.best_step), "best": repr(self.best), "worse": str(self.worse)}

    @classmethod
    def from_text(cls, step: int, text: dict[str, str]) -> Standing:
        """Read what `as_text` wrote."""
        if not step:
            return cls()
        return cls(step, int(text["best_step"]), float(text["best"]), int(text["worse"]))


class Loop(Generic[B]):
    """The steps of one run over the same batches and settings.

    Args:
        module: all that is trained; its trainable weights are what a state holds.
        stepper: computes gradients.
        batches_of: gives an epoch's batches, by its number.
        measure: returns the metrics of a validation; None where nothing is held out.
    """

    def __init__(
        self,
        module: nn.Module,
        stepper: Steps[B],
        batches_of: Callable[[int], list[B]],
        measure: Callable[[], dict[str, float]] | None,
        settings: Schedule,
        precision: torch.dtype,
        processes: Processes,
    ) -> None:
        self._module = module
        self._stepper = stepper
        self._batches_of = batches_of
        self._measure = measure
        self._settings = settings
        self._processes = processes
        self._optimizer = make_optimizer(module, settings.learning_rate, settings.weight_decay)
        uses_scaler = precision == torch.float16
        self._scaler = torch.amp.GradScaler(stepper.device.type) if uses_scaler else None
        sizes = [len(self._groups(epoch)) for epoch in range(settings.epochs)]
        self._epoch_ends = list(itertools.accumulate(sizes))
        self.steps = self._epoch_ends[-1]
        if settings.max_steps > self.steps > 0:
            logger.info(
                "max_steps is %d, but the run ends after its epochs, at step %d", settings.max_steps, self.steps
            )
        elif settings.max_steps:
            self.steps = min(self.steps, settings.max_steps)
        if not self.steps:
            raise DataError("there is not one batch to train on; give more data")

    def run(self, output: Path, run: str, progress: Progress) -> tuple[Standing, StepResult]:
        """Take the steps that the saved state has not taken; leave the best weights in the towers."""
        standing = self._resumed(output, run)
        result = StepResult(float("nan"), 0.0, 0)
        with RunLog(output, standing.step, self._processes.is_main) as log:
            for step, batches in enumerate(self._batches(standing.step), start=standing.step):
                if self._is_over(standing):
                    break
                began = time.perf_counter()
                rate = self._set_rate(step)
                result = self._step(step, batches)
                took = time.perf_counter() - began
                standing.step = step + 1
                log.step(standing.step, result, rate, result.questions / took)
                if self._processes.is_main:
                    progress("train", standing.step, self.steps)
                self._validate(standing, output, run, log)
                self._save(standing, output, run, log)
        if self._measure and (output / BEST).is_file():
            load_weights(output / BEST, self._module, run)
        return standing, result

    def _resumed(self, output: Path, run: str) -> Standing:
        step, text = load_state(output / STATE, self._module, self._optimizer, run)
        if self._scaler and "scaler" in text:
            self._scaler = torch.amp.GradScaler(self._stepper.device.type, init_scale=float(text["scaler"]))
        if step:
            logger.info("going on from step %d of %d", step, self.steps)
        return Standing.from_text(step, text)

    def _is_over(self, standing: Standing) -> bool:
        return bool(self._settings.patience) and standing.worse >= self._settings.patience

    def _batches(self, done: int) -> Iterator[list[B]]:
        """Yield the batches of each step from ``done`` on."""
        begins = [0, *self._epoch_ends]
        for epoch in range(self._settings.epochs):
            if begins[epoch + 1] > done:
                groups = self._groups(epoch)[max(0, done - begins[epoch]) :]
                yield from itertools.islice(groups, max(0, self.steps - max(done, begins[epoch])))

    def _groups(self, epoch: int) -> list[list[B]]:
        batches = self._batches_of(epoch)
        size = self._settings.accumulation_steps
        return [batches[first : first + size] for first in range(0, len(batches), size)]

    def _set_rate(self, step: int) -> float:
        rate = self._settings.learning_rate * warmup_then_linear(step, self.steps, self._settings.warmup_share)
        set_learning_rate(self._optimizer, rate)
        return rate

    def _step(self, step: int, batches: Sequence[B]) -> StepResult:
        try:
            result = self._stepper.backward(batches, self._scaler)
        except BadLossError as error:
            raise ModelError(f"step {step + 1}: {error}") from None
        weights = [weight for weight in self._module.parameters() if weight.requires_grad]
        self._processes.sum_gradients(weights)
        if self._scaler:
            self._scaler.unscale_(self._optimizer)
        nn.utils.clip_grad_norm_(weights, self._settings.max_grad_norm)
        if self._scaler:
            self._scaler.step(self._optimizer)
            self._scaler.update()
        else:
            self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        return result

    def _validate(self, standing: Standing, output: Path, run: str, log: RunLog) -> None:
        every = self._settings.validate_steps
        due = standing.step % every == 0 if every else standing.step in self._epoch_ends
        if self._measure is None or not (due or standing.step == self.steps):
            return
        metrics = self._measure()
        log.validation(standing.step, metrics)
        value = metrics[self._settings.metric] * (-1 if self._settings.metric == "rank" else 1)
        if value > standing.best:
            standing.best, standing.best_step, standing.worse = value, standing.step, 0
            if self._processes.is_main:
                save_weights(output / BEST, self._module, run)
        else:
            standing.worse += 1
        self._processes.wait()

    def _save(self, standing: Standing, output: Path, run: str, log: RunLog) -> None:
        if standing.step % self._settings.checkpoint_steps or not self._processes.is_main:
            return
        log.flush()
        text = standing.as_text() | ({"scaler": repr(self._scaler.get_scale())} if self._scaler else {})
        save_state(output / STATE, standing.step, self._module, self._optimizer, run, text)
