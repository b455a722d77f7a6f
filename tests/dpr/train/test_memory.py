from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import weakref
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from dpr.errors import ConfigError
from dpr.train.encoder.settings import Training
from dpr.train.memory import (
    StepMemory,
    _free_of_groups,
    check_memory,
    free_memory,
    in_words,
    measure_saved,
    plan_memory,
    resident_memory,
    return_free_blocks,
    saved_bytes,
    weight_bytes,
)
from tests.tiny_models import make_bert

GB = 10**9


def test_a_linear_layer_keeps_its_input_once() -> None:
    layer = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
    assert saved_bytes(lambda: layer(torch.zeros(10, 8, requires_grad=True)).sum(), layer) == 2 * 10 * 8 * 4
    saved = measure_saved(lambda rows: layer(torch.zeros(rows, 8, requires_grad=True)).sum(), 1, layer)
    assert (saved.fixed, saved.per_row, saved.for_tokens(100)) == (0, 2 * 8 * 4, 2 * 100 * 8 * 4)
    assert weight_bytes(layer) == 3 * 4 * 2 * (64 + 8)


def test_a_measurement_frees_what_it_kept() -> None:
    layer = nn.Linear(8, 8)
    kept: list[weakref.ref[torch.Tensor]] = []

    def forward() -> torch.Tensor:
        output: torch.Tensor = layer(torch.zeros(10, 8)).softmax(-1)  # which its node keeps for the backward pass
        kept.append(weakref.ref(output))
        return output.sum()

    assert saved_bytes(forward, layer) == 2 * 10 * 8 * 4
    assert kept[0]() is None


def test_a_process_grows_by_more_than_a_chunk_keeps() -> None:
    by_chunks = StepMemory(weights=1 * GB, chunk=1 * GB)
    assert by_chunks.growth(None) == pytest.approx(3.4 * GB)
    both = StepMemory(weights=1 * GB, chunk=1 * GB, batch=8 * GB)
    assert [both.growth(is_cached) for is_cached in (True, False)] == pytest.approx([3.4 * GB, 13 * GB])


def test_free_blocks_are_returned() -> None:
    blocks = [torch.ones(25_000) for _ in range(2_000)]  # 200 MB, too small for mappings of their own
    full = resident_memory()
    kept = blocks[::20]
    del blocks
    return_free_blocks()
    assert resident_memory() < full - 100_000_000
    assert all(block[0] == 1 for block in kept)


def test_the_gradient_cache_is_chosen_by_what_is_free() -> None:
    memory = StepMemory(weights=1 * GB, chunk=1 * GB, batch=8 * GB)
    chosen = {free: plan_memory(memory, free * GB, 1 / 4, None, None).gradient_cache for free in (3, 50, 54)}
    assert chosen == {3: True, 50: True, 54: False}
    plan = plan_memory(memory, 12 * GB, 1 / 4, None, None)
    assert plan.sentence == (
        "gradient cache on: a step takes about 13.0 GB without it, 2.5 GB with it, and 3.0 GB of the 12.0 GB that are "
        "free may be used"
    )


def test_a_choice_is_kept() -> None:
    memory = StepMemory(weights=1 * GB, chunk=1 * GB, batch=8 * GB)
    assert not plan_memory(memory, 14 * GB, 1 / 4, False, None).gradient_cache
    assert plan_memory(memory, 99 * GB, 1 / 4, True, None).gradient_cache
    resumed = plan_memory(memory, 14 * GB, 1 / 4, None, False)
    assert not resumed.gradient_cache
    assert "off, as when this run began" in resumed.sentence


