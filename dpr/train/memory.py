"""Estimate the memory of a training step before the first step, and decide about the gradient cache.

A forward pass keeps activations for the backward pass; autograd's hooks for saved tensors count their bytes. The bytes
are linear in the number of rows, so measurements of two and four rows give them for any number. The rows are as long as
the longest text, because attention grows with the square of the length.
"""

from __future__ import annotations

import ctypes
import logging
import resource
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass, replace
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
"""Share of the free memory that a step may take without the gradient cache; other programs need memory, too."""

OVERHEAD = 1.5
"""Memory of a step as a multiple of its activations: gradients of activations and the allocator need some, too. 1.4 was
measured for a batch of 4.4 GB (docs/decisions/0015-training-memory.md)."""

GROWTH = 2.4
"""By how much a process on a CPU grows, as a multiple of the activations of a chunk: the C library keeps blocks that
the next chunk, of another shape, cannot use. 2.3 was measured for chunks of 0.7 GB."""

FEW, MORE = 2, 4
"""Rows of the two measurements; a single row takes another path in some kernels."""

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

    def for_tokens(self, padded_tokens: int) -> int:
        """Return the bytes for a chunk of this many tokens, in rows no longer than those measured."""
        return self.fixed + self.per_row * padded_tokens // self.tokens


@dataclass(frozen=True, slots=True)
class StepMemory:
    """Bytes of a step: ``weights`` for gradients and moments, ``chunk`` and ``batch`` for activations.

    ``batch`` is 0 for a step that never keeps more than a chunk. ``resident`` are those of the process before it.
    """

    weights: int
    chunk: int
    batch: int = 0
    resident: int = 0

    @property
    def cached(self) -> int:
        """Bytes that a step takes with the gradient cache, or chunk by chunk."""
        return self.weights + int(OVERHEAD * self.chunk)

    @property
    def plain(self) -> int:
        """Bytes that a step takes without it."""
        return self.weights + int(OVERHEAD * (self.batch or self.chunk))

    def growth(self, gradient_cache: bool | None) -> int:
        """Return the bytes by which a process on a CPU grows."""
        step_bytes = self.cached if gradient_cache else self.plain
        return max(step_bytes, self.weights + int(GROWTH * self.chunk))


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """Whether the gradient cache is used (None: there is no choice), and a sentence with the reason."""

    gradient_cache: bool | None
    sentence: str

    def as_record(self) -> dict[str, object]:
        """Return the entries for the record of the run."""
        choice = {} if self.gradient_cache is None else {"gradient_cache": self.gradient_cache}
        return {**choice, "memory": self.sentence}


