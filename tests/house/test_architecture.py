"""The shape of the house: small rooms, documented doors, nothing done at import."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(path for package in ("dpr", "index_builder", "service") for path in (ROOT / package).rglob("*.py"))
BENCHMARKS = sorted((ROOT / "benchmarks").glob("*.py"))
HEAVY = ("torch", "transformers", "faiss", "kiwipiepy", "numba", "fastapi", "numpy", "pyarrow", "rich", "typer")
MAX_FILE_LINES = 320
MAX_FUNCTION_LINES = 60
MAX_PARAMETERS = 6

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(path: Path) -> Iterator[Function]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, Function):
            yield node


def length(node: Function) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


@pytest.mark.parametrize("path", [*SOURCES, *BENCHMARKS], ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_one_idea(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_FILE_LINES
    too_long = [node.name for node in functions(path) if length(node) > MAX_FUNCTION_LINES]
    assert not too_long
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), "a module says what it is for"


def is_overload(node: Function) -> bool:
    return any(isinstance(decorator, ast.Name) and decorator.id == "overload" for decorator in node.decorator_list)


def test_functions_are_short_as_a_rule() -> None:
    lengths = sorted(length(node) for path in SOURCES for node in functions(path))
    assert lengths[len(lengths) // 2] <= 12
    assert lengths[int(len(lengths) * 0.9)] <= 35


def parameters(node: Function) -> int:
    """Return how many parameters a caller may pass."""
    names = [parameter.arg for parameter in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


@pytest.mark.parametrize("path", [*SOURCES, *BENCHMARKS], ids=lambda path: str(path.relative_to(ROOT)))
def test_what_belongs_together_travels_together(path: Path) -> None:
    """A command has a parameter for each of its options; others take objects."""
    many = [node.name for node in functions(path) if parameters(node) > MAX_PARAMETERS]
    assert all(name.endswith("_command") for name in many)


def test_public_functions_say_what_they_do() -> None:
    silent = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in SOURCES
        for node in functions(path)
        if not node.name.startswith("_") and length(node) > 8 and not ast.get_docstring(node) and not is_overload(node)
    ]
    assert not silent


def imports_of(statement: str) -> tuple[float, set[str]]:
    """Return how long a statement takes in a new process, in ms, and the heavy packages it loads."""
    program = (
        f"import time; began = time.perf_counter(); {statement}; took = time.perf_counter() - began\n"
        f"import sys; print(took * 1000, *[name for name in {HEAVY!r} if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    took, *loaded = run.stdout.split()
    return float(took), set(loaded)


def test_importing_the_package_is_light() -> None:
    best = min((imports_of("import dpr") for _ in range(3)), key=lambda result: result[0])
    assert best[0] < 50
    assert best[1] == set()


def test_a_command_shows_its_help_without_loading_models() -> None:
    for module in ("dpr.cli", "index_builder.cli", "service.cli"):
        assert not imports_of(f"import {module}")[1] & {"torch", "transformers", "kiwipiepy", "faiss", "numba"}


@pytest.mark.parametrize(
    ("packages", "rooms"),
    [
        (("fastapi", "pydantic_settings", "prometheus_client"), ("service",)),
        (("torch", "transformers"), ("dpr/models", "dpr/train", "dpr/reader/extractive")),
        (("faiss",), ("dpr/dense",)),
        (("psycopg",), ("dpr/dense/postgres",)),
        (("pymilvus", "grpc"), ("dpr/dense/milvus",)),
        (("kiwipiepy",), ("dpr/text/korean.py",)),
        (("ray",), ("index_builder/on_ray",)),
        (("httpx",), ("dpr/reader/generative", "dpr/client")),
        (("haystack", "langchain_core", "llama_index"), ("dpr/integrations",)),
        (("pickle", "dill", "joblib", "shelve"), ()),
    ],
)
def test_a_library_stays_in_its_room(packages: tuple[str, ...], rooms: tuple[str, ...]) -> None:
    trespassers = {
        str(path.relative_to(ROOT))
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        and {name.split(".")[0] for name in imported(node)} & set(packages)
        and not str(path.relative_to(ROOT)).startswith(rooms)
    }
    assert not trespassers


def imported(node: ast.Import | ast.ImportFrom) -> list[str]:
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
