"""What the operator decides: one frozen settings object from flags, ``DPR_`` environment variables and a TOML file.

A flag wins over the environment, which wins over the file, which wins over the default. The limits of the interface
itself (question length, ``k``, batch size) are not settings: they are the same for every server and stated in its
schema.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_core import PydanticCustomError, PydanticKnownError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from dpr.config import DEFAULT_READER, read_toml
from dpr.errors import ConfigError
from dpr.questions import MAX_BATCH, MAX_K
from dpr.search.registry import DEFAULT_RERANK_DEPTH, MAX_RERANK_DEPTH, RETRIEVERS, choices
from dpr.wrong_numbers import wrong_number

Precision = Literal["auto", "fp32", "bf16"]
Backend = Literal["auto", "torch", "openvino"]
LogFormat = Literal["text", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]
Verify = Literal["quick", "full"]

ENVIRONMENT_PREFIX = "DPR_"
CONFIG_VARIABLE = "DPR_CONFIG"
"""Names the TOML file of settings."""

SECRETS = frozenset({"generator_key", "node_key"})
"""Settings that are environment variables alone: other users of a machine can read a command's options."""

MIB = 1024 * 1024
DEFAULT_TIMEOUT_S = 120
MAX_PASSAGES = MAX_BATCH * MAX_K
"""Passages that one request can ask for: all questions × the highest ``k``."""


def _retriever_name(name: str) -> str:
    if any("\ud800" <= letter <= "\udfff" for letter in name):
        raise PydanticKnownError("string_unicode")
    if name not in RETRIEVERS:
        raise PydanticKnownError("literal_error", {"expected": choices(map(repr, RETRIEVERS))})
    return name


RetrieverName = Annotated[
    str, AfterValidator(_retriever_name), Field(json_schema_extra=lambda schema: schema.update(enum=list(RETRIEVERS)))
]
"""A name of `dpr.search.registry.RETRIEVERS`."""


@dataclass(frozen=True, slots=True)
class NamedIndex:
    """An index to serve: its name in requests, and its folder."""

    name: str
    path: Path


DEFAULT_INDEX = "default"
"""Name of an index for which none is given."""

_NAME_AND_PATH = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,63})=(.+)", re.DOTALL)


def _named_indexes(value: object) -> tuple[NamedIndex, ...]:
    """Return the indexes of ``PATH``, ``NAME=PATH``, several of these with commas between, or a list of them."""
    entries = list(value) if isinstance(value, list | tuple) else [value]
    indexes = [index for entry in entries for index in _indexes_of(entry)]
    names = [index.name for index in indexes]
    if repeated := next((name for name in names if names.count(name) > 1), None):
        sentence = f"two indexes are called {repeated!r}; give each its own name, as in NAME=PATH"
        raise PydanticCustomError("repeated_index", "{sentence}", {"sentence": sentence})
    return tuple(indexes)


def _indexes_of(entry: object) -> Iterator[NamedIndex]:
    if isinstance(entry, NamedIndex):
        yield entry
    elif isinstance(entry, Path):
        yield NamedIndex(DEFAULT_INDEX, entry)
    else:
        for text in re.split(r",(?=[A-Za-z0-9][A-Za-z0-9._-]*=)", str(entry)):
            match = _NAME_AND_PATH.fullmatch(text)
            yield NamedIndex(match[1], Path(match[2])) if match else NamedIndex(DEFAULT_INDEX, Path(text))


def _addresses(value: object) -> tuple[str, ...]:
    """Return the addresses of nodes of a text with commas between, or a list of such texts."""
    entries = list(value) if isinstance(value, list | tuple) else [value]
    return tuple(address for entry in entries for text in str(entry).split(",") if (address := text.strip()))


