"""What an unfinished build has finished, so that the same build, started again, goes on from there.

A line is written for each finished piece of work, after the files of that piece are on the disk. The first line says
whose journal it is: a build goes on from the journal of the same options, inputs and models only.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dpr.durable import write_atomically


class Journal:
    """The finished pieces of one build, by name, each with a JSON value that says what it gave."""

    def __init__(self, path: Path, build: str, generation: int, finished: Mapping[str, Any]) -> None:
        """Hold what a file says; see ``start`` and ``read``."""
        self.build = build
        self.generation = generation
        self._path = path
        self._finished = dict(finished)

    @classmethod
    def start(cls, path: Path, build: str, generation: int) -> Journal:
        """Begin the journal of a build, in place of whatever stands there."""
        write_atomically(path, _line({"build": build, "generation": generation}))
        return cls(path, build, generation, {})

    @classmethod
    def read(cls, path: Path) -> Journal | None:
        """Return the journal in a file; None where there is none, or where its first line cannot be read.

        A last line that was cut off by a crash is removed, so that the next one stands alone.
        """
        try:
            written = path.read_bytes()
        except FileNotFoundError:
            return None
        whole = written[: written.rfind(b"\n") + 1]
        if len(whole) < len(written):
            os.truncate(path, len(whole))
        try:
            head, *pieces = (json.loads(line) for line in whole.splitlines())
            finished = {piece["finished"]: piece["result"] for piece in pieces}
            return cls(path, head["build"], head["generation"], finished)
        except (ValueError, LookupError, TypeError):
            return None

    def __contains__(self, piece: str) -> bool:
        return piece in self._finished

    def __len__(self) -> int:
        return len(self._finished)

    def __getitem__(self, piece: str) -> Any:
        """What a finished piece gave."""
        return self._finished[piece]

    def finish(self, piece: str, result: object = None) -> None:
        """Note that a piece is finished; call it when its files are on the disk."""
        line = _line({"finished": piece, "result": result})
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        self._finished[piece] = json.loads(line)["result"]

    def remove(self) -> None:
        """Forget the build, which is published or given up."""
        self._path.unlink(missing_ok=True)


def _line(values: Mapping[str, object]) -> str:
    return json.dumps(values, ensure_ascii=False) + "\n"
