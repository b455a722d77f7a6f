"""A database server that the environment names: its settings, and work that is done again where the connection breaks.

What it raises says what to do, and shows neither a password nor a token.
"""

from __future__ import annotations

import logging
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar, cast

from dpr.errors import ConfigError, StoreError

logger = logging.getLogger(__name__)

Session = TypeVar("Session")
Result = TypeVar("Result")

TIMEOUT_S = 30.0

FIRST_PATIENCE_S = 5.0
"""Seconds of new attempts before the database has answered once: a wrong address shows soon."""

SEARCH_PATIENCE_S = 10.0
"""Seconds of new attempts of a search."""

LOAD_PATIENCE_S = 120.0
"""Seconds of new attempts while vectors are loaded: a server that restarts may replay its log for so long."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 2.0


class AbsentTableError(Exception):
    """Work on a server names a table that it does not have."""


class Server(ABC, Generic[Session]):
    """A database server: does work, and does it again where the connection breaks.

    Attributes:
        timeout_s: seconds after which a search is given up.
    """

    variable: ClassVar[str]
    """The environment variable with its address."""

    timeout_variable: ClassVar[str]

    credentials: ClassVar[str]
    """What beside the address may be wrong where it refuses, in words."""

    def __init__(self, secret: str, timeout_s: float) -> None:
        """Prepare; nothing is connected yet. Messages show the secret as ``***``."""
        self.timeout_s = timeout_s
        self._secret = secret
        self._was_reached = False

    def run(self, work: Callable[[Session], Result], patience_s: float | None = None) -> Result:
        """Return what ``work`` returns for a session with the server.

        Where the connection breaks, ``work`` is called again with another one, for ``patience_s`` (None:
        `SEARCH_PATIENCE_S`): it must be safe to repeat.

        Raises:
            StoreError: the database cannot be reached, refuses, or takes too long.
            AbsentTableError: ``work`` names a table that is not there.
        """
        patience_s = SEARCH_PATIENCE_S if patience_s is None else patience_s
        deadline = time.monotonic() + (patience_s if self._was_reached else FIRST_PATIENCE_S)
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                return self._attempt(work)
            except self._errors() as error:
                is_late = time.monotonic() + pause_s > deadline
                if not self._is_broken(error) or is_late:
                    raise self._store_error(error) from None
                if pause_s == FIRST_PAUSE_S:
                    logger.warning("the connection to the database broke, trying again: %s", self._sentence(error))
                self.close()
                time.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    @abstractmethod
    def _attempt(self, work: Callable[[Session], Result]) -> Result:
        """Connect if need be, set ``_was_reached``, and return what the work returns."""

    @abstractmethod
    def _errors(self) -> tuple[type[Exception], ...]:
        """Return the errors of the driver."""

    @abstractmethod
    def _is_broken(self, error: Exception) -> bool:
        """Tell whether the connection broke or could not be made, so that another attempt may succeed."""

    @abstractmethod
    def _is_timeout(self, error: Exception) -> bool:
        """Tell whether the server took too long."""

    @abstractmethod
    def close(self) -> None:
        """Close connections that nobody uses; the next work opens another one."""

    def _message(self, error: Exception) -> str:
        return str(error)

    def _sentence(self, error: Exception) -> str:
        message = " ".join(self._message(error).split()) or type(error).__name__
        return message.replace(self._secret, "***") if self._secret else message

    def _store_error(self, error: Exception) -> StoreError:
        if self._is_timeout(error):
            return StoreError(
                f"the database took longer than {self.timeout_s:g} seconds; set {self.timeout_variable} higher, or use "
                "the index type with a graph"
            )
        return StoreError(
            f"the database that {self.variable} names cannot be used ({self._sentence(error)}); see that it runs, and "
            f"that the address and {self.credentials} are right"
        )


_shared: dict[tuple[Any, ...], Server[Any]] = {}

AnyServer = TypeVar("AnyServer", bound=Server[Any])


def shared(server_class: type[AnyServer], *settings: str | float) -> AnyServer:
    """Return a server, the same one for the same settings.

    Raises:
        ConfigError: a setting cannot be read.
        MissingDependencyError: the driver is not installed.
    """
    key = (server_class, *settings)
    if key not in _shared:
        _shared[key] = server_class(*settings)  # type: ignore[arg-type]  # each has settings of its own
    return cast("AnyServer", _shared[key])


def close_all() -> None:
    """Close the connections that nobody uses, and forget the servers."""
    for server in _shared.values():
        server.close()
    _shared.clear()


def setting(variable: str, file_variable: str) -> str:
    """Return what an environment variable has, or the content of the file that the other one names; empty: neither.

    Raises:
        ConfigError: the file cannot be read.
    """
    text, path = os.environ.get(variable, ""), os.environ.get(file_variable, "")
    if text or not path:
        return text
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file_variable} is {path}, which cannot be read ({type(error).__name__})") from error


def timeout_setting(variable: str) -> float:
    """Return the seconds that an environment variable has, `TIMEOUT_S` without one.

    Raises:
        ConfigError: it has no number of seconds.
    """
    text = os.environ.get(variable, "") or str(TIMEOUT_S)
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.1 <= seconds <= 86_400:
        raise ConfigError(f"{variable} is {text!r}; give seconds, from 0.1 to 86400")
    return seconds
