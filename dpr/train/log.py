"""The log of a run: a JSON line for each step and validation, and TensorBoard files if TensorBoard is installed."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from dpr.durable import write_atomically

if TYPE_CHECKING:
    from dpr.train.step import StepResult

LOG = "log.jsonl"


class RunLog:
    """``log.jsonl`` and ``tensorboard/`` of an output folder, continued after a step; only the main process writes."""

    def __init__(self, output: Path, last_step: int, is_main: bool) -> None:
        self._is_main = is_main
        if not is_main:
            return
        _forget_after(output / LOG, last_step)
        self._file = (output / LOG).open("a", encoding="utf-8", buffering=1)
        self._board = _tensorboard(output / "tensorboard", last_step)

    def step(self, step: int, result: StepResult, learning_rate: float, pairs_per_s: float) -> None:
        """Log a step: its loss, and the mean number of negatives of a question."""
        values = {
            "loss": round(result.loss, 5),
            "negatives": round(result.negatives, 1),
            "learning_rate": learning_rate,
            "pairs_per_s": round(pairs_per_s, 2),
        }
        self._write(step, "train", values)

    def validation(self, step: int, metrics: Mapping[str, float]) -> None:
        """Log a validation."""
        self._write(step, "validation", {name: round(value, 5) for name, value in metrics.items()})

    def flush(self) -> None:
        """Flush the log file."""
        if self._is_main:
            self._file.flush()

    def _write(self, step: int, kind: str, values: Mapping[str, float]) -> None:
        if not self._is_main:
            return
        self._file.write(json.dumps({"step": step, "kind": kind, **values}) + "\n")
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(f"{kind}/{name}", value, step)

    def __enter__(self) -> RunLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_main:
            self._file.close()
            if self._board is not None:
                self._board.close()


def read_log(output: Path) -> list[dict[str, Any]]:
    """Return the lines of a run's log, in order; empty without a log."""
    path = output / LOG
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.endswith("}")]


def _forget_after(path: Path, last_step: int) -> None:
    """Remove the lines that a killed run wrote after the step to resume from, so that each step is logged once."""
    if path.is_file():
        lines = [line for line in read_log(path.parent) if line["step"] <= last_step]
        write_atomically(path, "".join(json.dumps(line) + "\n" for line in lines))


def _tensorboard(folder: Path, last_step: int) -> Any | None:
    if importlib.util.find_spec("tensorboard") is None:
        return None
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder), purge_step=last_step + 1 if last_step else None)
