"""What is wrong with a field of a request, as one sentence that names its value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized
from itertools import pairwise
from typing import Any

MAX_FIELD_CHARACTERS = 80
MAX_VALUE_CHARACTERS = 40

FILTER_EXAMPLE = ', such as {"field": "year", "operator": ">=", "value": 2024}'
"""What a filter looks like over HTTP, for those who send the text form of the command line."""

_FILTER_FORMS = ("condition", "group")
"""What pydantic puts behind the place of a filter: as which of its forms it was read."""

INVALID_FIELDS: Mapping[str, tuple[str, str]] = {
    "missing": ("missing_field", "{field} is missing; send it"),
    "extra_forbidden": ("unknown_field", "{field} is not a field of this request; remove it or correct its name"),
    "literal_error": ("unknown_{name}", "there is no {name} {value}; choose {expected}"),
    "greater_than_equal": ("out_of_range", "{field} is {value}; it must be at least {ge}"),
    "less_than_equal": ("out_of_range", "{field} is {value}; it must be at most {le}"),
    "finite_number": ("out_of_range", "{field} is {value}, which is not finite; send a finite number"),
    "too_long": ("too_many", "{field} has {length:,} entries, over the limit of {max_length:,}; send fewer"),
    "too_short": ("too_few", "{field} is empty; send at least one"),
    "string_too_long": ("too_long", "{field} has {length:,} characters, over the limit of {max_length:,}; shorten it"),
    "string_type": ("wrong_type", "{field} is {value}; send a string"),
    "string_too_short": ("too_short", "{field} is empty; send at least one character"),
    "int_type": ("wrong_type", "{field} is {value}; send a whole number"),
    "int_parsing": ("wrong_type", "{field} is {value}; send a whole number"),
    "int_parsing_size": ("out_of_range", "{field} has too many digits; send a smaller number"),
    "float_type": ("wrong_type", "{field} is {value}; send a number"),
    "bool_type": ("wrong_type", "{field} is {value}; send true or false"),
    "list_type": ("wrong_type", "{field} is {value}; send a list"),
    "dict_type": ("wrong_type", "{field} is {value}; send an object"),
    "model_attributes_type": ("wrong_type", "{field} is {value}, not a JSON object; send one{example}"),
    "string_unicode": ("not_text", "{field} has half of a surrogate pair, which is not text; remove it"),
    "json_invalid": ("invalid_json", "the body is not JSON ({error}); send one JSON object"),
}
"""Kind of an invalid field, as pydantic names it, to code and sentence; our own kinds bring both themselves."""


def invalid_field(error: Mapping[str, Any]) -> tuple[str, str, str | None]:
    """Return the code, the sentence and the field of an error of pydantic."""
    field = _field(error["loc"])
    name = (field or "the body").rpartition(".")[2]
    kind, invalid = error["type"], error.get("input")
    length = len(invalid) if isinstance(invalid, Sized) else 0
    example = FILTER_EXAMPLE if name == "filter" else ""
    values = {"name": name, "value": _shown(invalid), "length": length, "example": example, **error.get("ctx", {})}
    if kind == "model_attributes_type" and isinstance(error["input"], bytes):
        code, sentence = "wrong_type", "the body was not sent as JSON; add the header Content-Type: application/json"
    elif kind in INVALID_FIELDS:
        code, sentence = (text.format(field=field or "the body", **values) for text in INVALID_FIELDS[kind])
    else:  # a kind of our own, whose name and message are meant to be told
        code, sentence = kind, error["msg"]
    return code, sentence, field


def _shown(value: object) -> str:
    """Return a value as a sentence names it, cut where it is long."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if not isinstance(value, (str, int, float)):
        return "a list" if isinstance(value, list) else "an object"
    text = repr(value[: MAX_VALUE_CHARACTERS + 1] if isinstance(value, str) else value)
    return text if len(text) <= MAX_VALUE_CHARACTERS else f"{text[:MAX_VALUE_CHARACTERS]}…"


def _field(location: Sequence[int | str]) -> str | None:
    """Return ``questions[3]`` for ``("body", "questions", 3)``, None for the body itself."""
    parts = [
        part
        for before, part in pairwise(location)
        if part != "[key]" and not (part in _FILTER_FORMS and (before == "filter" or isinstance(before, int)))
    ]
    if not parts or isinstance(parts[0], int):
        return None
    name = parts[0] + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts[1:])
    return shown_name(name)


def shown_name(name: str) -> str:
    """Return the name of a field as an error has it: printable, cut where it is long, "" where it is empty."""
    return printable(name)[:MAX_FIELD_CHARACTERS] or '""'


def printable(text: str) -> str:
    """Escape what does not belong into one line of UTF-8: control characters, lone surrogates."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
