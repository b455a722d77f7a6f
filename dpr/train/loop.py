"""The training loop: steps, learning rate, validation, best weights, logs, and a state to resume from."""

from __future__ import annotations

import itertools
import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

import torch
from torch import nn

from dpr.errors import DataError, ModelError
from dpr.train.distributed import Processes
from dpr.train.log import RunLog
from dpr.train.memory import return_free_blocks
from dpr.train.optimizer import make_optimizer, set_learning_rate, warmup_then_linear
from dpr.train.run_folder import BEST, STATE
from dpr.train.schedule import Schedule
from dpr.train.state import load_state, load_weights, save_state, save_weights
from dpr.train.step import BadLossError, Step, StepResult
from dpr.types import Progress

logger = logging.getLogger(__name__)

B = TypeVar("B")

RETURN_STEPS = 20
"""Steps on a CPU after which free memory is returned to the system; it takes a tenth of a second or two."""


@dataclass
class TrainingState:
    """Progress of a run: its step, the result of that step, and its best validation.

    ``metrics`` are those of the best validation, and ``worse`` is the number of validations since.
    """

    step: int = 0
    last: StepResult = field(default_factory=lambda: StepResult(float("nan"), 0.0, 0))
    best_step: int = 0
    best: float = float("-inf")
    worse: int = 0
    metrics: dict[str, float] = field(default_factory=dict)

    def as_text(self) -> dict[str, str]:
        """Return this as metadata of a state file, which has the step already."""
        return {"standing": json.dumps([asdict(self.last), self.best_step, self.best, self.worse, self.metrics])}

    @classmethod
    def from_text(cls, step: int, text: dict[str, str]) -> TrainingState:
        """Read the metadata that `as_text` returned."""
        if not step:
            return cls()
        last, *validated = json.loads(text["standing"])
        return cls(step, StepResult(**last), *validated)


class Loop(Generic[B]):
    """The training loop of one run.

    Args:
        module: the model; a state file holds its trainable weights.
        step: provides batches and computes gradients.
        measure: returns the metrics of a validation; None without held-out data.
        settings: the schedule.
        precision: type of matrix products; fp16 scales the loss.
        processes: the processes that share a batch.

    Raises:
        DataError: there are no batches.
    """

    def __init__(
        self,
        module: nn.Module,
        step: Step[B],
        measure: Callable[[], dict[str, float]] | None,
        settings: Schedule,
        precision: torch.dtype,
        processes: Processes,
    ) -> None:
        self._module = module
        self._stepper = step
        self._measure = measure
        self._settings = settings
        self._processes = processes
        self._optimizer = make_optimizer(module, settings.learning_rate, settings.weight_decay)
        uses_scaler = precision == torch.float16
        self._scaler = torch.amp.GradScaler(step.device.type) if uses_scaler else None
        self._epoch_ends: list[int] = []
        limit, steps = settings.max_steps or 0, 0
        for epoch in range(settings.passes):
            steps += len(self._groups(epoch))
            self._epoch_ends.append(steps)
            if not steps:
                raise DataError("the data makes no batch to train on; give more data")
            if 0 < limit <= steps:
                break
        if limit > steps:
            logger.info("max_steps is %d, but the epochs end at step %d", limit, steps)
        self.steps = min(steps, limit or steps)

    def run(self, output: Path, run: str, progress: Progress) -> TrainingState:
        """Run the steps after the saved state; the module has the best weights in the end."""
        state = self._resumed(output, run)
        with RunLog(output, state.step, self._processes.is_main) as log:
            for step, batches in enumerate(self._batches(state.step), start=state.step):
                if self._settings.patience and state.worse >= self._settings.patience:
                    break
                began = time.perf_counter()
                factor = warmup_then_linear(step, self.steps, self._settings.warmup_share)
                rate = self._settings.learning_rate * factor
                set_learning_rate(self._optimizer, rate)
                state.last = self._step(step, batches)
                took = time.perf_counter() - began
                state.step = step + 1
                log.step(state.step, state.last, rate, state.last.questions / took)
                progress("train", state.step, self.steps)
                self._validate(state, output, run, log)
                self._save(state, output, run, log)
                if self._stepper.device.type == "cpu" and state.step % RETURN_STEPS == 0:
                    return_free_blocks()
        if self._measure and (output / BEST).is_file():
            load_weights(output / BEST, self._module, run)
        return state

    def _resumed(self, output: Path, run: str) -> TrainingState:
        step, text = load_state(output / STATE, self._module, self._optimizer, run)
        if self._scaler and "scaler" in text:
            self._scaler = torch.amp.GradScaler(self._stepper.device.type, init_scale=float(text["scaler"]))
        if step:
            logger.info("resuming from step %d of %d", step, self.steps)
        return TrainingState.from_text(step, text)

    def _batches(self, first: int) -> Iterator[list[B]]:
        """Yield the batches of each step, beginning with step ``first``."""
        begins = [0, *self._epoch_ends]
        for epoch in range(len(self._epoch_ends)):
            if begins[epoch + 1] > first:
                groups = self._groups(epoch)[max(0, first - begins[epoch]) :]
                yield from itertools.islice(groups, max(0, self.steps - max(first, begins[epoch])))

    def _groups(self, epoch: int) -> list[list[B]]:
        batches = self._stepper.objective.batches(epoch)
        size = self._settings.accumulation_steps
        return [batches[first : first + size] for first in range(0, len(batches), size)]

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

    def _validate(self, state: TrainingState, output: Path, run: str, log: RunLog) -> None:
        every = self._settings.validate_steps
        due = state.step % every == 0 if every else state.step in self._epoch_ends
        if self._measure is None or not (due or state.step == self.steps):
            return
        metrics = self._measure()
        log.validation(state.step, metrics)
        score = self._settings.as_score(metrics)
        if score > state.best:
            state.best, state.best_step, state.worse, state.metrics = score, state.step, 0, metrics
            if self._processes.is_main:
                save_weights(output / BEST, self._module, run)
        else:
            state.worse += 1
        self._processes.wait()

    def _save(self, state: TrainingState, output: Path, run: str, log: RunLog) -> None:
        if state.step % self._settings.checkpoint_steps or not self._processes.is_main:
            return
        log.flush()
        text = state.as_text() | ({"scaler": repr(self._scaler.get_scale())} if self._scaler else {})
        save_state(output / STATE, state.step, self._module, self._optimizer, run, text)
