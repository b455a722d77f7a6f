"""Options that several commands of ``dpr-index`` take, as one parameter of a command."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import wraps
from typing import Any

from dpr.config import ComputeOptions
from dpr.data.intake import ReadRules
from dpr.documents.limits import DEFAULT_LIMITS, DocumentLimits
from dpr.errors import ConfigError
from index_builder.options import Backend, DocumentLimit, Encoding, Exclude, Include, Precision, SkipBadRows, Strict


def read_rules(
    include: Include = None,
    exclude: Exclude = None,
    encoding: Encoding = "utf-8",
    skip_bad_rows: SkipBadRows = False,
    strict: Strict = False,
    document_limit: DocumentLimit = None,
) -> ReadRules:
    """Return how sources are read.

    Raises:
        ConfigError: the encoding or a limit of documents is unknown, or out of range.
    """
    numbers = {}
    for setting in document_limit or ():
        name, _, number = setting.partition("=")
        if name not in asdict(DEFAULT_LIMITS) or not number.isdecimal():
            names = ", ".join(asdict(DEFAULT_LIMITS))
            raise ConfigError(f"--document-limit is {setting!r}; write NAME=NUMBER, with one of {names}")
        numbers[name] = int(number)
    return ReadRules(
        encoding,
        skip_bad_rows,
        include=tuple(include or ()),
        exclude=tuple(exclude or ()),
        strict=strict,
        limits=DocumentLimits(**numbers),
    )


def compute_options(precision: Precision = "auto", backend: Backend = "auto") -> ComputeOptions:
    """Return how models compute."""
    return ComputeOptions(precision, backend)


GROUPS: Mapping[type, Callable[..., object]] = {ReadRules: read_rules, ComputeOptions: compute_options}
"""What makes the value of a parameter of a type, of options of its own."""


def with_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command, in place of each parameter whose type is in `GROUPS`, the options of that group."""
    signature = inspect.signature(command, eval_str=True)
    groups = {
        name: GROUPS[parameter.annotation]
        for name, parameter in signature.parameters.items()
        if isinstance(parameter.annotation, type)
    }
    options = {name: inspect.signature(make, eval_str=True).parameters for name, make in groups.items()}

    @wraps(command)
    def with_options(**values: Any) -> None:
        made = {name: make(**{option: values.pop(option) for option in options[name]}) for name, make in groups.items()}
        command(**values, **made)

    parameters = [
        option.replace(kind=option.KEYWORD_ONLY)
        for name, parameter in signature.parameters.items()
        for option in options.get(name, {name: parameter}).values()
    ]
    with_options.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return with_options
