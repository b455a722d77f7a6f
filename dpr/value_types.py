"""Values of another type than their annotation, refused at the front door in one sentence.

A program that gives ``5`` for a folder should hear of the folder, and not of what a library deep below says of it.
"""

from __future__ import annotations

import os
import types
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import fields
from functools import cache, wraps
from inspect import signature
from numbers import Integral, Real
from pathlib import Path
from reprlib import repr as short_repr
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints

from dpr.errors import ConfigError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

PLAIN = (str, bytes, Real, Mapping, list, tuple, set, frozenset, type(None))
"""Values that are no object with methods of ours, whatever a protocol asks for."""

MOST_SECONDS = 31_536_000
"""A year, as long as may be waited for anything; sockets refuse more than some centuries."""

_WORDS = {
    str: "a string",
    bytes: "bytes",
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    type(None): "None",
    dict: "a dict",
    list: "a list",
    tuple: "a tuple",
    Path: "a path",
}


def checks_types(
    *, but: Collection[str] = ()
) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result]]:
    """Make a function refuse arguments of another type than their annotation, ``but`` those that it checks itself.

    Raises:
        ConfigError: by the function, if an argument is.
    """

    def _decorate(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        parameters = signature(function)

        @wraps(function)
        def _call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
            try:
                arguments = parameters.bind(*args, **kwargs).arguments
            except TypeError:  # an argument is absent or unknown, of which Python's own error says more
                arguments = {}
            for name, value in arguments.items():
                if name not in but and name in _hints(function):  # self has none
                    check_value(name, value, _hints(function)[name])
            return function(*args, **kwargs)

        return _call

    return _decorate


def check_fields(options: DataclassInstance, error: Callable[[str], Exception] = ConfigError) -> None:
    """Refuse options of which a field has a value of another type than its annotation.

    Raises:
        ConfigError: it has; or the ``error`` that is named.
    """
    hints = _hints(type(options))
    for field in fields(options):
        value, hint = getattr(options, field.name), hints[field.name]
        if not field.repr and not _fits(value, hint):
            raise error(f"{field.name} is {kind_of(value)}; give {_words(hint)}")  # a key, which no message shows
        check_value(field.name, value, hint, error)


def check_seconds(name: str, seconds: float, *, may_be_zero: bool = False) -> None:
    """Refuse seconds that nothing can wait: below 0, 0 unless it ``may_be_zero``, NaN, or more than a year.

    Raises:
        ConfigError: they are.
    """
    if not (0 < seconds <= MOST_SECONDS or (may_be_zero and seconds == 0)):
        least = "from 0" if may_be_zero else "above 0"
        raise ConfigError(f"{name} is {seconds:g}; give seconds {least}, at most a year ({MOST_SECONDS:,})")


def kind_of(value: object) -> str:
    """Return what a value is, in plain words: ``a string``, ``a whole number``, ``a QA``."""
    return _WORDS.get(type(value)) or _with_article(type(value).__name__)


def described(value: object) -> str:
    """Return a value and what it is: ``5, a whole number``; ``None`` and ``True`` say it themselves."""
    kind = "" if value is None or isinstance(value, bool) else f", {kind_of(value)}"
    return f"{short_repr(value)}{kind}"


class _StandIn:
    """In place of a class that its module imports for type checkers alone; it is known by its name."""


@cache
def _hints(owner: object) -> dict[str, Any]:
    stand_ins: dict[str, type] = {}
    while True:
        try:
            return get_type_hints(owner, localns=stand_ins)
        except NameError as error:
            name = error.name or ""
            if not name or name in stand_ins:
                raise
            stand_ins[name] = type(name, (_StandIn,), {})


def check_value(name: str, value: object, hint: Any, error: Callable[[str], Exception] = ConfigError) -> None:
    """Refuse a value of another type than the hint.

    Raises:
        ConfigError: it is; or the ``error`` that is named.
    """
    if _fits(value, hint):
        return
    for option in _options(hint):
        if _is_container(value, option):
            elements, element_hint = _elements(value, option)
            misfit = next(element for element in elements if not _fits(element, element_hint))
            holds = f"{name} is {short_repr(value)}, which holds"
            raise error(f"{holds} {short_repr(misfit)}, {kind_of(misfit)}; give {_words(element_hint)}")
    raise error(f"{name} is {described(value)}; give {_words(hint)}")


def _fits(value: object, hint: Any) -> bool:
    return any(_fits_one(value, option) for option in _options(hint))


def _fits_one(value: object, hint: Any) -> bool:
    if get_origin(hint) is not None and isinstance(get_origin(hint), type):
        if not _is_container(value, hint):
            return False
        elements, element_hint = _elements(value, hint)
        return all(_fits(element, element_hint) for element in elements)
    if not isinstance(hint, type):
        return True  # Any, a type variable
    if hint is bool:
        return isinstance(value, bool) or getattr(value, "dtype", None) is not None
    if hint in (int, float):
        return isinstance(value, Integral if hint is int else Real) and not isinstance(value, bool)
    if hint is Path:
        return isinstance(value, os.PathLike)
    if issubclass(hint, _StandIn):
        return hint.__name__ in (base.__name__ for base in type(value).__mro__)
    if getattr(hint, "_is_protocol", False):
        return not isinstance(value, PLAIN)
    return isinstance(value, hint)


def _options(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _is_container(value: object, hint: Any) -> bool:
    """Tell whether a value is of the generic type of a hint, whatever it holds; a list is as good as a tuple."""
    origin = get_origin(hint)
    if not isinstance(origin, type) or isinstance(value, str | bytes):
        return False
    return isinstance(value, origin) or (origin is tuple and isinstance(value, list))


def _elements(value: object, hint: Any) -> tuple[Iterable[object], Any]:
    """Return what a container holds, and the hint of each; nothing of an iterable, which can be read once."""
    origin, arguments = get_origin(hint) or object, get_args(hint)
    if isinstance(value, Mapping) and issubclass(origin, Mapping):
        return list(value.values()), arguments[-1]
    if not isinstance(value, list | tuple | set | frozenset | Mapping) or not arguments or origin is Iterable:
        return (), Any
    return value, arguments[0]


def _words(hint: Any) -> str:
    words = list(dict.fromkeys(map(_words_of_one, _options(hint))))
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _words_of_one(hint: Any) -> str:
    origin = get_origin(hint) or hint
    if origin in _WORDS and origin is not tuple:
        return _WORDS[origin]
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "a dict"
    if isinstance(origin, type) and issubclass(origin, Iterable) and get_args(hint):
        return f"a list of {_plural(get_args(hint)[0])}"
    return _with_article(getattr(origin, "__name__", str(origin)))


def _plural(hint: Any) -> str:
    return {str: "strings", int: "whole numbers", float: "numbers"}.get(hint) or f"{getattr(hint, '__name__', hint)}s"


def _with_article(name: str) -> str:
    return f"{'an' if name[:1] in 'AEIOUaeiou' else 'a'} {name}"
