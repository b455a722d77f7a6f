"""JSON values to frozen dataclasses, each field checked by its type; unknown fields are refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from types import UnionType
from typing import TYPE_CHECKING, Any, TypeVar, Union, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Record = TypeVar("Record", bound="DataclassInstance")


class RecordError(ValueError):
    """A value does not fit its field; the message names the field."""


def decode(record_type: type[Record], value: object) -> Record:
    """Build the dataclass ``record_type`` from a value that ``json.loads`` returned.

    Fields may be numbers, strings, booleans, other dataclasses, tuples or string-keyed mappings of one type of
    these, or one of these or None. A field that has a default may be absent.

    Raises:
        RecordError: a field is absent, unknown, or holds another type.
    """
    record: Record = _record(record_type, value, "")
    return record


def _decode(hint: Any, value: object, path: str) -> Any:
    converter = _record if is_dataclass(hint) else _DECODERS.get(get_origin(hint), _scalar)
    return converter(hint, value, path)


def _record(hint: Any, value: object, path: str) -> Any:
    items = _object(value, path)
    known_fields = {field.name: field for field in fields(hint)}
    if unknown := sorted(items.keys() - known_fields.keys()):
        raise RecordError(f"unknown field {_inside(path, unknown[0])}")
    required = {field.name for field in known_fields.values() if field.default is field.default_factory is MISSING}
    if absent := sorted(required - items.keys()):
        raise RecordError(f"field {_inside(path, absent[0])} is missing")
    hints = get_type_hints(hint)
    return hint(**{name: _decode(hints[name], item, _inside(path, name)) for name, item in items.items()})


def _optional(hint: Any, value: object, path: str) -> Any:
    (inner,) = (choice for choice in get_args(hint) if choice is not type(None))
    return None if value is None else _decode(inner, value, path)


def _tuple(hint: Any, value: object, path: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise RecordError(f"field {path} is not a list")
    inner = get_args(hint)[0]
    return tuple(_decode(inner, item, f"{path}[{number}]") for number, item in enumerate(value))


def _mapping(hint: Any, value: object, path: str) -> dict[str, Any]:
    inner = get_args(hint)[1]
    return {key: _decode(inner, item, _inside(path, key)) for key, item in _object(value, path).items()}


def _scalar(hint: Any, value: object, path: str) -> object:
    accepted = (int, float) if hint is float else (hint,)
    if type(value) not in accepted:  # not isinstance: True is no count
        raise RecordError(f"field {path} is {value!r}, not of type {hint.__name__}")
    return value


def _object(value: object, path: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise RecordError(f"field {path} is not an object" if path else "it is not an object")
    return value


def _inside(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


_DECODERS: dict[object, Callable[[Any, object, str], Any]] = {
    UnionType: _optional,
    Union: _optional,
    tuple: _tuple,
    Mapping: _mapping,
}
