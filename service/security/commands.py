"""``dpr-serve keys``: make, list and revoke API keys."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from dpr.console import escape
from dpr.errors import ConfigError

keys_app = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True, rich_markup_mode=None)

KeysFile = Annotated[Path, typer.Option("--keys-file", help="File of the keys.", envvar="DPR_KEYS_FILE")]


@keys_app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="Whose key it is; unique in the file.")],
    keys_file: KeysFile,
    scope: Annotated[
        str, typer.Option(help="read: ask; write: change documents too; admin: also reload and the like.")
    ] = "read",
    rate_per_s: Annotated[
        float | None, typer.Option(help="Requests a second that it may ask. [default: the server's limit]")
    ] = None,
) -> None:
    """Make a key and print it, once: the file holds its hash alone. Running servers know it at once."""
    from service.security.keys import changing, new_key

    with changing(keys_file) as records:
        if any(record.name == name for record in records):
            raise ConfigError(f"there is a key named {name!r} already; choose another name, or revoke that key first")
        key, record = new_key(name, scope, rate_per_s)
        records.append(record)
    sys.stderr.write(f"key {record.id} of {name}, scope {scope}; it is shown this once:\n")
    sys.stdout.write(f"{key}\n")


@keys_app.command("list")
def list_keys(keys_file: KeysFile) -> None:
    """List the keys by id, name, scope, rate limit and time of making; the keys themselves are not stored."""
    from service.security.keys import read_keys

    table = Table("id", "name", "scope", "requests/s", "created", box=None)
    for record in read_keys(keys_file):
        rate = "the server's" if record.rate_per_s is None else f"{record.rate_per_s:g}"
        table.add_row(record.id, escape(record.name), record.scope, rate, escape(record.created))
    Console().print(table)


@keys_app.command("revoke")
def revoke(key: Annotated[str, typer.Argument(help="Id or name of the key.")], keys_file: KeysFile) -> None:
    """Remove a key. Running servers refuse it from the next request on."""
    from service.security.keys import changing, read_keys

    read_keys(keys_file)  # no file is made by revoking
    with changing(keys_file) as records:
        revoked = [record for record in records if key in (record.id, record.name)]
        if len(revoked) != 1:
            raise ConfigError(f"there is no key {key!r} in {keys_file}; dpr-serve keys list shows its keys")
        records.remove(revoked[0])
    sys.stderr.write(f"revoked key {revoked[0].id} of {revoked[0].name}\n")
