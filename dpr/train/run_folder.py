"""The folder of a training run: empty, finished, or left by a killed run."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dpr.durable import write_atomically
from dpr.errors import ConfigError
from dpr.models.checkpoint import optional_json
from dpr.models.export import RECORD
from dpr.models.output import check_output, clear_model, refuse_source, share_as_folder
from dpr.train.distributed import Processes
from dpr.train.log import LOG

logger = logging.getLogger(__name__)

STATE, BEST, MARK = "state.safetensors", "best.safetensors", "unfinished.json"
"""The state that a killed run resumes from, its best weights, and the mark of an unfinished run."""


class RunFolder:
    """The output folder of a run; ``run`` is a hash of its settings, data and base."""

    def __init__(self, output: Path, run: str, overwrite: bool, processes: Processes) -> None:
        self.path = output
        self.run = run
        self._overwrite = overwrite
        self._processes = processes
        self._has_begun = False

    def finished(self, reads: Iterable[str]) -> dict[str, Any] | None:
        """Return the record of this run if it is finished; None if it may begin or resume.

        Args:
            reads: the names of the models that the run reads.

        Raises:
            ConfigError: the folder belongs to a model that the run reads, or holds another model or run.
        """
        refuse_source(self.path, reads)
        if self._overwrite:
            return None
        mark = self._mark()
        if mark is None:
            record = self._record()
            if record is not None:
                logger.info("%s holds this run, and it is finished; --overwrite trains it again", self.path)
                return record
            check_output(self.path, ())
        elif mark["run"] != self.run and self._has_state:
            raise ConfigError(
                f"{self.path} holds an unfinished run with other settings or data; "
                "choose another folder, or --overwrite to discard that run"
            )
        return None

    def begin(self) -> None:
        """Mark the folder as this run's and remove the files of another run; the second call does nothing."""
        if self._has_begun or not self._processes.is_main:
            return
        self._has_begun = True
        mark = self._mark()
        if mark is not None and not self._has_state:
            logger.info("the previous run was killed before its first checkpoint; starting again")
        if mark is None or mark["run"] != self.run:
            clear_model(self.path)
            self._write({"run": self.run})

    @property
    def gradient_cache(self) -> bool | None:
        """Whether this run began with the gradient cache; None before it begins."""
        mark = self._mark()
        return mark.get("gradient_cache") if mark is not None and mark["run"] == self.run else None

    def note_gradient_cache(self, is_used: bool) -> None:
        """Record whether this run uses the gradient cache, so that it makes the same choice when resumed."""
        if self._processes.is_main:
            self._write({"run": self.run, "gradient_cache": is_used})

    def finish(self, record: dict[str, object]) -> None:
        """Write the record and remove the training state."""
        text = json.dumps(record, indent=2, ensure_ascii=False)
        write_atomically(self.path / RECORD, text + "\n")
        for name in (STATE, BEST, MARK):
            (self.path / name).unlink(missing_ok=True)
        share_as_folder(self.path)

    @property
    def _has_state(self) -> bool:
        return (self.path / STATE).is_file()

    def _mark(self) -> dict[str, Any] | None:
        return optional_json(self.path / MARK) or None

    def _record(self) -> dict[str, Any] | None:
        """Return the record of this run; a copy by ``dpr export`` does not count, since it has no log."""
        record = optional_json(self.path / RECORD)
        is_own = (self.path / LOG).is_file() or record.get("steps") == 0
        return record if is_own and record.get("run") == self.run else None

    def _write(self, mark: dict[str, object]) -> None:
        write_atomically(self.path / MARK, json.dumps(mark) + "\n")
