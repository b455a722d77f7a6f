"""Accepted changes of an index on the disk, beside its generations: what is here is not lost by a crash.

    INDEX/accepted/.lock               held by the process that applies the changes
    INDEX/accepted/<job>.jsonl         a line about the job, and one for each change; its name appears when it is whole
    INDEX/accepted/<job>.done.json     how the job ended; its changes are removed after that
    INDEX/accepted/<job>.cancel        the job is to be cancelled
    INDEX/accepted/batch.json          the jobs that are being applied together
    INDEX/accepted/<batch>.rows.jsonl  the documents that they put, as a source of an index
    INDEX/accepted/progress.json       how far that is

Any process may accept, cancel and tell of jobs; one applies them.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from dpr.durable import make_folder, replacing, sync
from service.errors import JobEndedError, UnknownJobError
from service.jobs.document import Change
from service.jobs.job import Job, JobIds, Kind, State, now_utc

JOB_ID = re.compile(r"[0-9a-f]{12,16}-[0-9a-f]{8}")
MAX_BATCH_DOCUMENTS = 50_000
MAX_BATCH_BYTES = 64 * 1024 * 1024
"""What the files of a batch's jobs may have; a job alone may have more."""

KEPT_JOBS = 1_000
"""Jobs that have ended are told of until so many newer ones have."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Jobs that are applied together, as one generation.

    Attributes:
        id: that of its first job, with the number of its jobs.
        jobs: the ids of its jobs, in the order of acceptance.
        puts: how many documents it puts.
        deletes: the ids of the documents that it deletes.
    """

    id: str
    jobs: tuple[str, ...]
    puts: int
    deletes: tuple[str, ...]

    @property
    def command(self) -> str:
        """What the manifest of its generation says made it, by which a batch that was published is known again."""
        return f"dpr-serve documents {self.id}"


