"""``import dpr`` offers what it lists, and each name leads to one thing."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

import dpr

SOURCE = Path(dpr.__file__)
NAMES = [name for name in dpr.__all__ if name != "__version__"]
LISTED = """QA Answer Answered Bm25Options ChunkOptions ComputeOptions DPRError DenseOptions EncoderOptions Evaluation
Example Fusion GeneratorOptions Hit IndexOptions Passage Question ReadRules Reading RerankOptions RetrievalOptions
add_passages build_index delete_passages evaluate load_encoder load_reader open read_examples read_passages"""


def typed_names() -> dict[str, tuple[str, str]]:
    """Return what type checkers see: the module and the name there of each public name."""
    [block] = [node for node in ast.parse(SOURCE.read_text(encoding="utf-8")).body if isinstance(node, ast.If)][:1]
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name: (node.module or "", alias.name) for node in imports for alias in node.names}


def test_the_public_names_are_these() -> None:
    assert sorted(LISTED.split(), key=NAMES.index) == NAMES
    assert set(dpr.__all__) <= set(dir(dpr))


def test_type_checkers_see_the_same_names() -> None:
    assert sorted(typed_names()) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_leads_to_what_type_checkers_see(name: str) -> None:
    module, attribute = typed_names()[name]
    assert getattr(dpr, name) is getattr(importlib.import_module(module), attribute)
    assert getattr(dpr, name).__doc__


def test_no_name_hides_a_module() -> None:
    modules = {path.stem for path in SOURCE.parent.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert not modules & set(NAMES)


def test_another_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="module 'dpr' has no attribute 'opne'"):
        getattr(dpr, "opne")  # noqa: B009 - type checkers refuse the attribute


def test_options_load_no_models() -> None:
    program = (
        "import dpr, sys, json; dpr.open, dpr.build_index, dpr.IndexOptions, dpr.QA, dpr.Fusion\n"
        "print(json.dumps([name for name in ('torch', 'transformers', 'kiwipiepy') if name in sys.modules]))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(run.stdout) == []
