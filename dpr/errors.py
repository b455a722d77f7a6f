"""Every error that this project raises on purpose.

    DPRError                 exit code 1
    ├── InputError           exit code 2   the input cannot be used
    │   ├── DataError                      a data file: malformed row, wrong offsets, duplicate id, empty corpus
    │   │   ├── DocumentError              a document without a text that can be read: encrypted, damaged, a scan
    │   │   └── EmptyCorpusError           there is no passage to index
    │   │       └── NothingNewError        there is none that the index does not have already
    │   ├── ConfigError                    a setting: unknown key, wrong type, out of range
    │   └── RequestError                   a question: too long, k out of range, unknown retriever
    │       └── UnknownPassageError        a passage that the index, or the question's hits, do not have
    ├── ModelError                         a checkpoint that cannot be loaded or does not fit
    ├── GeneratorError                     a generator (a chat model asked over HTTP) that refuses, fails or breaks off
    │   └── GeneratorTimeoutError          it did not reply in time
    ├── ServerError                        a server of ours that failed, or cannot be reached
    │   ├── RefusedByServerError           it refuses the request; also a RequestError
    │   ├── ServerBusyError                it is full, not ready, or asked too often
    │   └── ServerTimeoutError             it did not answer in time
    ├── StoreError                         a database that holds vectors: it cannot be reached, refuses, or is too slow
    ├── IndexFormatError                   an index that is absent, damaged, or made for something else
    ├── IndexLockedError                   another process is writing this index
    ├── DiskFullError                      there is no space left for what is being written
    └── MissingDependencyError             an optional package is not installed

A message is one sentence with the value, the cause and the remedy.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from urllib.parse import unquote, urlsplit

PROJECT = "dense-passage-retrieval"
"""The name of the distribution."""

_COPIES: ContextVar[Mapping[str, str]] = ContextVar("copies")
"""What is read in place of something else: the path of each copy, with the name of what it is a copy of."""


@contextmanager
def naming_copies(names: Mapping[str, str]) -> Iterator[None]:
    """Have messages call the copies of sources by the names of the sources; ``names`` are by path."""
    token = _COPIES.set({**_COPIES.get({}), **names})
    try:
        yield
    finally:
        _COPIES.reset(token)


def shown_path(path: Path | str) -> str:
    """Return what a message calls a file; one in a copied folder is called by its path in the folder's source."""
    text = str(path)
    for copy, name in _COPIES.get({}).items():
        if text == copy:
            return name
        if text.startswith(f"{copy}/"):
            return name.rstrip("/") + text[len(copy) :]
    return text


class DPRError(Exception):
    """Root of the tree; ``exit_code`` is what a command ends with."""

    exit_code = 1


class InputError(DPRError):
    """The input cannot be used."""

    exit_code = 2


class DataError(InputError):
    """A data file cannot be read as what it is said to be."""

    @classmethod
    def at(cls, path: Path | str, line: int | None, cause: str) -> DataError:
        """Build the error for a place in a file: ``corpus.jsonl, line 3: …``."""
        shown = shown_path(path)
        location = f"{shown}, line {line}" if line is not None else shown
        return cls(f"{location}: {cause}")


class DocumentError(DataError):
    """A document has no text that can be read: it is encrypted, damaged, a scan, or over a limit."""


class EmptyCorpusError(DataError):
    """There is no passage to index."""


class NothingNewError(EmptyCorpusError):
    """There is no passage that the index does not have already."""


class ConfigError(InputError):
    """A setting is unknown, of the wrong type or out of range."""


class RequestError(InputError):
    """A question or its parameters are out of bounds; ``field`` names the parameter."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class UnknownPassageError(RequestError):
    """The index has no such passage, or the hits of a question do not go so far."""


class ModelError(DPRError):
    """A checkpoint cannot be loaded, or does not fit what it is used with."""


class GeneratorError(DPRError):
    """A generator cannot be reached, refuses a request, fails, or sends what is no whole reply."""


class GeneratorTimeoutError(GeneratorError):
    """A generator did not connect, begin or end its reply in time."""


class ServerError(DPRError):
    """A server of ours failed, or cannot be reached.

    ``status`` is that of its response, 0 where there was none; ``code``, ``field`` and ``request_id`` are what it said.
    """

    def __init__(self, message: str, *, status: int = 0, code: str = "", request_id: str = "", field: str = "") -> None:
        super().__init__(f"{message} (request {request_id})" if request_id else message)
        self.status = status
        self.code = code
        self.request_id = request_id
        self.field = field


class RefusedByServerError(ServerError, RequestError):
    """A server refuses a request: it breaks a rule, names what is not there, or has no good key."""


class ServerBusyError(ServerError):
    """A server is full, not ready, or asked too often; the same request may succeed later."""


class ServerTimeoutError(ServerError):
    """A server did not answer in time."""


class StoreError(DPRError):
    """A database that holds the vectors of an index cannot be reached, refuses, or takes too long."""


class IndexFormatError(DPRError):
    """An index is absent, damaged, or was made with another encoder, analyzer or format."""


class IndexLockedError(DPRError):
    """Another process is writing this index."""


class DiskFullError(DPRError):
    """There is no space left for what is being written."""


class MissingDependencyError(DPRError):
    """An optional package is not installed."""

    @classmethod
    def extra(cls, package: str, extra: str) -> MissingDependencyError:
        """Build the sentence that tells how to install the extra."""
        return cls(f"the package {package!r} is not installed; install it with: {install_command(extra)}")


def install_command(extra: str) -> str:
    """Return the command that installs an extra from where this project came from: a folder, a wheel or an index."""
    from importlib import metadata

    try:
        origin = json.loads(metadata.distribution(PROJECT).read_text("direct_url.json") or "{}")
    except (metadata.PackageNotFoundError, ValueError):
        origin = {}
    url = urlsplit(origin.get("url", ""))
    if url.scheme != "file":  # an index of packages, or a folder that was put on the path
        return f"pip install '{PROJECT}[{extra}]'"
    option = "-e " if origin.get("dir_info", {}).get("editable") else ""
    return f"pip install {option}{shlex.quote(f'{unquote(url.path)}[{extra}]')}"