class Settings(BaseSettings):
    """Settings of one server; an index must be given, by ``DPR_INDEX`` or ``--index``, or the nodes of a router."""

    model_config = SettingsConfigDict(env_prefix=ENVIRONMENT_PREFIX, env_ignore_empty=True, frozen=True, extra="forbid")

    index: Annotated[tuple[NamedIndex, ...], NoDecode, BeforeValidator(_named_indexes)] = Field(
        (), description="Folder of the index to serve, or NAME=PATH; repeatable, the first one is the default."
    )
    node: bool = Field(False, description="Serve a shard of dpr-index split to routers, without models.")
    nodes: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_addresses)] = Field(
        (), description="Addresses of nodes, in place of an index: be a router; commas between, or repeatable."
    )
    node_key: SecretStr | None = Field(None, description="API key that the nodes ask for, if any.")
    shard_timeout_s: float = Field(
        2.0, ge=0.05, le=600, description="Time for a shard to answer a router, seconds; then its hits are left out."
    )
    verify: Verify = Field(
        "quick", description="How far the index is checked before it is served: quick reads files up to 64 MiB."
    )
    encoder: str | None = Field(None, description="Encoder, where it is not the one named in the index.")
    reader: str = Field(str(DEFAULT_READER), min_length=1, description="Reader: a folder, a hub name or KIND:MODEL.")
    no_reader: bool = Field(False, description="Load no reader: serve retrieval, and a generator's answers if any.")
    generator_url: str | None = Field(None, description="Address of the chat model that writes the answers, if any.")
    generator_model: str | None = Field(None, description="Name of that model at its address.")
    generator_key: SecretStr | None = Field(None, description="Key that its address asks for, if any.")
    generator_timeout_s: int = Field(
        30, ge=1, le=600, description="Time that a generator gets for one answer, seconds; then the reader answers."
    )
    host: str = Field("127.0.0.1", min_length=1, description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65_535, description="Port to listen on, 0 for any free one.")
    keys_file: Path | None = Field(None, description="File of the API keys, as dpr-serve keys add writes it.")
    rate_limit_per_s: float | None = Field(
        None, ge=0.01, le=100_000, allow_inf_nan=False, description="Requests a second of a key without its own limit."
    )
    rate_limit_burst: int = Field(10, ge=1, le=100_000, description="Requests that a key may send at once.")
    insecure_public: bool = Field(False, description="Let everybody in who reaches a public address, without keys.")
    published_address: str | None = Field(
        None, min_length=1, description="Address that a container's port is published at: judged in place of --host."
    )
    tls_cert: Path | None = Field(None, description="Certificate chain for TLS, a PEM file.")
    tls_key: Path | None = Field(None, description="Private key of the certificate, a PEM file without a password.")
    cors_origins: str = Field("", description="Origins whose web pages may ask, with commas between.")
    precision: Precision = Field("auto", description="Arithmetic of the models.")
    backend: Backend = Field("auto", description="What runs the models.")
    log_format: LogFormat = Field("text", description="Form of a log line: text for people, json for programs.")
    log_questions: bool = Field(False, description="Log the questions too, which may be private.")
    otel_endpoint: str | None = Field(
        None,
        pattern="^https?://",
        description="Where traces go: a collector's OTLP address over HTTP, such as http://127.0.0.1:4318/v1/traces.",
    )
    log_level: LogLevel = Field("info", description="Least severe message that is logged.")
    retriever_default: RetrieverName | None = Field(None, description="Retriever of a request that names none.")
    rerank: str | None = Field(
        None,
        min_length=1,
        description="Reranker of requests that do not decline: a cross-encoder, or KIND:MODEL.",
    )
    rerank_depth: int = Field(
        DEFAULT_RERANK_DEPTH, ge=1, le=MAX_RERANK_DEPTH, description="How many hits the reranker rescores."
    )
    fusion_file: Path | None = Field(
        None, description="File of dpr tune: how hybrid fuses for a request that does not say, in place of the index's."
    )
    max_in_flight: int = Field(32, ge=1, le=10_000, description="Requests computed or waiting; one more gets 503.")
    request_timeout_s: int = Field(
        DEFAULT_TIMEOUT_S, ge=1, le=3_600, description="Time for a request to be answered, seconds; then it gets 504."
    )
    max_passages: int = Field(
        MAX_PASSAGES, ge=1, le=MAX_PASSAGES, description="Most passages of a request, questions × k; more get 422."
    )
    cache_mib: int = Field(
        64, ge=0, le=65_536, description="Memory for the results of questions that were asked before, MiB; 0: none."
    )
    threads: int | None = Field(
        None, ge=1, le=1_024, description="Threads that compute; without it one for each core of the process."
    )
    batching: bool = Field(True, description="Compute the questions of several requests together.")
    rank_bm25: bool = Field(False, description="Serve the retriever rank-bm25, which takes seconds for one question.")
    reload_interval_s: float = Field(
        1.0, ge=0, le=3_600, description="Time between two looks for a new generation, seconds; 0: look only when told."
    )
    allow_writes: bool = Field(False, description="Take documents over HTTP, and change the indexes by them.")
    keep_generations: int = Field(
        3, ge=0, le=1_000, description="Generations kept beside the published one, where documents are taken."
    )
    retry_after_s: int = Field(1, ge=1, le=3_600, description="Retry-After of a 503, seconds.")
    max_body_bytes: int = Field(
        MIB, ge=1_024, le=64 * MIB, description="Largest request body, bytes; a larger one gets 413."
    )
    body_timeout_s: int = Field(
        30, ge=1, le=3_600, description="Time for a request's body to come, seconds; then it gets 408."
    )
    max_connections: int = Field(
        512, ge=8, le=65_535, description="Connections open at a time; one more takes the place of an idle one."
    )
    max_header_bytes: int = Field(
        32_768, ge=1_024, le=MIB, description="Size of a request's line and headers; larger ones get 431."
    )
    header_timeout_s: int = Field(
        10, ge=1, le=3_600, description="Time for a request's headers to come, seconds; then it gets 408."
    )
    idle_timeout_s: int = Field(
        30, ge=1, le=3_600, description="Time between two requests of a connection, seconds; then it is closed."
    )
    write_timeout_s: int = Field(
        30, ge=1, le=3_600, description="Time for a client to take in its response, seconds; then it is cut off."
    )
    allowed_hosts: str = Field(
        "", description="Names of this server that requests may use, with commas between; * for any."
    )
    no_page: bool = Field(False, description="Give browsers no page to ask on at /.")
    shutdown_grace_s: int = Field(
        10, ge=0, le=3_600, description="Time that running requests get after SIGTERM, seconds."
    )


