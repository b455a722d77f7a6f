from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from dpr.train.primitives import KEPT, VARIABLES, keep_few_primitives
from tests.conftest import ROOT

PROGRAM = """
import sys, psutil, torch
from dpr.train.primitives import keep_few_primitives

weight = torch.randn(64, 64)
weight @ weight  # a product in fp32 decides nothing
if sys.argv[1] == "few":
    keep_few_primitives()
weight = weight.bfloat16()
texts = torch.randn(400, 64).bfloat16()
texts @ weight
before = psutil.Process().memory_info().rss
for count in range(1, 400):
    texts[:count] @ weight
print(psutil.Process().memory_info().rss - before)
"""


def test_few_primitives_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = VARIABLES
    monkeypatch.delenv(first, raising=False)
    monkeypatch.setenv(second, "7")
    keep_few_primitives()
    assert [os.environ[first], os.environ[second]] == [str(KEPT), "7"]


@pytest.mark.skipif(
    not torch.cpu.get_capabilities().get("avx512_bf16"), reason="oneDNN does not multiply in bf16 on this CPU"
)
def test_products_of_many_shapes_take_little_memory() -> None:
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    environment |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    grown = {
        kept: int(subprocess.check_output([sys.executable, "-c", PROGRAM, kept], env=environment, timeout=120))
        for kept in ("many", "few")
    }
    assert grown["few"] < grown["many"] / 2
