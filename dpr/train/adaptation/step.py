"""The step of a masked language model: chunks of windows, and the losses of masked tokens."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from dpr.errors import ModelError
from dpr.models.tokens import pad
from dpr.train.adaptation.masking import Masking
from dpr.train.adaptation.settings import Adaptation
from dpr.train.adaptation.token_windows import TokenWindows
from dpr.train.batches import batches_of_like_length, by_length
from dpr.train.distributed import Processes
from dpr.train.memory import StepMemory, chunk_memory
from dpr.train.step import CHUNK_TOKENS, Task
from dpr.types import IntArray

SPECIAL_TOKENS = 2
_HEADS = ("cls", "lm_head")
_HELD_OUT = 2**31
"""Stands for the number of the batch in the seed of the held-out masks."""


@dataclass(frozen=True, slots=True)
class MaskedBatch:
    """Windows, longest first, and the number of the batch in the run, which seeds its masks."""

    number: int
    windows: list[int]


@dataclass(frozen=True, slots=True)
class MaskedWindow:
    """A masked window: ``ids`` with special tokens, masked ``positions`` (M,) and the ``gold`` ids (M,) there."""

    ids: list[int]
    positions: IntArray
    gold: IntArray


class MaskedObjective:
    """Predict masked tokens of plain text; logits are computed at their positions only."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        masking: Masking,
        windows: TokenWindows,
        settings: Adaptation,
        processes: Processes,
    ) -> None:
        self._model = model
        self._head = head_of(model)
        self._tokenizer = tokenizer
        self._masking = masking
        self._windows = windows
        self._settings = settings
        self._processes = processes
        self._lengths = (windows.lengths + SPECIAL_TOKENS).tolist()
        self._chunk_tokens = settings.chunk_tokens or CHUNK_TOKENS[model.device.type]
        self._held_out, self._trained = split_texts(windows.texts, settings.held_out_texts, settings.seed)
        self._epoch_sizes: list[int] = []

    @property
    def has_held_out(self) -> bool:
        """Whether there are held-out texts."""
        return bool(self._held_out)

    def batches(self, epoch: int) -> list[MaskedBatch]:
        """Return an epoch's batches of windows of similar length, in random order, the same for the same seed."""
        while len(self._epoch_sizes) < epoch:
            self._epoch_sizes.append(len(self._epoch(len(self._epoch_sizes))))
        first = sum(self._epoch_sizes[:epoch])
        return [MaskedBatch(number, windows) for number, windows in enumerate(self._epoch(epoch), start=first)]

    def _epoch(self, epoch: int) -> list[list[int]]:
        shuffle = random.Random(self._settings.seed * 1_000_003 + epoch)  # noqa: S311 - sampling, not secrets
        shuffled = shuffle.sample(self._trained, len(self._trained))
        return batches_of_like_length(shuffled, self._lengths, self._settings.batch_tokens, shuffle)

    def memory(self) -> StepMemory:
        """Return the memory that a step takes."""
        longest = max(self._trained, key=self._lengths.__getitem__)
        [masked] = self._masked([longest], [self._settings.seed])
        chunk_tokens = min(self._chunk_tokens, self._settings.batch_tokens)
        return chunk_memory(lambda rows: self._losses([masked] * rows), len(masked.ids), self._model, chunk_tokens)

    def tasks(self, batches: Sequence[MaskedBatch]) -> list[Task]:
        """Return one task, so that a step averages over the masked tokens of all batches."""
        masked = [
            window for batch in batches for window in self._masked(batch.windows, [self._settings.seed, batch.number])
        ]
        local_windows = masked[self._processes.rank :: self._processes.count]
        texts = [str(self._windows.texts[window] + 1) for batch in batches for window in batch.windows]
        chunks = [partial(self._losses, chunk) for chunk in self._chunks(local_windows)]
        count = sum(len(window.gold) for window in masked)
        return [Task([chunks], texts, kind="texts (numbered in the order read)", count=count)]

    @torch.no_grad()
    def measure(self) -> dict[str, float]:
        """Return the mean loss of held-out masked tokens and the accuracy, with the same masks each time."""
        self._model.eval()
        loss = right = count = 0.0
        batches = by_length(self._held_out, self._lengths.__getitem__, self._settings.batch_tokens)
        for number, windows in enumerate(batches):
            for chunk in self._chunks(self._masked(windows, [self._settings.seed, _HELD_OUT, number])):
                logits, gold = self._guess(chunk)
                loss += float(nn.functional.cross_entropy(logits, gold, reduction="sum").item())
                right += float((logits.argmax(-1) == gold).sum().item())
                count += len(gold)
        self._model.train()
        return {"held_out_loss": round(loss / count, 4), "held_out_accuracy": round(right / count, 4)}

    def _masked(self, windows: Sequence[int], seed: Sequence[int]) -> list[MaskedWindow]:
        generator = np.random.default_rng(seed)
        masked = []
        for window in windows:
            ids = self._windows[window]
            corrupted, positions = self._masking.apply(ids, generator)
            with_special = [self._tokenizer.cls_token_id, *corrupted.tolist(), self._tokenizer.sep_token_id]
            masked.append(MaskedWindow(with_special, positions + 1, ids[positions]))
        return masked

    def _chunks(self, windows: Sequence[MaskedWindow]) -> list[list[MaskedWindow]]:
        return by_length(windows, lambda window: len(window.ids), self._chunk_tokens)

    def _losses(self, windows: Sequence[MaskedWindow]) -> torch.Tensor:
        return nn.functional.cross_entropy(*self._guess(windows), reduction="none")

    def _guess(self, windows: Sequence[MaskedWindow]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the logits (M, V) at the masked positions of some windows, and the gold ids (M,)."""
        device = self._model.device
        inputs = pad([window.ids for window in windows], self._tokenizer.pad_token_id)
        rows = np.repeat(np.arange(len(windows)), [len(window.positions) for window in windows])
        positions = np.concatenate([window.positions for window in windows])
        states = self._model.base_model(**{name: tensor.to(device) for name, tensor in inputs.items()})
        masked = states.last_hidden_state[torch.from_numpy(rows), torch.from_numpy(positions)]  # (M, D)
        gold = torch.from_numpy(np.concatenate([window.gold for window in windows])).to(device)
        return self._head(masked).float(), gold


def head_of(model: Any) -> nn.Module:
    """Return the head of a masked language model, from states (M, D) to logits (M, V).

    Raises:
        ModelError: the head has an unknown name.
    """
    for name in _HEADS:
        if isinstance(head := getattr(model, name, None), nn.Module):
            return head
    raise ModelError(f"a {type(model).__name__} cannot be adapted; choose a base such as BERT or RoBERTa")


def split_texts(texts: IntArray, held_out_texts: int, seed: int) -> tuple[list[int], list[int]]:
    """Return the windows of the held-out texts, at most a tenth of all texts, and the other windows."""
    different = np.unique(texts)
    count = min(held_out_texts, len(different) // 10)
    is_held_out = np.isin(texts, np.random.default_rng(seed).permutation(different)[:count])
    return np.flatnonzero(is_held_out).tolist(), np.flatnonzero(~is_held_out).tolist()
