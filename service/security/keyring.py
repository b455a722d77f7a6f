"""The keys of a running server: read at the start, and again whenever their file changes."""

from __future__ import annotations

import hmac
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from dpr.errors import ConfigError
from service.security.keys import KEY, KeyRecord, hash_of, read_keys
from service.security.refusals import KeysUnreadableError, UnauthorizedError

logger = logging.getLogger(__name__)

Fingerprint = tuple[int, int, int, int, int]

_NO_HASH = "0" * 64


class KeyRing:
    """Tells whose key a request brings. A change of the file counts from the next request on.

    A file that cannot be read or trusted any more lets nobody in: its keys of before may have been revoked.

    Raises:
        ConfigError: the file cannot be used from the start.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fingerprint = _fingerprint(path)
        self._records: Mapping[str, KeyRecord] | None = _by_id(path)

    def record_of(self, authorization: Sequence[str]) -> KeyRecord:
        """Return the record of the key in a request's ``Authorization`` headers.

        The key's id is looked up, which tells nothing, and its hash compared in constant time.

        Raises:
            UnauthorizedError: there is no key, more than one, or one that is not in the file.
            KeysUnreadableError: the file changed into one that cannot be used.
        """
        records = self._current()
        if not authorization:
            raise UnauthorizedError("this server asks for a key; send it as Authorization: Bearer KEY")
        scheme, _, key = authorization[0].strip(" \t").partition(" ")
        if len(authorization) > 1 or scheme.lower() != "bearer":
            raise UnauthorizedError("the key is not sent as it should be; send one header, Authorization: Bearer KEY")
        match = KEY.fullmatch(key.lstrip(" "))
        record = records.get(match[1]) if match else None
        is_same = hmac.compare_digest(hash_of(match[0]) if match else _NO_HASH, record.sha256 if record else _NO_HASH)
        if record is None or not is_same:
            raise UnauthorizedError("this server does not know the key; check it, or ask its operator for one")
        return record

    def _current(self) -> Mapping[str, KeyRecord]:
        fingerprint = _fingerprint(self._path)
        if fingerprint != self._fingerprint:
            self._fingerprint = fingerprint
            try:
                self._records = _by_id(self._path)
                logger.info("the keys changed: %d of them now", len(self._records))
            except ConfigError as error:
                self._records = None
                logger.error("nobody is let in: %s", error)  # noqa: TRY400  # it is a sentence
        if self._records is None:
            raise KeysUnreadableError("this server cannot read its keys; its operator finds the cause in the log")
        return self._records


def _by_id(path: Path) -> Mapping[str, KeyRecord]:
    return {record.id: record for record in read_keys(path)}


def _fingerprint(path: Path) -> Fingerprint | None:
    """Return what changes whenever the file is replaced, written to, or gets another mode; None without a file."""
    try:
        state = os.stat(path)  # noqa: PTH116  # asked for at each request
    except OSError:
        return None
    return (state.st_dev, state.st_ino, state.st_mtime_ns, state.st_size, state.st_ctime_ns)
