"""What a new part touches: its own module and one entry, because no other place knows the parts by name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dpr.dense.index_types import INDEX_TYPES

ROOT = Path(__file__).resolve().parents[2]
MAX_PARAMETERS = 6
NARROW_ROOMS = (
    *("dpr/benchmark", "dpr/data", "dpr/dense", "dpr/reader", "dpr/search", "dpr/sparse", "dpr/store", "dpr/train"),
    *("dpr/tuning", "index_builder"),
)


def sources(*rooms: str) -> Iterator[Path]:
    for room in rooms:
        yield from sorted((ROOT / room).rglob("*.py"))


def test_only_the_dense_room_knows_index_types_by_name() -> None:
    named = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.value}"
        for path in sources("dpr", "index_builder")
        if ROOT / "dpr" / "dense" not in path.parents
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in INDEX_TYPES
    ]
    assert not named


@pytest.mark.parametrize("room", NARROW_ROOMS)
def test_functions_take_few_parameters(room: str) -> None:
    """Commands are the exception: each option is a parameter there."""
    wide = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in sources(room)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and not node.name.endswith("_command")
        if len(parameters(node)) > MAX_PARAMETERS
    ]
    assert not wide


def parameters(node: ast.FunctionDef) -> list[str]:
    every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return [argument.arg for argument in every if argument.arg not in ("self", "cls")]


def test_array_types_stand_in_one_place() -> None:
    """Arrays of the common types are called by the names of `dpr.types.arrays`."""
    named = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in sources("dpr", "index_builder", "service")
        if path != ROOT / "dpr" / "types" / "arrays.py"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if re.search(r"NDArray\[np\.(float32|float64|int32|int64|bool_)\]", line)
    ]
    assert not named


def test_commands_are_put_on_record_in_one_way() -> None:
    users = {
        path.relative_to(ROOT).as_posix()
        for path in sources("dpr", "index_builder", "service")
        if "sys.argv" in path.read_text(encoding="utf-8")
    }
    assert users <= {"dpr/console.py"}
