"""A Milvus for tests: milvus-lite as a server on this machine alone, which tests may kill; or one that is named."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree

import pytest

CLUSTER = "MILVUS_URI"
"""The environment variable with the address of another Milvus to run the tests against."""


class MilvusServer:
    """A server with a data folder of its own.

    Attributes:
        uri: its address.
    """

    def __init__(self) -> None:
        """Start an empty server, or take the one that the environment names."""
        self.uri = os.environ.get(CLUSTER, "")
        self._process: subprocess.Popen[bytes] | None = None
        if not self.uri:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self._port = probe.getsockname()[1]
            self._folder = Path(tempfile.mkdtemp(prefix="dpr-milvus-"))
            self.uri = f"http://127.0.0.1:{self._port}"
            self.start()

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        address = ["--host", "127.0.0.1", "--port", str(self._port), "--data-dir", str(self._folder / "data")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "milvus_lite", "server", *address],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + 60
        while not self._answers():
            assert time.monotonic() < deadline, (self._folder / "log").read_text()[-2000:]
            time.sleep(0.05)

    def kill(self) -> None:
        """Kill the server with SIGKILL; skip the test if it is not one of the tests'."""
        if self._process is None:
            pytest.skip(f"the server that {CLUSTER} names is not killed")
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop the server's process in the block, so that it does not answer."""
        if self._process is None:
            pytest.skip(f"the server that {CLUSTER} names is not stopped")
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def data_bytes(self) -> int:
        """Return the size of its data, without the log of rows; skip the test if the server is another's."""
        if self._process is None:
            pytest.skip(f"the data of the server that {CLUSTER} names is elsewhere")
        files = (self._folder / "data").glob("**/*")
        return sum(path.stat().st_size for path in files if path.is_file() and "wal" not in path.name)

    def stop(self) -> None:
        """End the server, and remove its data."""
        if self._process is not None:
            self.kill()
            rmtree(self._folder, ignore_errors=True)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0
