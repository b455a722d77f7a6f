"""``dpr ask --server`` and ``dpr explain --server``: the question goes to a running service."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import typer
from rich.console import Console

from dpr.client.calls import SearchOptions
from dpr.client.pieces import WrittenText
from dpr.console import visible
from dpr.errors import ConfigError
from dpr.results import Answered
from dpr.types import Explanation

if TYPE_CHECKING:
    from dpr.client import Client

KEY_VARIABLE = "DPR_API_KEY"
"""Holds the key of a server that asks for one: other users of a machine can read a command's options."""

CONNECT_TIMEOUT_S = 3.0
"""A person waits: where nothing listens at the address, the command says so soon."""

SENT = frozenset({"question", "server", "retriever", "k", "n_best", "filter", "as_json"})
EXPLAINED = frozenset({"question", "server", "passage", "rank", "retriever", "fusion", "filter", "as_json"})


def ask_server(context: typer.Context, url: str, question: str, *, prints_text: bool) -> Answered:
    """Ask a service with the options that were given; a generator's text is printed as it is written.

    Raises:
        ConfigError: an option is given that a server decides by itself, or the address is none.
        MissingDependencyError: httpx is not installed.
        ServerError: the server refuses, fails, or cannot be reached.
    """
    search = sent_options(context, SENT, ("retriever", "filter"))
    console, is_begun, answered = Console(), False, None
    with _client(url) as client:
        limits = {"k": context.params["k"], "n_best": context.params["n_best"]}
        for piece in client.stream(question, **limits, **search):
            if isinstance(piece, Answered):
                answered = piece
            elif isinstance(piece, WrittenText) and prints_text:
                is_begun = True
                console.out(visible(piece.text), end="", highlight=False)
    if is_begun:
        console.print()
    if answered is None:
        raise ConfigError(f"{url} gave no answer; it is no server of this version")
    return answered


def explain_by_server(context: typer.Context, url: str, question: str) -> Explanation:
    """Have a service explain a passage, with the options that were given.

    Raises:
        ConfigError: an option is given that a server decides by itself, or the address is none.
        MissingDependencyError: httpx is not installed.
        ServerError: the server refuses, fails, or cannot be reached.
    """
    search = sent_options(context, EXPLAINED, ("retriever", "fusion", "filter"))
    with _client(url) as client:
        return client.explain(question, context.params["passage"], rank=context.params["rank"], **search)


def _client(url: str) -> Client:
    from dpr.client import Client

    return Client(url, key=os.environ.get(KEY_VARIABLE, ""), connect_timeout_s=CONNECT_TIMEOUT_S)


def sent_options(context: typer.Context, sent: frozenset[str], search: Sequence[str]) -> SearchOptions:
    """Return those of the options ``search`` that were given, for a service.

    Raises:
        ConfigError: an option is given that is not among ``sent``.
    """
    sources = {name: context.get_parameter_source(name) for name in context.params}
    options = {name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"}
    if refused := sorted(options - sent):
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in refused)
        raise ConfigError(f"--server is given with {flags}, which the server decides; leave one of the two out")
    return cast("SearchOptions", {name: context.params[name] for name in search if name in options})
