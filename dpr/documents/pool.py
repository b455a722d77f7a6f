"""Convert many documents in processes of their own, in order; a process that dies of a document is replaced.

What a document can do to its process (a crash of a library, memory without end, an endless loop) is an error of that
document, and of nothing else.
"""

from __future__ import annotations

import json
import os
import queue
import select
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, Generic, TypeVar

from dpr.documents.document import Block, Converted
from dpr.documents.limits import DEFAULT_LIMITS, DocumentLimits
from dpr.errors import DocumentError

MOST_PROCESSES = 4

WORKER = ("-m", "dpr.documents.worker")
"""Arguments of Python that start a worker."""

_READ_BYTES = 1 << 20
_PACKAGE_FOLDER = Path(__file__).parents[2]

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Request(Generic[Key]):
    """A file to convert by the format of an ending; ``key`` is the caller's name for it."""

    key: Key
    path: Path
    ending: str
    encoding: str = "utf-8"


def process_count() -> int:
    """Return how many processes convert at a time: one for each core, at most `MOST_PROCESSES`."""
    return min(MOST_PROCESSES, len(os.sched_getaffinity(0)))


def convert_all(
    requests: Iterable[Request[Key]], limits: DocumentLimits = DEFAULT_LIMITS, processes: int | None = None
) -> Iterator[tuple[Key, Converted | DocumentError]]:
    """Yield the text of each document, or why it has none, in the order of the requests.

    At most two documents for each process are under way, or waiting for their turn, so that memory does not grow with
    the number of documents.
    """
    count = processes or process_count()
    idle: queue.SimpleQueue[_Process] = queue.SimpleQueue()
    started: list[_Process] = []
    is_over = Event()

    def work(request: Request[Key]) -> Converted | DocumentError:
        """Convert one document in a process that is idle, or in a new one."""
        try:
            process = idle.get_nowait()
        except queue.Empty:
            process = _Process(limits)
            started.append(process)
            if is_over.is_set():  # it came too late to be killed with the others
                process.kill()
        try:
            return process.convert(request.path, request.ending, request.encoding)
        except DocumentError as error:
            return error
        finally:
            if process.is_alive:
                idle.put(process)

    threads = ThreadPoolExecutor(count, thread_name_prefix="convert")
    pending: deque[tuple[Key, Future[Converted | DocumentError]]] = deque()
    try:
        for request in requests:
            pending.append((request.key, threads.submit(work, request)))
            if len(pending) == 2 * count:
                key, future = pending.popleft()
                yield key, future.result()
        while pending:
            key, future = pending.popleft()
            yield key, future.result()
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        is_over.set()
        for process in tuple(started):
            process.kill()
        threads.shutdown()
        for process in started:
            process.end()


class _Process:
    """A worker process; it converts one document at a time."""

    def __init__(self, limits: DocumentLimits) -> None:
        self._limits = limits
        path = os.pathsep.join(filter(None, (str(_PACKAGE_FOLDER), os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(
            [sys.executable, *WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"},
            bufsize=0,
        )
        self._send(str(limits.memory_mib))

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def convert(self, path: Path, ending: str, encoding: str) -> Converted:
        """Return the text of a document.

        Raises:
            DocumentError: it has none, or the process died of it or had to be ended.
        """
        try:
            size = path.stat().st_size
        except OSError as error:
            raise DocumentError(f"cannot be opened: {error.strerror}") from None
        if size > self._limits.mib << 20:
            raise DocumentError(f"has {size >> 20:,} MiB, more than the {self._limits.mib:,} of a document; split it")
        request = {"path": str(path.absolute()), "ending": ending, "encoding": encoding}
        deadline = time.monotonic() + self._limits.seconds
        self._send(json.dumps(request))
        length = int.from_bytes(self._read(4, deadline), "little")
        reply = json.loads(self._read(length, deadline))
        if "is_last" in reply:
            self._process.wait()
        if "error" in reply:
            raise DocumentError(reply["error"])
        return _decoded(reply["converted"])

    def kill(self) -> None:
        """Kill the process; a conversion that is under way fails."""
        with suppress(ProcessLookupError):
            self._process.kill()

    def end(self) -> None:
        """Kill the process and close its pipes; no thread may use it any longer."""
        self.kill()
        self._process.wait()
        self._pipe_in.close()
        self._pipe_out.close()

    def _send(self, line: str) -> None:
        with suppress(BrokenPipeError):  # the process has ended, which reading its reply tells
            self._pipe_in.write(line.encode() + b"\n")

    @property
    def _pipe_in(self) -> Any:
        return self._process.stdin

    @property
    def _pipe_out(self) -> Any:
        return self._process.stdout

    def _read(self, count: int, deadline: float) -> bytes:
        content = bytearray()
        while len(content) < count:
            ready, _, _ = select.select([self._pipe_out], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                self._process.kill()
                self._process.wait()
                raise DocumentError(f"takes more than {self._limits.seconds} seconds to convert; split it")
            read = os.read(self._pipe_out.fileno(), min(_READ_BYTES, count - len(content)))
            if not read:
                raise DocumentError(f"ends its converter ({self._end()}); open and save it anew")
            content += read
        return bytes(content)

    def _end(self) -> str:
        code = self._process.wait()
        if code < 0:
            with suppress(ValueError):
                return signal.Signals(-code).name
        return f"exit code {code}"


def _decoded(value: dict[str, Any]) -> Converted:
    return Converted(
        blocks=tuple(Block(**block) for block in value["blocks"]),
        title=value["title"],
        fields=value["fields"],
        notes=tuple(value["notes"]),
    )
