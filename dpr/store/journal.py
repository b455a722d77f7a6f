"""The journal of an unfinished build: its finished pieces, from which the same build continues when started again.

A line is written for each finished piece of work, after the files of that piece are on the disk. The first line
identifies the build: only a build of the same options, inputs and models continues from it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dpr.durable import write_atomically


class Journal:
    """The finished pieces of one build by name, each with its result as a JSON value."""

    def __init__(self, path: Path, build: str, generation: int, finished: Mapping[str, Any]) -> None:
        """Wrap the content of a journal file; see ``start`` and ``read``."""
        self.build = build
        self.generation = generation
        self._path = path
        self._finished = dict(finished)

    @classmethod
    def start(cls, path: Path, build: str, generation: int) -> Journal:
        """Start the journal of a build; replace any other journal."""
        write_atomically(path, _line({"build": build, "generation": generation}))
        return cls(path, build, generation, {})

    @classmethod
    def read(cls, path: Path) -> Journal | None:
        """Return the journal in a file; None where there is none, or where its first line cannot be read.

        A last line that a crash cut off is removed, so that the next line starts on its own.
        """
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        complete_lines = content[: content.rfind(b"\n") + 1]
        if len(complete_lines) < len(content):
            os.truncate(path, len(complete_lines))
        try:
            head, *pieces = (json.loads(line) for line in complete_lines.splitlines())
            finished = {piece["finished"]: piece["result"] for piece in pieces}
            return cls(path, head["build"], head["generation"], finished)
        except (ValueError, LookupError, TypeError):
            return None

    def __contains__(self, piece: str) -> bool:
        return piece in self._finished

    def __len__(self) -> int:
        return len(self._finished)

    def __getitem__(self, piece: str) -> Any:
        """Return the result of a finished piece."""
        return self._finished[piece]

    def finish(self, piece: str, result: object = None) -> None:
        """Record that a piece is finished; call it after its files are on the disk."""
        line = _line({"finished": piece, "result": result})
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        self._finished[piece] = json.loads(line)["result"]

    def remove(self) -> None:
        """Remove the journal of a build that is published or abandoned."""
        self._path.unlink(missing_ok=True)


def _line(values: Mapping[str, object]) -> str:
    return json.dumps(values, ensure_ascii=False) + "\n"
