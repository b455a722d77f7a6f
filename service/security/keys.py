"""API keys and the file that holds them: random keys, of which only hashes are stored.

A key is ``dpr_`` + 12 hexadecimal digits, its id, + ``_`` + 256 random bits in base64url. The id is public: commands
and logs name a key by it. The file holds the SHA-256 of the whole key. A slow password hash would add nothing: it
protects guessable secrets, and 256 random bits cannot be guessed.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import secrets
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, cast

from dpr.durable import make_folder, replacing
from dpr.errors import ConfigError

Scope = Literal["read", "write", "admin"]

LEVELS: Mapping[Scope, int] = {"read": 1, "write": 2, "admin": 3}
"""``read`` asks questions, ``write`` changes documents too, ``admin`` also changes what is served."""

KEY = re.compile(r"dpr_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")
NAME = re.compile(r"[\w][\w .@-]{0,63}")
RATE_LIMITS = (0.01, 100_000.0)
"""Smallest and largest rate limit, requests a second."""

_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What is stored of a key.

    Attributes:
        id: names the key in commands and logs.
        name: whose key it is; unique in its file.
        scope: ``read``, ``write`` or ``admin``.
        sha256: hash of the whole key, hexadecimal.
        created: when it was made, ISO 8601.
        rate_per_s: requests a second that it may ask; None for the server's limit.
    """

    id: str
    name: str
    scope: Scope
    sha256: str
    created: str
    rate_per_s: float | None = None


def hash_of(key: str) -> str:
    """Return the SHA-256 of a key, hexadecimal."""
    return hashlib.sha256(key.encode("ascii")).hexdigest()


def new_key(name: str, scope: str, rate_per_s: float | None = None) -> tuple[str, KeyRecord]:
    """Make a random key; return it with its record.

    Raises:
        ConfigError: the name, the scope or the rate limit is none.
    """
    key_id = secrets.token_hex(6)
    key = f"dpr_{key_id}_{secrets.token_urlsafe(32)}"
    created = datetime.now(UTC).isoformat(timespec="seconds")
    record = KeyRecord(key_id, name, cast("Scope", scope), hash_of(key), created, rate_per_s)
    if problem := _problem(record):
        raise ConfigError(problem)
    return key, record


def read_keys(path: Path) -> tuple[KeyRecord, ...]:
    """Read a keys file.

    Raises:
        ConfigError: it is absent, unreadable, no keys file, another user's, or others than its owner may write it.
    """
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:  # noqa: PTH123  # a pipe must not block it
            state = os.fstat(file.fileno())
            content = file.read()
    except FileNotFoundError:
        raise ConfigError(f"the keys file {path} does not exist; make it with dpr-serve keys add") from None
    except OSError as error:
        raise ConfigError(f"the keys file {path} cannot be read ({error.strerror}); correct its path or mode") from None
    if state.st_uid not in (0, os.geteuid()):
        raise ConfigError(f"the keys file {path} belongs to another user; run: chown {os.geteuid()} {path}")
    if state.st_mode & _WRITABLE_BY_OTHERS:
        raise ConfigError(f"others than its owner may write the keys file {path}; run: chmod go-w {path}")
    try:
        entries = json.loads(content)["keys"]
        records = tuple(KeyRecord(**entry) for entry in entries)
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ConfigError(f"{path} is not a keys file; make one with dpr-serve keys add") from None
    for record in records:
        if problem := _problem(record):
            raise ConfigError(f"{path} is damaged: {problem}")
    if len({record.id for record in records}) < len(records):
        raise ConfigError(f"{path} is damaged: two of its keys have the same id; revoke one of them")
    return records


@contextmanager
def changing(path: Path) -> Iterator[list[KeyRecord]]:
    """Yield the keys of a file as a list, and write what it holds at the end; others who change it wait.

    A new file can be read by its owner alone; an existing one keeps its owner and its mode.

    Raises:
        ConfigError: the file is there and is no keys file.
    """
    make_folder(path.parent)
    with _locked(path.parent):
        records = list(read_keys(path)) if path.exists() else []
        yield records
        _write(path, records)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(path: Path, records: Sequence[KeyRecord]) -> None:
    target = path.resolve()  # a link to the file stays a link
    before = target.stat() if target.exists() else None
    content = json.dumps({"keys": [asdict(record) for record in records]}, ensure_ascii=False, indent=2)
    with replacing(target) as unfinished:
        unfinished.unlink(missing_ok=True)
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            if before is not None:
                with contextlib.suppress(PermissionError):  # the owner alone may give a file away; then it is ours
                    os.fchown(file.fileno(), before.st_uid, before.st_gid)
                os.fchmod(file.fileno(), stat.S_IMODE(before.st_mode) & ~_WRITABLE_BY_OTHERS)
            file.write(content + "\n")


def _problem(record: KeyRecord) -> str | None:
    """Return what is wrong with a record, in one sentence; None if nothing is."""
    values: Mapping[str, Any] = asdict(record)
    if not all(isinstance(values[name], str) for name in ("id", "name", "scope", "sha256", "created")):
        return "a key has a field that is not text; make it anew with dpr-serve keys add"
    if not NAME.fullmatch(record.name):
        return f"the name {record.name!r} is none; use up to 64 letters, digits, blanks, and . @ - _"
    if record.scope not in LEVELS:
        return f"the scope {record.scope!r} of {record.name} is unknown; choose {', '.join(LEVELS)}"
    if not re.fullmatch(r"[0-9a-f]{12}", record.id) or not re.fullmatch(r"[0-9a-f]{64}", record.sha256):
        return f"the id or the hash of {record.name} is none; make its key anew with dpr-serve keys add"
    rate, (least, most) = record.rate_per_s, RATE_LIMITS
    is_rate = isinstance(rate, int | float) and not isinstance(rate, bool) and least <= rate <= most
    if rate is not None and not is_rate:
        return f"the rate limit {rate} of {record.name} is out of range; choose {least} to {most:,.0f} a second"
    return None
