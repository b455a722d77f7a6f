"""Training in several processes with one global batch: every passage is a negative for every question.

``torchrun`` starts the processes. Each encodes its share of the batch and computes the loss of its questions against
the passages of all processes. Gradients flow back through the exchange of vectors, and the gradients of the weights are
summed, so the step equals that of a single process with the whole batch.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import distributed, nn


@dataclass(frozen=True, slots=True)
class Processes:
    """This process and the others of a run; a single process needs no process group."""

    rank: int = 0
    count: int = 1
    local_rank: int = 0

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and logs."""
        return self.rank == 0

    def gather(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the rows of all processes, in the order of their ranks; gradients flow back to where rows came from.

        The processes may have different numbers of rows.
        """
        if self.count == 1:
            return tensor
        sizes = self.sizes(len(tensor))
        gather: Any = _Gather
        gathered = gather.apply(_filled(tensor, max(sizes)))
        return torch.cat([rows[:size] for rows, size in zip(gathered, sizes, strict=True)])

    def sizes(self, size: int) -> list[int]:
        """Return the ``size`` of each process."""
        if self.count == 1:
            return [size]
        device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
        sizes = [torch.zeros(1, dtype=torch.int64, device=device) for _ in range(self.count)]
        distributed.all_gather(sizes, torch.tensor([size], device=device))
        return [int(tensor) for tensor in sizes]

    def sum_gradients(self, weights: Iterable[nn.Parameter]) -> None:
        """Add up the gradients of all processes; a weight without a gradient in one counts as 0 there."""
        if self.count == 1:
            return
        trained = [weight for weight in weights if weight.requires_grad]
        gradients = [torch.zeros_like(weight) if weight.grad is None else weight.grad for weight in trained]
        together = torch.cat([gradient.flatten() for gradient in gradients])  # one message, not one for each weight
        distributed.all_reduce(together)
        totals = together.split([weight.numel() for weight in trained])
        for weight, total in zip(trained, totals, strict=True):
            weight.grad = total.view_as(weight)

    def sum(self, value: torch.Tensor) -> torch.Tensor:
        """Return the sum of a number over all processes; no gradient flows."""
        if self.count > 1:
            distributed.all_reduce(value)
        return value

    def wait(self) -> None:
        """Wait for all processes."""
        if self.count > 1:
            distributed.barrier()


def join_processes() -> Processes:
    """Join the process group that ``torchrun`` describes in the environment, if there is one."""
    if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
        return Processes()
    processes = Processes(
        int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]), int(os.environ.get("LOCAL_RANK", "0"))
    )
    if processes.count > 1 and not distributed.is_initialized():
        on_gpu = torch.cuda.is_available()
        if on_gpu:
            torch.cuda.set_device(processes.local_rank)
        distributed.init_process_group("nccl" if on_gpu else "gloo")
    return processes


def leave_processes() -> None:
    """Leave the process group, if this process is in one."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


def _filled(tensor: torch.Tensor, rows: int) -> torch.Tensor:
    padding = tensor.new_zeros((rows - len(tensor), *tensor.shape[1:]))
    return torch.cat([tensor, padding]) if len(padding) else tensor


class _Gather(torch.autograd.Function):
    """The tensors of all processes, (R, N, …); the gradient of each is the sum of the gradients in all processes."""

    @staticmethod
    def forward(_: Any, tensor: torch.Tensor) -> torch.Tensor:
        tensors = [torch.empty_like(tensor) for _ in range(distributed.get_world_size())]
        distributed.all_gather(tensors, tensor.contiguous())
        return torch.stack(tensors)

    @staticmethod
    def backward(_: Any, *gradients: torch.Tensor) -> torch.Tensor:
        [gradient] = gradients
        total = gradient.contiguous()
        distributed.all_reduce(total)
        return total[distributed.get_rank()]