def test_what_cannot_fit_is_refused() -> None:
    memory = StepMemory(weights=1 * GB, chunk=1 * GB, batch=8 * GB)
    with pytest.raises(ConfigError, match=r"about 2.5 GB of memory at least, and 1.9 GB are free; lower chunk_tokens"):
        plan_memory(memory, int(1.9 * GB), 1 / 4, None, None)
    with pytest.raises(ConfigError, match=r"13.0 GB without it, 2.5 GB with it, and 8.0 GB are free; leave --no-grad"):
        plan_memory(memory, 8 * GB, 1 / 4, False, None)
    with pytest.raises(ConfigError, match=r"about 2.0 GB of memory at least, and 500 MB are free; wait"):
        check_memory(2 * GB, GB // 2, "wait")
    assert in_words(999_000_000) == "999 MB"


def test_a_control_group_s_limit_counts(tmp_path: Path) -> None:
    groups = tmp_path / "groups"
    inner = groups / "outer" / "inner"
    inner.mkdir(parents=True)
    for folder, most, used in ((inner, "max", 10), (groups / "outer", "1000", 700)):
        (folder / "memory.max").write_text(f"{most}\n")
        (folder / "memory.current").write_text(f"{used}\n")
        (folder / "memory.stat").write_text("anon 600\ninactive_file 100\n")
    (tmp_path / "cgroup").write_text("0::/outer/inner\n")
    assert list(_free_of_groups(tmp_path / "cgroup", groups)) == [400]
    old = groups / "memory" / "jobs"
    old.mkdir(parents=True)
    (old / "memory.limit_in_bytes").write_text("5000\n")
    (old / "memory.usage_in_bytes").write_text("2000\n")
    (old / "memory.stat").write_text("total_inactive_file 0\n")
    (tmp_path / "cgroup").write_text("3:cpu:/jobs\n4:memory:/jobs\n")
    assert list(_free_of_groups(tmp_path / "cgroup", groups)) == [3000]
    assert list(_free_of_groups(tmp_path / "absent", groups)) == []


def test_processes_share_a_machine() -> None:
    alone, four = (free_memory(torch.device("cpu"), processes) for processes in (1, 4))
    assert 0.2 < four / alone < 0.3


PROGRAM = """
import json, logging, resource, sys
from dataclasses import replace
from pathlib import Path
import peft, psutil, torch, transformers.models.bert.modeling_bert
from dpr.data.passages import read_examples
from dpr.errors import ConfigError
from dpr.train.batches import Source
from dpr.train.encoder.settings import Training
from dpr.train.encoder.run import train

base, data, output = sys.argv[1:]
torch.zeros(8, requires_grad=True).sum().backward()  # whose thread takes its space before the limit
limit = psutil.Process().memory_info().vms + 250_000_000
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
sources = [Source("demo", list(read_examples(data)))]
training = Training(base, batch_size=64, max_steps=1, precision="fp32", chunk_tokens=512)
try:
    train(sources, Path(output) / "plain", replace(training, gradient_cache=False))
except ConfigError as error:
    print(json.dumps(str(error)))
print(json.dumps(train(sources, Path(output) / "default", training)))
"""


def test_a_batch_that_does_not_fit_is_trained_with_the_gradient_cache(
    tiny_checkpoint: Path, demo_files: tuple[Path, Path], tmp_path: Path
) -> None:
    shape = {"num_hidden_layers": 4, "hidden_size": 64, "intermediate_size": 512}
    base = make_bert(tiny_checkpoint, tmp_path / "base", 1, **shape)
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(base), f"squad:{demo_files[0]}@:4", str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"},
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    refused, record = (json.loads(line) for line in run.stdout.splitlines())
    assert refused.startswith("the settings forbid the gradient cache, but a step takes about")
    assert record["gradient_cache"] is True
    assert re.match(r"gradient cache on: a step takes about \d+ MB without it, \d+ MB with it", record["memory"])
    assert re.search(r"; a process takes about [\d.]+ [GM]B in all$", record["memory"])


def test_the_settings_are_checked_by_type(tiny_checkpoint: Path) -> None:
    training = Training(str(tiny_checkpoint))
    assert training.gradient_cache is None
    assert replace(training, gradient_cache=False).gradient_cache is False