def load_settings(**flags: Any) -> Settings:
    """Build the settings from the flags that are not None, the environment, and a TOML file, the first one wins.

    Args:
        flags: settings by their names; and ``config``, the file, where it is not the one that ``DPR_CONFIG`` names.

    Raises:
        ConfigError: no index is given, the file cannot be read, or a setting has a wrong type or is out of range.
    """
    values = {name: value for name, value in flags.items() if value is not None and value != []}
    path = values.pop("config", None) or (Path(file) if (file := os.environ.get(CONFIG_VARIABLE)) else None)
    if path is not None:
        variables = {name.upper() for name, value in os.environ.items() if value}
        from_file = _settings_of(read_toml(path), path)
        values = {
            name: v for name, v in from_file.items() if f"{ENVIRONMENT_PREFIX}{name.upper()}" not in variables
        } | values
    try:
        settings = Settings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        number = None if name in SECRETS else wrong_number(first)
        raise ConfigError(_sentence(name, first["type"], number or first["msg"])) from None
    _check_role(settings)
    return settings


def _check_role(settings: Settings) -> None:
    """Refuse a server that is nothing, or more than one of: a server of indexes, a node, a router."""
    if not (settings.index or settings.nodes):
        raise ConfigError(f"{_sentence('index', 'missing', '')}; or, for a router, the nodes with --nodes or DPR_NODES")
    if settings.nodes and (settings.index or settings.node):
        raise ConfigError("a router has no index of its own, and is no node; leave out --index and --node, or --nodes")
    if settings.node and len(settings.index) > 1:
        raise ConfigError("a node serves one shard; start a process for each")
    if settings.allow_writes and (settings.node or settings.nodes):
        raise ConfigError("shards are not changed one by one; change the whole index and split it again")


def _settings_of(values: dict[str, Any], path: Path) -> dict[str, Any]:
    for name in values:
        if name not in Settings.model_fields:
            raise ConfigError(f"{path} has the key {name}, which is no setting; docs/operations.md lists them")
    return values


def _sentence(name: str, kind: str, cause: str) -> str:
    flag, variable = f"--{name.replace('_', '-')}", f"{ENVIRONMENT_PREFIX}{name.upper()}"
    if name in SECRETS:
        return f"{variable} is wrong: {cause[:1].lower()}{cause[1:]}"
    if kind == "missing":
        return f"{name} is not set; give {flag} or set {variable}"
    return f"{flag} (or {variable}) is wrong: {cause[:1].lower()}{cause[1:]}"