class Inbox:
    """The accepted changes of one index."""

    def __init__(self, root: Path) -> None:
        """Look at those of the index at ``root``; nothing is made yet."""
        self.folder = root / "accepted"
        self._new_id = JobIds(after=max((*self._ids(".jsonl"), *self._ids(".done.json")), default=""))

    def accept(self, kind: Kind, changes: Sequence[Change]) -> Job:
        """Write changes to the disk; once this returns, they are not lost.

        Raises:
            DiskFullError: there is no space left.
            OSError: the folder cannot be written.
        """
        job = Job(self._new_id(), kind, len(changes), now_utc())
        with replacing(self._changes(job.id)) as path, path.open("wb") as file:
            file.write(orjson.dumps(_fields_of(job)) + b"\n")
            file.writelines(change.to_json() for change in changes)
        return job

    def find(self, job_id: str) -> Job:
        """Return a job as it is now.

        Raises:
            UnknownJobError: there is none of that id.
        """
        if JOB_ID.fullmatch(job_id):
            for path in (self._outcome(job_id), self._changes(job_id), self._outcome(job_id)):  # it may end meanwhile
                with suppress(FileNotFoundError):
                    return self._with_progress(_read_job(path))
        raise UnknownJobError(f"there is no job {job_id[:40]!r}; GET /v1/jobs lists those that there are")

    def jobs(self, limit: int) -> list[Job]:
        """Return the newest jobs, newest first."""
        ids = sorted({*self._ids(".jsonl"), *self._ids(".done.json")}, reverse=True)
        jobs = []
        for job_id in ids[:limit]:
            with suppress(UnknownJobError):
                jobs.append(self.find(job_id))
        return jobs

    def queued(self) -> list[str]:
        """Return the ids of the jobs that have not ended, in the order of acceptance."""
        ended = set(self._ids(".done.json"))
        return sorted(job_id for job_id in self._ids(".jsonl") if job_id not in ended)

    def cancel(self, job_id: str) -> Job:
        """Ask for a job to be cancelled; return it as it is now.

        Raises:
            UnknownJobError: there is none of that id.
            JobEndedError: it has ended.
        """
        job = self.find(job_id)
        if job.state not in ("queued", "running"):
            raise JobEndedError(f"the job {job_id} is {job.state}, and cannot be cancelled")
        self._cancelled(job_id).touch()
        return job

    def is_cancelled(self, job_id: str) -> bool:
        """Tell whether a job is to be cancelled."""
        return self._cancelled(job_id).exists()

    def changes(self, job_id: str) -> Iterator[Change]:
        """Yield the changes of a job that has not ended."""
        with self._changes(job_id).open("rb") as file:
            next(file)
            yield from map(Change.from_json, file)

    def has_document(self, document_id: str) -> bool | None:
        """Tell what the newest change that is not applied yet makes of a document; None: there is none."""
        last = None
        for job_id in self.queued():
            with suppress(FileNotFoundError):  # it has ended meanwhile
                for change in self.changes(job_id):
                    if change.id == document_id:
                        last = change.text is not None
        return last

    def take(self) -> int | None:
        """Become the one that applies the changes; return the descriptor that holds it, None if another does."""
        make_folder(self.folder)
        descriptor = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor

    def batch(self) -> Batch | None:
        """Return the batch that is being applied, by this process or by one before."""
        try:
            fields = orjson.loads((self.folder / "batch.json").read_bytes())
        except FileNotFoundError:
            return None
        return Batch(fields["id"], tuple(fields["jobs"]), fields["puts"], tuple(fields["deletes"]))

    def begin(self, job_ids: Iterable[str]) -> Batch:
        """Make a batch of some jobs, of which the later ones win; it is begun again after a crash."""
        jobs: list[str] = []
        last: dict[str, Change] = {}
        size_bytes = 0
        for job_id in job_ids:
            size_bytes += self._changes(job_id).stat().st_size
            if jobs and size_bytes > MAX_BATCH_BYTES:
                break
            changes = {change.id: change for change in self.changes(job_id)}
            if jobs and len(last) + len(changes) > MAX_BATCH_DOCUMENTS:
                break
            jobs.append(job_id)
            last |= changes
        puts = [change for change in last.values() if change.text is not None]
        deletes = tuple(change.id for change in last.values() if change.text is None)
        batch = Batch(f"{jobs[0]}+{len(jobs) - 1}", tuple(jobs), len(puts), deletes)
        with replacing(self.rows(batch)) as path, path.open("wb") as file:
            file.writelines(change.to_json() for change in puts)
        with replacing(self.folder / "batch.json") as path:
            path.write_bytes(orjson.dumps(asdict(batch)))
        return batch

    def rows(self, batch: Batch) -> Path:
        """Return the file of the documents that a batch puts, as a source of an index."""
        return self.folder / f"{batch.id}.rows.jsonl"

    def dissolve(self, batch: Batch) -> None:
        """Give a batch up; its jobs are queued as before."""
        for path in (self.folder / "batch.json", self.folder / "progress.json", self.rows(batch)):
            path.unlink(missing_ok=True)
        sync(self.folder)

    def end(self, job_id: str, state: State, generation: str | None = None, error: str | None = None) -> None:
        """Write down how a job ended, and then remove its changes."""
        job = _read_job(self._changes(job_id))
        ended = replace(job, state=state, finished_utc=now_utc(), generation=generation, error=error)
        with replacing(self._outcome(job_id)) as path:
            path.write_bytes(orjson.dumps(_fields_of(ended)))
        self._changes(job_id).unlink()
        self._cancelled(job_id).unlink(missing_ok=True)

    def clean(self) -> None:
        """Remove what a crash left of jobs that have ended, and all of the oldest ones."""
        ended = sorted(self._ids(".done.json"))
        for job_id in ended:
            self._changes(job_id).unlink(missing_ok=True)
            self._cancelled(job_id).unlink(missing_ok=True)
        for job_id in ended[:-KEPT_JOBS]:
            self._outcome(job_id).unlink(missing_ok=True)

    def report(self, **progress: Any) -> None:
        """Say how far the batch is, or why it is tried again."""
        path = self.folder / "progress.json"
        unfinished = path.with_suffix(".new")
        unfinished.write_bytes(orjson.dumps(progress))
        unfinished.replace(path)

    def _with_progress(self, job: Job) -> Job:
        if job.state != "queued" or (batch := self.batch()) is None or job.id not in batch.jobs:
            return job
        progress: dict[str, Any] = {}
        with suppress(FileNotFoundError):
            progress = orjson.loads((self.folder / "progress.json").read_bytes())
        return replace(job, state="running", **progress)

    def _ids(self, ending: str) -> Iterator[str]:
        with suppress(FileNotFoundError), os.scandir(self.folder) as entries:
            for entry in entries:
                name = entry.name.removesuffix(ending)
                if name != entry.name and JOB_ID.fullmatch(name):
                    yield name

    def _changes(self, job_id: str) -> Path:
        return self.folder / f"{job_id}.jsonl"

    def _outcome(self, job_id: str) -> Path:
        return self.folder / f"{job_id}.done.json"

    def _cancelled(self, job_id: str) -> Path:
        return self.folder / f"{job_id}.cancel"


def _fields_of(job: Job) -> dict[str, object]:
    return {name: value for name, value in asdict(job).items() if value is not None}


def _read_job(path: Path) -> Job:
    with path.open("rb") as file:
        return Job(**orjson.loads(file.readline()))
