"""Stores of files elsewhere: object storage by Arrow, web servers and all others by fsspec."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import Any, cast
from urllib.parse import urlsplit

from dpr.data.source_files import is_pattern
from dpr.errors import DataError, DPRError, MissingDependencyError

EXTRA = "remote"
"""The optional extra with the packages that reach files elsewhere."""

STORE_WAIT_S = 60
"""How long Google's store is tried; Arrow would try for a quarter of an hour."""

WEB = ("http", "https")

_BY_ARROW = ("s3", "gs", "gcs")
"""Stores that Arrow reaches, which is there anyway; all others are fsspec's."""

_ADDRESS = re.compile(r"(?:([A-Za-z][\w.-]*):)?([A-Za-z][A-Za-z0-9+.-]*://.*?)(@-?\d*:-?\d*)?")


@dataclass(frozen=True, slots=True)
class Address:
    """A source elsewhere: the URL of a file, a folder or a pattern, with the kind and the articles of a data set."""

    url: str
    kind: str = ""
    articles: str = ""

    @property
    def scheme(self) -> str:
        """The name of its store, before the colon."""
        return self.url.partition(":")[0].lower()

    @property
    def public(self) -> str:
        """The URL without the query of a web address, in which there may be a signature."""
        return self.url.partition("?")[0] if self.scheme in WEB else self.url

    @property
    def name(self) -> str:
        """The whole source by its public URL, for records."""
        return self.at(self.public)

    def at(self, path: str) -> str:
        """Return the source whose files are at a path."""
        return f"{self.kind}{':' if self.kind else ''}{path}{self.articles}"

    def error(self, cause: str) -> DataError:
        """Return an error that names the address."""
        return DataError.at(self.public, None, cause)


def address_of(source: str) -> Address | None:
    """Return the address of a source elsewhere; None for a source of this machine."""
    match = _ADDRESS.fullmatch(source)
    return None if match is None else Address(match[2], match[1] or "", match[3] or "")


def open_store(address: Address) -> tuple[Any, str]:
    """Return the store of an address, and the path in it."""
    try:
        import fsspec
        from fsspec.core import url_to_fs
    except ImportError:
        raise MissingDependencyError.extra("fsspec", EXTRA) from None  # noqa: S610  # not Django's
    pieces = urlsplit(address.url)
    if "::" in address.url or address.scheme not in fsspec.available_protocols():
        raise address.error(f"the scheme {address.scheme}:// is unknown; use s3://, gs://, https:// or a path")
    if pieces.password is not None or (pieces.username is not None and address.scheme in WEB):
        raise DataError(
            f"the address at {pieces.hostname} has a name or a password in it, which would be recorded with the index; "
            "take it out, and set it as the store's programs do (environment, configuration)"
        )
    try:
        if address.scheme in _BY_ARROW:
            return _by_arrow(address)
        options = _web_options() if address.scheme in WEB else {}
        return cast(
            "tuple[Any, str]",
            url_to_fs(address.url, skip_instance_cache=True, use_listings_cache=False, **options),
        )
    except ImportError as error:
        package = error.name or address.scheme
        raise MissingDependencyError.extra(package, EXTRA) from None  # noqa: S610  # not Django's


def _by_arrow(address: Address) -> tuple[Any, str]:
    """Return Arrow's store as one of fsspec; the path is not part of Arrow's URI, which would have to be quoted."""
    from fsspec.implementations.arrow import ArrowFSWrapper

    bucket, _, path = address.url.partition("://")[2].partition("/")
    system = ArrowFSWrapper(arrow_store(address.scheme, bucket), skip_instance_cache=True)
    return system, f"{bucket.rpartition('@')[2]}/{path}".rstrip("/")


def arrow_store(scheme: str, bucket: str) -> Any:
    """Return Arrow's store of a bucket (``anonymous@BUCKET``: without credentials), found by its settings alone."""
    from pyarrow.fs import FileSystem

    waits = "" if scheme == "s3" else f"?retry_limit_seconds={STORE_WAIT_S}"
    return FileSystem.from_uri(f"{scheme}://{bucket}{waits}")[0]


def _web_options() -> dict[str, object]:
    """Return how files of a web server are fetched: as they are, for as long as bytes come."""
    import aiohttp

    timeouts = aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=60)
    return {
        "headers": {"Accept-Encoding": "identity"},
        "client_kwargs": {"timeout": timeouts, "auto_decompress": False, "trust_env": True},
    }


def find_files(address: Address, system: Any, path: str) -> tuple[str | None, dict[str, dict[str, Any]]]:
    """Return the folder of an address, or of its pattern (None: it is a file), and what is known of each file."""
    if address.scheme in WEB:
        if urlsplit(path).path.endswith("/") or not urlsplit(path).path:
            raise address.error("is a folder of a web server, which lists no files; name each file")
        return None, {path: system.info(path)}
    if is_pattern(path) and not system.exists(path):
        names = PurePosixPath(path).parts
        fixed = next(number for number, name in enumerate(names) if is_pattern(name))
        root = str(PurePosixPath(*names[:fixed])) if fixed else ""
        matches = system.glob(path, detail=True)
        return root, {name: info for name, info in matches.items() if info.get("type") == "file"}
    info = system.info(path)
    if info.get("type") == "file":
        return None, {path: info}
    return path.rstrip("/"), system.find(path, detail=True)


@contextmanager
def naming_address(address: Address, file: str = "") -> Iterator[None]:
    """Turn whatever a store raises into one sentence with the address."""
    try:
        yield
    except DPRError:
        raise
    except Exception as error:  # each store has classes of its own
        cause = error.__cause__ or error  # fsspec says of every failure on the web that there is no such file
        if isinstance(cause, FileNotFoundError) or getattr(cause, "status", None) == HTTPStatus.NOT_FOUND:
            raise address.error(f"{file}is not there; check the address") from None
        text = " ".join(str(cause).split()) or type(cause).__name__
        text = re.sub(r"\?[^\s'\"]+", "?…", text)[:200]  # without a signature
        raise address.error(
            f"{file}cannot be fetched ({text}); check the address, the network and the right to read it, and run the "
            "command again: what was fetched stays"
        ) from error
