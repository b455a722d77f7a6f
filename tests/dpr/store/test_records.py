from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pytest

from dpr.store.records import RecordError, decode


@dataclass(frozen=True)
class Inner:
    name: str
    share: float | None = None


@dataclass(frozen=True)
class Outer:
    count: int
    ratio: float
    inner: Inner | None
    many: tuple[Inner, ...]
    table: Mapping[str, int]
    is_set: bool = False


OUTER = Outer(3, 0.5, Inner("a", 1.0), (Inner("b"), Inner("c")), {"x": 1}, is_set=True)


def json_of(record: Outer) -> dict[str, Any]:
    return {**asdict(record), "many": [asdict(inner) for inner in record.many]}


def test_a_record_survives_the_round_trip() -> None:
    assert decode(Outer, json_of(OUTER)) == OUTER


def test_defaults_fill_what_is_absent_and_none_is_kept() -> None:
    value: dict[str, object] = {"count": 1, "ratio": 2, "inner": None, "many": [], "table": {}}
    assert decode(Outer, value) == Outer(1, 2, None, (), {})


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"count": "3"}, "field count is '3', not of type int"),
        ({"count": True}, "field count is True, not of type int"),
        ({"ratio": None}, "field ratio is None, not of type float"),
        ({"inner": {"share": 1.0}}, r"field inner\.name is missing"),
        ({"inner": 1}, "field inner is not an object"),
        ({"many": [{"name": "a"}, {"name": 2}]}, r"field many\[1\]\.name is 2"),
        ({"many": {}}, "field many is not a list"),
        ({"table": {"x": 0.5}}, r"field table\.x is 0\.5"),
        ({"tombstones": []}, "unknown field tombstones"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, object], cause: str) -> None:
    with pytest.raises(RecordError, match=cause):
        decode(Outer, json_of(OUTER) | change)


def test_what_is_no_object_is_refused() -> None:
    with pytest.raises(RecordError, match="it is not an object"):
        decode(Outer, [1])
