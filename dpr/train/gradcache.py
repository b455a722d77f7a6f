"""Three ways to compute the gradient of a batch in chunks.

A loss that is a sum over texts is computed chunk by chunk. A contrastive loss needs the vectors of the whole batch.
The plain way keeps the graph of every chunk. GradCache (Gao et al. 2021, "Scaling deep contrastive learning batch size
under memory limited setup") needs the memory of one chunk: it encodes the batch without a graph, computes the loss and
its gradient with respect to the vectors, and then encodes each chunk again to carry that gradient to the weights. Both
give the same gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch

Encode = Callable[[], torch.Tensor]
"""The forward pass of one chunk of texts: () -> vectors (N, D), or losses (N,)."""

LossOf = Callable[[Sequence[torch.Tensor]], torch.Tensor]
"""Turns the vectors of each list of chunks, (N, D) each, into one number."""


def chunked_backward(chunks: Sequence[Encode], factor: float) -> torch.Tensor:
    """Compute ``factor`` times the sum of the chunks' losses; add its gradient to the weights and return it."""
    total = torch.zeros(())
    for losses_of in chunks:
        loss = losses_of().sum() * factor
        loss.backward()
        total += loss.detach().cpu()
    return total


def plain_backward(chunks: Sequence[Sequence[Encode]], loss_of: LossOf) -> torch.Tensor:
    """Compute a loss with the graph of all chunks; add its gradient to the weights and return it.

    Args:
        chunks: for each list of texts (questions; passages) the chunks to encode, in order.
        loss_of: the loss of the lists' vectors.
    """
    loss = loss_of([torch.cat([encode() for encode in encodes]) for encodes in chunks])
    loss.backward()
    return loss.detach()


def cached_backward(chunks: Sequence[Sequence[Encode]], loss_of: LossOf) -> torch.Tensor:
    """Do the same as `plain_backward` in the memory of one chunk, with one more forward pass."""
    vectors, states = _encode_without_graph(chunks)
    with torch.enable_grad():
        loss = loss_of(vectors)
    loss.backward()
    _backward_to_weights(chunks, vectors, states)
    return loss.detach()


@dataclass(frozen=True, slots=True)
class RandomState:
    """States of the random number generators before a chunk was encoded, to repeat its dropout."""

    cpu: torch.Tensor
    cuda: torch.Tensor | None

    @classmethod
    def now(cls) -> RandomState:
        """Return the current states."""
        cuda = torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None
        return cls(torch.get_rng_state(), cuda)

    @contextmanager
    def again(self) -> Iterator[None]:
        """Restore these states within a block."""
        devices = [torch.cuda.current_device()] if self.cuda is not None else []
        with torch.random.fork_rng(devices):
            torch.set_rng_state(self.cpu)
            if self.cuda is not None:
                torch.cuda.set_rng_state(self.cuda)
            yield


def _encode_without_graph(
    chunks: Sequence[Sequence[Encode]],
) -> tuple[list[torch.Tensor], list[list[RandomState]]]:
    states: list[list[RandomState]] = []
    vectors: list[torch.Tensor] = []
    with torch.no_grad():
        for encodes in chunks:
            encoded: list[torch.Tensor] = []
            states.append([])
            for encode in encodes:
                states[-1].append(RandomState.now())
                encoded.append(encode())
            vectors.append(torch.cat(encoded).requires_grad_())
    return vectors, states


def _backward_to_weights(
    chunks: Sequence[Sequence[Encode]], vectors: Sequence[torch.Tensor], states: Sequence[Sequence[RandomState]]
) -> None:
    for encodes, leaf, encode_states in zip(chunks, vectors, states, strict=True):
        first = 0
        for encode, state in zip(encodes, encode_states, strict=True):
            with state.again():
                again = encode()
            gradient = leaf.grad[first : first + len(again)] if leaf.grad is not None else torch.zeros_like(again)
            torch.autograd.backward(again, gradient)
            first += len(again)
