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
import stat
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Condition, Event
from typing import Any, Generic, TypeVar

import orjson

from dpr.documents.document import Block, Converted
from dpr.documents.limits import DEFAULT_LIMITS, LEAST_SHARE_MIB, DocumentLimits
from dpr.errors import DocumentError

MOST_PROCESSES = 4

MOST_WAITING_BYTES = 1 << 24
"""Of texts that wait for their turn; more are not begun until these were taken."""

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


def process_count(memory_mib: int = DEFAULT_LIMITS.memory_mib) -> int:
    """Return how many processes convert at a time: at most `MOST_PROCESSES`, one for each core and share of memory."""
    return min(MOST_PROCESSES, len(os.sched_getaffinity(0)), memory_mib // LEAST_SHARE_MIB)


def convert_all(
    requests: Iterable[Request[Key]], limits: DocumentLimits = DEFAULT_LIMITS, processes: int | None = None
) -> Iterator[tuple[Key, Converted | DocumentError]]:
    """Yield the text of each document, or why it has none, in the order of the requests.

    Memory does not grow with the number of documents: all processes together have the ``limits``' addresses, at most
    two documents for each are under way or waiting for their turn, and no more are begun while `MOST_WAITING_BYTES`
    wait.
    """
    count = processes or process_count(limits.memory_mib)
    crew = _Crew(limits, count)
    threads = ThreadPoolExecutor(count, thread_name_prefix="convert")
    pending: deque[tuple[Key, Future[bytes | DocumentError]]] = deque()
    try:
        for request in requests:
            pending.append((request.key, threads.submit(crew.convert, request)))
            while pending and (len(pending) >= 2 * count or _waiting_bytes(pending) > MOST_WAITING_BYTES):
                yield _next_of(pending)
        while pending:
            yield _next_of(pending)
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        crew.kill()
        threads.shutdown()
        crew.end()


def _next_of(pending: deque[tuple[Key, Future[bytes | DocumentError]]]) -> tuple[Key, Converted | DocumentError]:
    key, future = pending.popleft()
    result = future.result()
    del future  # and with it the reply, once it is decoded
    return key, result if isinstance(result, DocumentError) else _decoded(result)


def _waiting_bytes(pending: Iterable[tuple[Key, Future[bytes | DocumentError]]]) -> int:
    results = [future.result() for _, future in pending if future.done()]
    return sum(len(result) for result in results if isinstance(result, bytes))


class _Crew:
    """The processes: some with a share of the memory each, or one with all of it."""

    def __init__(self, limits: DocumentLimits, count: int) -> None:
        self._limits = limits
        self._share_mib = limits.memory_mib // count
        self._has_shares = count > 1
        self._idle: queue.SimpleQueue[_Process] = queue.SimpleQueue()
        self._started: list[_Process] = []
        self._is_over = Event()
        self._turn = Condition()
        self._busy = 0
        self._alone = 0

    def convert(self, request: Request[Key]) -> bytes | DocumentError:
        """Convert one document in a process that is idle, or in a new one; again, alone, if the share is too small."""
        try:
            with self._sharing():
                return self._convert(request, self._share_mib)
        except _OutOfMemoryError as error:
            if not self._has_shares:
                return DocumentError(str(error))
        except DocumentError as error:
            return error
        with self._alone_in_turn():
            try:
                return self._convert(request, self._limits.memory_mib)
            except DocumentError as error:
                return error

    def kill(self) -> None:
        """Kill all processes; conversions that are under way fail, and no new one begins."""
        self._is_over.set()
        for process in tuple(self._started):
            process.kill()

    def end(self) -> None:
        """Close what is left of the processes; no thread may convert any longer."""
        for process in self._started:
            process.end()

    def _convert(self, request: Request[Key], memory_mib: int) -> bytes:
        try:
            process = self._idle.get_nowait()
        except queue.Empty:
            process = _Process(self._limits, memory_mib)
            self._started.append(process)
            if self._is_over.is_set():  # it came too late to be killed with the others
                process.kill()
        try:
            return process.convert(request.path, request.ending, request.encoding)
        finally:
            if process.is_alive and memory_mib == self._share_mib:
                self._idle.put(process)
            else:
                process.end()
                self._started.remove(process)

    @contextmanager
    def _sharing(self) -> Iterator[None]:
        """Wait until no document needs all of the memory."""
        with self._turn:
            self._turn.wait_for(lambda: not self._alone)
            self._busy += 1
        try:
            yield
        finally:
            with self._turn:
                self._busy -= 1
                self._turn.notify_all()

    @contextmanager
    def _alone_in_turn(self) -> Iterator[None]:
        """Wait until no other document is converted, and end the processes that hold memory."""
        with self._turn:
            self._alone += 1
            self._turn.wait_for(lambda: not self._busy)
            self._busy += 1
        try:
            with suppress(queue.Empty):
                while True:
                    process = self._idle.get_nowait()
                    process.end()
                    self._started.remove(process)
            yield
        finally:
            with self._turn:
                self._busy -= 1
                self._alone -= 1
                self._turn.notify_all()


class _OutOfMemoryError(DocumentError):
    """A document needs more memory than its process may use, or its process has died of it."""


class _Process:
    """A worker process; it converts one document at a time."""

    def __init__(self, limits: DocumentLimits, memory_mib: int) -> None:
        self._limits = limits
        path = os.pathsep.join(filter(None, (str(_PACKAGE_FOLDER), os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(
            [sys.executable, *WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"},
            bufsize=0,
            process_group=0,
        )
        self._pipe_in: Any = self._process.stdin
        self._pipe_out: Any = self._process.stdout
        self._send(str(memory_mib))

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def convert(self, path: Path, ending: str, encoding: str) -> bytes:
        """Return the text of a document as the worker wrote it.

        Raises:
            DocumentError: it has none, or the process had to be ended.
            _OutOfMemoryError: the process died of it, or had too little memory.
        """
        size = _size_bytes(path)
        if size > self._limits.mib << 20:
            raise DocumentError(f"has {size >> 20:,} MiB, more than the {self._limits.mib:,} of a document; split it")
        request = {
            "path": str(path.absolute()),
            "ending": ending,
            "encoding": encoding,
            "seconds": self._limits.seconds,
        }
        deadline = time.monotonic() + self._limits.seconds
        self._send(json.dumps(request))
        length = int.from_bytes(self._read(4, deadline), "little")
        reply = self._read(length, deadline)
        if reply.startswith(b'{"converted"'):
            return reply
        refusal = json.loads(reply)
        if "is_last" in refusal:
            self._process.wait()
            raise _OutOfMemoryError(refusal["error"])
        raise DocumentError(refusal["error"])

    def kill(self) -> None:
        """Kill the process and those that it has started; a conversion that is under way fails."""
        if self.is_alive:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def end(self) -> None:
        """Kill the process and close its pipes; no thread may use it any longer."""
        self.kill()
        self._process.wait()
        self._pipe_in.close()
        self._pipe_out.close()

    def _send(self, line: str) -> None:
        with suppress(BrokenPipeError):  # the process has ended, which reading its reply tells
            self._pipe_in.write(line.encode() + b"\n")

    def _read(self, count: int, deadline: float) -> bytes:
        content = bytearray()
        while len(content) < count:
            ready, _, _ = select.select([self._pipe_out], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                self.kill()
                self._process.wait()
                raise DocumentError(f"takes more than {self._limits.seconds} seconds to convert; split it")
            read = os.read(self._pipe_out.fileno(), min(_READ_BYTES, count - len(content)))
            if not read:
                raise _OutOfMemoryError(f"ends its converter ({self._end()}); open and save it anew")
            content += read
        return bytes(content)

    def _end(self) -> str:
        code = self._process.wait()
        if code < 0:
            with suppress(ValueError):
                return signal.Signals(-code).name
        return f"exit code {code}"


def _size_bytes(path: Path) -> int:
    """Return the size of a file that can be opened."""
    try:
        status = path.stat()
        if stat.S_ISREG(status.st_mode):
            path.open("rb").close()
            return status.st_size
    except OSError as error:
        raise DocumentError(f"cannot be opened: {error.strerror}") from None
    raise DocumentError("is a pipe, a device or a folder, and no file; save it as a file")


def _decoded(reply: bytes) -> Converted:
    value = orjson.loads(reply)["converted"]
    return Converted(
        blocks=tuple(Block(**block) for block in value["blocks"]),
        title=value["title"],
        fields=value["fields"],
        notes=tuple(value["notes"]),
    )
