"""Frozen dataclasses to JSON and back, field by field and type by type; nothing unknown passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from types import UnionType
from typing import TYPE_CHECKING, Any, TypeVar, Union, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Record = TypeVar("Record", bound="DataclassInstance")


class RecordError(ValueError):
    """A value is not what a field holds; the message names the field."""


def decode(kind: type[Record], value: object) -> Record:
    """Build the dataclass ``kind`` from a value that ``json.loads`` gave.

    Fields may be numbers, strings, booleans, other dataclasses, tuples or string-keyed mappings of one type of
    these, or one of these or None. A field that has a default may be absent.

    Raises:
        RecordError: a field is absent, unknown, or holds another type.
    """
    record: Record = _record(kind, value, "")
    return record


def _decode(hint: Any, value: object, place: str) -> Any:
    converter = _record if is_dataclass(hint) else _DECODERS.get(get_origin(hint), _scalar)
    return converter(hint, value, place)


def _record(hint: Any, value: object, place: str) -> Any:
    items = _object(value, place)
    known = {field.name: field for field in fields(hint)}
    if unknown := sorted(items.keys() - known.keys()):
        raise RecordError(f"unknown field {_inside(place, unknown[0])}")
    required = {field.name for field in known.values() if field.default is field.default_factory is MISSING}
    if absent := sorted(required - items.keys()):
        raise RecordError(f"field {_inside(place, absent[0])} is missing")
    hints = get_type_hints(hint)
    return hint(**{name: _decode(hints[name], item, _inside(place, name)) for name, item in items.items()})


def _optional(hint: Any, value: object, place: str) -> Any:
    (kind,) = (choice for choice in get_args(hint) if choice is not type(None))
    return None if value is None else _decode(kind, value, place)


def _tuple(hint: Any, value: object, place: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise RecordError(f"field {place} is not a list")
    kind = get_args(hint)[0]
    return tuple(_decode(kind, item, f"{place}[{number}]") for number, item in enumerate(value))


def _mapping(hint: Any, value: object, place: str) -> dict[str, Any]:
    kind = get_args(hint)[1]
    return {key: _decode(kind, item, _inside(place, key)) for key, item in _object(value, place).items()}


def _scalar(hint: Any, value: object, place: str) -> object:
    accepted = (int, float) if hint is float else (hint,)
    if type(value) not in accepted:  # not isinstance: True is no count
        raise RecordError(f"field {place} is {value!r}, not of type {hint.__name__}")
    return value


def _object(value: object, place: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise RecordError(f"field {place} is not an object" if place else "it is not an object")
    return value


def _inside(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


_DECODERS: dict[object, Callable[[Any, object, str], Any]] = {
    UnionType: _optional,
    Union: _optional,
    tuple: _tuple,
    Mapping: _mapping,
}