def saved_bytes(forward: Callable[[], torch.Tensor], module: nn.Module) -> int:
    """Return the bytes of the tensors that a forward pass keeps for its backward pass, without the weights.

    The state of the random number generators is restored afterwards.
    """
    weights = {tensor.untyped_storage().data_ptr() for tensor in (*module.parameters(), *module.buffers())}
    sizes: dict[int, int] = {}

    def count(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            sizes[storage.data_ptr()] = storage.nbytes()
        return tensor.detach()  # a saved output with its node would be a cycle that is never freed

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
    """Return the memory of a step that runs forward and backward chunk by chunk.

    Args:
        forward: a forward pass over a number of rows of ``tokens`` tokens each.
        tokens: the tokens of the longest row.
        module: the model.
        chunk_tokens: the tokens of a chunk.
    """
    saved = measure_saved(forward, tokens, module)
    return StepMemory(weight_bytes(module), saved.for_tokens(max(tokens, chunk_tokens)))


def weight_bytes(module: nn.Module) -> int:
    """Return the bytes of the gradients and moments of the trainable weights."""
    trained = (weight for weight in module.parameters() if weight.requires_grad)
    return _MOMENTS * sum(weight.numel() * weight.element_size() for weight in trained)


def free_memory(device: torch.device, processes: int = 1) -> int:
    """Return the free bytes of each process: those of its GPU, else a share of the machine's.

    The limits of the machine are its available memory, the control groups of the process, and its address space
    (``ulimit -v``).
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


def resident_memory() -> int:
    """Return the bytes of the machine's memory that this process holds."""
    return int(psutil.Process().memory_info().rss)


def return_free_blocks() -> None:
    """Return the free blocks of the C library's heap to the system, if it is glibc, which does so only at its end."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _free_of_groups(membership: Path, root: Path) -> Iterator[int]:
    """Yield the free bytes of each control group of the process and of each parent group."""
    if not membership.is_file():
        return
    for line in membership.read_text(encoding="utf-8").splitlines():
        _, controllers, name = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        top = root / "memory" if controllers else root
        limit_file, usage_file = (
            ("memory.limit_in_bytes", "memory.usage_in_bytes") if controllers else ("memory.max", "memory.current")
        )
        folder = top / name.lstrip("/")
        for group in (folder, *folder.parents):
            if group.is_relative_to(top) and (group / limit_file).is_file():
                free = _free_of_group(group, limit_file, usage_file)
                if free is not None:
                    yield free


def _free_of_group(group: Path, limit_file: str, usage_file: str) -> int | None:
    """Return the free bytes of a control group, page cache included; None without a limit."""
    most = (group / limit_file).read_text(encoding="utf-8").strip()
    if most == "max" or int(most) > _NO_LIMIT:
        return None
    statistics = dict(line.split() for line in (group / "memory.stat").read_text(encoding="utf-8").splitlines())
    cache = int(statistics.get("total_inactive_file", statistics.get("inactive_file", 0)))
    return int(most) - int((group / usage_file).read_text(encoding="utf-8")) + cache


def plan_run(
    memory: StepMemory,
    device: torch.device,
    setting: bool | None,
    remedy: str,
    folder: RunFolder,
    processes: Processes,
) -> MemoryPlan:
    """Decide whether a run uses the gradient cache, log the reason, and record it in the run's folder.

    All processes decide alike: by the process that needs most and the one that has least. See `plan_memory`. On a CPU
    the sentence also has the memory of a process: its bytes before the first step, and its growth.
    """
    memory = StepMemory(*(max(processes.sizes(size)) for size in astuple(memory)))
    free = min(processes.sizes(free_memory(device, processes.count)))
    plan = plan_memory(memory, free, SHARES[device.type], setting, folder.gradient_cache, remedy)
    if plan.gradient_cache is not None:
        folder.note_gradient_cache(plan.gradient_cache)
    if device.type == "cpu":
        whole = memory.resident + memory.growth(plan.gradient_cache)
        plan = replace(plan, sentence=f"{plan.sentence}; a process takes about {in_words(whole)} in all")
    logger.info(plan.sentence)
    return plan


def plan_memory(
    memory: StepMemory,
    free: int,
    share: float,
    setting: bool | None,
    previous: bool | None,
    remedy: str = Schedule.memory_remedy,
) -> MemoryPlan:
    """Decide whether a run uses the gradient cache; a step that runs chunk by chunk has no choice.

    Args:
        memory: memory of a step.
        free: free bytes.
        share: share of them that a batch may take.
        setting: the setting; None decides by the memory.
        previous: the choice of a killed run before it resumes; None for a new run.
        remedy: what the error recommends if not even one chunk fits.

    Raises:
        ConfigError: not even one chunk fits, or the settings forbid the gradient cache and the batch does not fit.
    """
    cached, plain = memory.cached, memory.plain
    sentence = check_memory(cached, free, remedy)
    if not memory.batch:
        return MemoryPlan(None, sentence)
    sizes = f"a step takes about {in_words(plain)} without it, {in_words(cached)} with it"
    if setting is False and plain > free:
        raise ConfigError(
            f"the settings forbid the gradient cache, but {sizes}, and {in_words(free)} are free; "
            "leave --no-gradient-cache out, or lower batch_size"
        )
    if setting is not None:
        return MemoryPlan(setting, f"gradient cache {_switch(setting)}, as the settings say: {sizes}")
    if previous is not None:
        return MemoryPlan(previous, f"gradient cache {_switch(previous)}, as when this run began: {sizes}")
    most = share * free
    is_used = plain > most
    why = f"{sizes}, and {in_words(most)} of the {in_words(free)} that are free may be used"
    return MemoryPlan(is_used, f"gradient cache {_switch(is_used)}: {why}")


def check_memory(needed_bytes: int, free: int, remedy: str) -> str:
    """Return a sentence on the memory that a step needs and the free memory.

    Raises:
        ConfigError: the step does not fit; the message ends with the remedy.
    """
    sizes = f"a step takes about {in_words(needed_bytes)} of memory"
    if needed_bytes > free:
        raise ConfigError(f"{sizes} at least, and {in_words(free)} are free; {remedy}")
    return f"{sizes}; {in_words(free)} are free"


def in_words(size_bytes: float) -> str:
    """Return a number of bytes in GB, or in MB below 1 GB."""
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.0f} MB"


def _switch(is_on: bool) -> str:
    return "on" if is_on else "off"
