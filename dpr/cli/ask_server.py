"""``dpr ask --server``: the question goes to a running service."""

from __future__ import annotations

import os

import typer
from rich.console import Console

from dpr.client.pieces import WrittenText
from dpr.console import visible
from dpr.errors import ConfigError
from dpr.results import Answered

KEY_VARIABLE = "DPR_API_KEY"
"""Holds the key of a server that asks for one: other users of a machine can read a command's options."""

SENT = frozenset({"question", "server", "retriever", "k", "n_best", "as_json"})


def ask_server(context: typer.Context, url: str, question: str, *, prints_text: bool) -> Answered:
    """Ask a service with the options that were given; a generator's text is printed as it is written.

    Raises:
        ConfigError: an option is given that a server decides by itself, or the address is none.
        MissingDependencyError: httpx is not installed.
        ServerError: the server refuses, fails, or cannot be reached.
    """
    from dpr.client import Client

    sources = {name: context.get_parameter_source(name) for name in context.params}
    options = {name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"}
    if refused := sorted(options - SENT):
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in refused)
        raise ConfigError(f"--server is given with {flags}, which the server decides; leave one of the two out")
    search = {"retriever": context.params["retriever"]} if "retriever" in options else {}
    console, is_begun, answered = Console(), False, None
    with Client(url, key=os.environ.get(KEY_VARIABLE, "")) as client:
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
