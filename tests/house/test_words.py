"""Names say what a thing is: bare participles, and nouns that fit anything, are rare as names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("dpr", "index_builder", "service")

WORDS = """
asked brought chosen collected described done drawn found gave given gone held kept known left listed located
made making meant member members missing named needed offered one ones opened other others own part parts place
placed places proposed put rest said seen sent shown standing taken thing things told tried used wanted what
whole written
"""
GENERIC = frozenset(WORDS.split())
GOAL = 0.005
"""The share of all bound names that may be generic: no more than in starlette, httpx or sentence-transformers."""

EXCEPTIONS = {
    ("dpr/dense/index_types.py", "parts"): "the name of a setting in saved indexes",
}
"""Generic names that must stay, each with its reason."""


def bound_names(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield each name that the code gives to something, with its line."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name, node.lineno
            case ast.arg():
                yield node.arg, node.lineno
            case ast.Name(ctx=ast.Store()):
                yield node.id, node.lineno
            case ast.Attribute(ctx=ast.Store()):
                yield node.attr, node.lineno
            case ast.ExceptHandler(name=str()) | ast.MatchAs(name=str()) | ast.MatchStar(name=str()):
                yield str(node.name), node.lineno


def names(room: str) -> list[tuple[str, str, int]]:
    """Return the path, name and line of each binding below a folder, without ``self``, ``cls`` and ``_``."""
    return [
        (path.relative_to(ROOT).as_posix(), name, line)
        for path in sorted((ROOT / room).rglob("*.py"))
        for name, line in bound_names(ast.parse(path.read_text(encoding="utf-8")))
        if name not in ("self", "cls", "_")
    ]


def is_generic(name: str) -> bool:
    return name.strip("_").lower() in GENERIC


def test_generic_names_are_at_most_half_a_per_cent() -> None:
    every = [name for package in PACKAGES for name in names(package)]
    generic = [each for each in every if is_generic(each[1]) and each[:2] not in EXCEPTIONS]
    listing = "\n".join(f"{path}:{line} {name}" for path, name, line in generic)
    assert len(generic) <= GOAL * len(every), listing


def test_names_are_collected_from_every_way_to_bind_one() -> None:
    source = """
class Member:
    kept: int
def asked(told, *given, one=1, **rest):
    self.held, found = known = used
    for place in [seen for seen in used]: pass
    try: pass
    except ValueError as missing: pass
    match used:
        case [made, *others]: pass
    with used as left: (lambda part: used)
    if (chosen := found_rows): _parts = taken_passages = 1
"""
    bound = {name for name, _ in bound_names(ast.parse(source))}
    assert bound == {
        *("Member", "kept", "asked", "told", "given", "one", "rest", "held", "found", "known", "place", "seen"),
        *("missing", "made", "others", "left", "part", "chosen", "_parts", "taken_passages"),
    }
    assert bound - {name for name in bound if is_generic(name)} == {"taken_passages"}
