"""The options of ``dpr-serve``, made from the settings: each field is an option, a variable and a key of a file."""

from __future__ import annotations

import inspect
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import typer
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from service.settings import ENVIRONMENT_PREFIX, SECRETS, Settings

Command = TypeVar("Command")

DEFAULTS_IN_WORDS = {
    "reader": "the bundled one",
    "encoder": "the one named in the index",
    "retriever_default": "hybrid, or bm25 for an index without vectors",
}
"""Defaults that the help names instead of showing their value."""


def with_options_of_settings(command: Command) -> Command:
    """Give a command, which takes ``**options``, one keyword option for each setting that is not secret.

    An option that is not set is None, so that the environment and the file have their say.
    """
    signature = inspect.signature(command, eval_str=True)  # type: ignore[arg-type]
    parameters = [
        parameter for parameter in signature.parameters.values() if parameter.kind is not parameter.VAR_KEYWORD
    ]
    settings = [option(name, field) for name, field in Settings.model_fields.items() if name not in SECRETS]
    command.__signature__ = signature.replace(parameters=[*parameters, *settings])  # type: ignore[attr-defined]
    return command


def option(name: str, field: FieldInfo) -> inspect.Parameter:
    """Return the option of one setting: its flag, its type on the command line, and its description as the help."""
    kind, flag = _plain_type(field.annotation), f"--{name.replace('_', '-')}"
    flags = f"{flag}/--no-{flag[2:]}" if field.default is True else flag
    declaration = typer.Option(flags, help=f"{field.description} {_default(name, field)}".strip())
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, declaration]
    )


def _default(name: str, field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return f"[required; or {ENVIRONMENT_PREFIX}{name.upper()}]"
    if name in DEFAULTS_IN_WORDS:
        return f"[default: {DEFAULTS_IN_WORDS[name]}]"
    if field.default is None:
        return "[default: none]"
    return "" if field.default in (False, "", ()) else f"[default: {field.default}]"


def _plain_type(annotation: Any) -> Any:
    """Return the type that the command line reads: ``int`` for ``Annotated[int, …] | None``, ``str`` for choices."""
    origin = get_origin(annotation)
    if origin in (UnionType, Union):
        return _plain_type(next(kind for kind in get_args(annotation) if kind is not type(None)))
    if origin is Annotated:
        return _plain_type(get_args(annotation)[0])
    if origin is tuple:
        return list[str]
    return annotation if origin is not Literal and annotation in (int, float, bool, Path) else str
