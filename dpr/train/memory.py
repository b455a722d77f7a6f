"""The memory that a training step takes, measured on a few rows before the first step, and the memory that is free.

A forward pass keeps activations for the backward pass; autograd's hooks for saved tensors count their bytes. The bytes
are linear in the number of rows, so two rows and four rows tell them for any number. The rows are as long as the
longest text, so that attention, which grows with the square of the length, is not underestimated.
"""

from __future__ import annotations

import logging
import resource
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
import torch
from torch import nn

from dpr.errors import ConfigError
from dpr.train.distributed import Processes
from dpr.train.gradcache import RandomState
from dpr.train.run_folder import RunFolder
from dpr.train.schedule import Schedule

logger = logging.getLogger(__name__)

SHARES = {"cpu": 1 / 4, "cuda": 0.8}
"""Share of the free memory that a step may take without the gradient cache; other programs use memory, too."""

OVERHEAD = 1.5
"""Memory of a step as a multiple of the activations that it keeps: it also needs room for gradients of activations,
and the allocator keeps some. 1.4 was measured for a batch of 4.4 GB (docs/decisions/0015-training-memory.md)."""

FEW, MORE = 2, 4
"""Rows of the two measurements; for a single row, some kernels take another path."""

_MOMENTS = 3
"""A gradient and AdamW's two moments for each trained weight."""

_GROUPS = Path("/sys/fs/cgroup")
_NO_LIMIT = 2**60


@dataclass(frozen=True, slots=True)
class SavedBytes:
    """Bytes that a forward pass over rows of ``tokens`` tokens keeps: ``fixed``, and ``per_row`` for each row."""

    fixed: int
    per_row: int
    tokens: int

    def of(self, padded_tokens: int) -> int:
        """Return the bytes for a chunk of so many tokens, in rows no longer than those measured."""
        return self.fixed + self.per_row * padded_tokens // self.tokens


@dataclass(frozen=True, slots=True)
class StepMemory:
    """Bytes that a step keeps: ``weights`` for gradients and moments, ``chunk`` and ``batch`` for their activations.

    ``batch`` is 0 for a step that never keeps more than a chunk.
    """

    weights: int
    chunk: int
    batch: int = 0

    @property
    def cached(self) -> int:
        """Bytes that a step takes with the gradient cache, or chunk by chunk."""
        return self.weights + int(OVERHEAD * self.chunk)

    @property
    def plain(self) -> int:
        """Bytes that a step takes without it."""
        return self.weights + int(OVERHEAD * (self.batch or self.chunk))


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """Whether the gradient cache is used (None: there is no choice), and the sentence that says why, with numbers."""

    gradient_cache: bool | None
    sentence: str

    def described(self) -> dict[str, object]:
        """Return the entries for the record of the run."""
        choice = {} if self.gradient_cache is None else {"gradient_cache": self.gradient_cache}
        return {**choice, "memory": self.sentence}


