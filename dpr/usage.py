"""Errors of a command line: which option an argument lacks, and which number an option does not take."""

from __future__ import annotations

import shlex
from typing import Any

from typer.core import TyperGroup

from dpr.wrong_numbers import wrong_number

ARGUMENTS = "dpr.usage.arguments"
"""Key of the context's notes, for the arguments of the command."""


class Commands(TyperGroup):
    """Commands, of which each says how an argument that it does not take is given, and which number is wrong."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Parse the options that stand before a command; name the value of a wrong number."""
        try:
            return super().make_context(*args, **kwargs)
        except Exception as error:
            _name_number(error)
            raise

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command of some arguments, which are noted; an unknown one may be an index without its option."""
        try:
            name, command, arguments = super().resolve_command(ctx, args)
        except Exception as error:
            if any("--index" in option.opts for option in self.params):
                error.message = f"{error.message} Give an index as --index {args[0]}."  # type: ignore[attr-defined]
            raise
        ctx.meta[ARGUMENTS] = list(arguments)
        return name, command, arguments

    def invoke(self, ctx: Any) -> Any:
        """Run the command; add the remedy to the error of an argument without its option."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            _name_number(error)
            if remedy := _remedy(error, ctx.meta.get(ARGUMENTS, [])):
                error.message = f"{error.message} {remedy}".strip()  # type: ignore[attr-defined]  # one of Typer's
            raise


def _name_number(error: Any) -> None:
    """Give an error of Typer that comes from pydantic, which leaves the value out, a message with the value."""
    problems = getattr(error.__cause__, "errors", None)
    option = getattr(getattr(error, "param", None), "type_descriptor", None)
    if not callable(problems) or option is None:
        return
    bounds = option.parameter_info
    if sentence := wrong_number(problems()[0], bounds.min, bounds.max):
        error.message = f"{sentence}."


def _remedy(error: Any, arguments: list[str]) -> str:
    """Return how the first superfluous argument is given; empty for another error, or where no option takes it."""
    context = getattr(error, "ctx", None)
    if context is None or context.parent is None or not hasattr(error, "message"):
        return ""
    absent_option = getattr(error, "param", None)
    if absent_option is None and "unexpected extra argument" not in error.message:
        return ""
    command = context.command
    options = [absent_option] if absent_option is not None else [item for item in command.params if item.multiple]
    flags = [option.opts[0] for option in options if option.param_type_name == "option"]
    _, superfluous, _ = command.make_parser(context).parse_args(args=list(arguments))
    if not superfluous or not flags or flags[0] == "--index":  # it would be the question, and the index before it
        return ""
    return f"Give {superfluous[0]!r} as {flags[0]} {shlex.quote(superfluous[0])}."