def saved_bytes(forward: Callable[[], torch.Tensor], module: nn.Module) -> int:
    """Return the bytes of the tensors that a forward pass keeps for its backward pass, weights not counted.

    The state of the random number generators is restored afterwards.
    """
    weights = {tensor.untyped_storage().data_ptr() for tensor in (*module.parameters(), *module.buffers())}
    sizes: dict[int, int] = {}

    def count(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with RandomState.now().again(), torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        output = forward()  # holds the graph, so that no storage is used again
    del output
    return sum(sizes.values())


def measure_saved(forward: Callable[[int], torch.Tensor], tokens: int, module: nn.Module) -> SavedBytes:
    """Return the bytes that ``forward`` keeps; it takes a number of rows, of ``tokens`` tokens each."""
    few, more = (saved_bytes(partial(forward, rows), module) for rows in (FEW, MORE))
    per_row = max(0, more - few) // (MORE - FEW)
    return SavedBytes(max(0, few - FEW * per_row), per_row, tokens)


def chunk_memory(
    forward: Callable[[int], torch.Tensor], tokens: int, module: nn.Module, chunk_tokens: int
) -> StepMemory:
    """Return the memory of a step whose forward and backward pass go chunk by chunk.

    Args:
        forward: a forward pass over a number of rows of ``tokens`` tokens each, the longest.
        tokens: the tokens of a row.
        module: what is trained.
        chunk_tokens: the tokens of a chunk.
    """
    saved = measure_saved(forward, tokens, module)
    return StepMemory(weight_bytes(module), saved.of(max(tokens, chunk_tokens)))


def weight_bytes(module: nn.Module) -> int:
    """Return the bytes of the gradients and the moments of the weights that are trained."""
    trained = (weight for weight in module.parameters() if weight.requires_grad)
    return _MOMENTS * sum(weight.numel() * weight.element_size() for weight in trained)


def free_memory(device: torch.device, processes: int = 1) -> int:
    """Return the bytes that each of some processes can still take: on a GPU its own, else a share of the machine's.

    A machine has the least of its available memory, of what the process's control groups leave, and of what its
    address space leaves (``ulimit -v``).
    """
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + unused
    free = [int(psutil.virtual_memory().available), *_free_of_groups(Path("/proc/self/cgroup"), _GROUPS)]
    least = min(free) // processes
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY:
        least = min(least, limit - int(psutil.Process().memory_info().vms))
    return max(0, least)


def _free_of_groups(membership: Path, root: Path) -> Iterator[int]:
    """Yield the bytes that each control group of the process, and each group above it, leaves."""
    if not membership.is_file():
        return
    for line in membership.read_text(encoding="utf-8").splitlines():
        _, controllers, name = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        top = root / "memory" if controllers else root
        limit, used = (
            ("memory.limit_in_bytes", "memory.usage_in_bytes") if controllers else ("memory.max", "memory.current")
        )
        folder = top / name.lstrip("/")
        for group in (folder, *folder.parents):
            if group.is_relative_to(top) and (group / limit).is_file():
                free = _free_of_group(group, limit, used)
                if free is not None:
                    yield free


def _free_of_group(group: Path, limit: str, used: str) -> int | None:
    """Return the bytes that a control group leaves, page cache counted as free; None where it has no limit."""
    most = (group / limit).read_text(encoding="utf-8").strip()
    if most == "max" or int(most) > _NO_LIMIT:
        return None
    statistics = dict(line.split() for line in (group / "memory.stat").read_text(encoding="utf-8").splitlines())
    cache = int(statistics.get("total_inactive_file", statistics.get("inactive_file", 0)))
    return int(most) - int((group / used).read_text(encoding="utf-8")) + cache


def plan_run(
    memory: StepMemory,
    device: torch.device,
    wanted: bool | None,
    remedy: str,
    folder: RunFolder,
    processes: Processes,
) -> MemoryPlan:
    """Decide whether a run uses the gradient cache, log why, and note it in the run's folder.

    Several processes decide alike: by the process that needs most, and the one that has least. See `plan_memory`.
    """
    memory = StepMemory(*(max(processes.sizes(size)) for size in (memory.weights, memory.chunk, memory.batch)))
    free = min(processes.sizes(free_memory(device, processes.count)))
    plan = plan_memory(memory, free, SHARES[device.type], wanted, folder.gradient_cache, remedy)
    if plan.gradient_cache is not None:
        folder.note_gradient_cache(plan.gradient_cache)
    logger.info(plan.sentence)
    return plan


def plan_memory(
    memory: StepMemory,
    free: int,
    share: float,
    wanted: bool | None,
    before: bool | None,
    remedy: str = Schedule.memory_remedy,
) -> MemoryPlan:
    """Decide whether a run uses the gradient cache; a step that goes chunk by chunk leaves no choice.

    Args:
        memory: what a step takes.
        free: bytes of free memory.
        share: share of them that a batch may take.
        wanted: the setting; None lets the memory decide.
        before: the choice of a run that goes on after a kill, which it keeps; None for a new run.
        remedy: what to do where not even one chunk fits.

    Raises:
        ConfigError: not even one chunk fits, or the settings forbid the gradient cache and the batch does not fit.
    """
    cached, plain = memory.cached, memory.plain
    sentence = check_memory(cached, free, remedy)
    if not memory.batch:
        return MemoryPlan(None, sentence)
    sizes = f"a step takes about {in_words(plain)} without it, {in_words(cached)} with it"
    if wanted is False and plain > free:
        raise ConfigError(
            f"the settings forbid the gradient cache, but {sizes}, and {in_words(free)} are free; "
            "leave --no-gradient-cache out, or lower batch_size"
        )
    if wanted is not None:
        return MemoryPlan(wanted, f"gradient cache {_switch(wanted)}, as the settings say: {sizes}")
    if before is not None:
        return MemoryPlan(before, f"gradient cache {_switch(before)}, as when this run began: {sizes}")
    most = share * free
    is_used = plain > most
    why = f"{sizes}, and {in_words(most)} of the {in_words(free)} that are free may be used"
    return MemoryPlan(is_used, f"gradient cache {_switch(is_used)}: {why}")


def check_memory(needed: int, free: int, remedy: str) -> str:
    """Return a sentence on the memory that a step takes, and on what is free.

    Raises:
        ConfigError: it does not fit; the message ends with the remedy.
    """
    sizes = f"a step takes about {in_words(needed)} of memory"
    if needed > free:
        raise ConfigError(f"{sizes} at least, and {in_words(free)} are free; {remedy}")
    return f"{sizes}; {in_words(free)} are free"


def in_words(size_bytes: float) -> str:
    """Return a number of bytes in GB, or in MB below 1 GB."""
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.0f} MB"


def _switch(is_on: bool) -> str:
    return "on" if is_on else "off"
