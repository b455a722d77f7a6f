"""The steps of masked-language-model training: batches of like length, logits at the masked places alone."""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from dpr.durable import write_atomically
from dpr.errors import ConfigError, ModelError
from dpr.models.backends import choose_precision
from dpr.models.tokens import length_sorted_batches, pad
from dpr.train.adaptation.masking import Masking
from dpr.train.adaptation.settings import Adaptation
from dpr.train.adaptation.token_windows import TokenWindows
from dpr.train.log import LOG, read_log
from dpr.train.memory import StepMemory, measure_saved, weight_bytes
from dpr.train.optimizer import make_optimizer, set_learning_rate, warmup_then_linear
from dpr.train.run_folder import STATE
from dpr.train.state import load_state, save_state
from dpr.types import IntArray, Progress

logger = logging.getLogger(__name__)

_BUCKET_BATCHES = 50
_SPECIAL_TOKENS = 2
_HEADS = ("cls", "lm_head")
_HELD_OUT = 2**31
"""Takes the place of the step in the seed of the held-out masks."""


class MaskedLoop:
    """One run: a masked language model and the windows that it learns from and is measured on."""

    def __init__(
        self, model: Any, tokenizer: Any, masking: Masking, windows: TokenWindows, settings: Adaptation
    ) -> None:
        self._model = model
        self._head = head_of(model)
        self._tokenizer = tokenizer
        self._masking = masking
        self._windows = windows
        self._settings = settings
        self._precision = _choose_precision(settings.precision, model.device)
        self._lengths = windows.lengths + _SPECIAL_TOKENS
        held_out, trained = _split(windows.texts, settings.held_out_texts, settings.seed)
        self.held_out = [[held_out[place] for place in batch] for batch in self._batches_of(held_out)]
        self.batches = self._all_batches(trained)
        self._optimizer = make_optimizer(model, settings.learning_rate, settings.weight_decay)

    def memory(self) -> StepMemory:
        """Return the memory that a step takes: its whole batch goes through the model at once."""
        longest = max((window for batch in self.batches for window in batch), key=lambda window: self._lengths[window])
        tokens = int(self._lengths[longest])
        self._model.train()
        saved = measure_saved(
            lambda rows: nn.functional.cross_entropy(*self._guess([longest] * rows, [self._settings.seed])),
            tokens,
            self._model,
        )
        batch = max(len(windows) * int(self._lengths[windows].max()) for windows in self.batches)
        return StepMemory(weight_bytes(self._model), saved.of(batch), saved.of(batch))

    def run(self, output: Path, run: str, progress: Progress) -> dict[str, float]:
        """Take all steps that the saved state has not taken; return the last losses.

        Raises:
            ModelError: the loss is not finite, or the state in ``output`` is another run's.
        """
        state, log_path = output / STATE, output / LOG
        done, _ = load_state(state, self._model, self._optimizer, run)
        entries = _kept_log(log_path, done)
        if done:
            logger.info("going on from step %d of %d", done, len(self.batches))
        self._model.train()
        with log_path.open("a", encoding="utf-8") as log:
            for step in range(done, len(self.batches)):
                new = [self._step(step)]
                if self._is_due(step + 1):
                    new.append({"step": step + 1, **self.evaluate()})
                entries += new
                log.writelines(json.dumps(entry) + "\n" for entry in new)
                progress("train", step + 1, len(self.batches))
                if (step + 1) % self._settings.checkpoint_steps == 0:
                    log.flush()
                    save_state(state, step + 1, self._model, self._optimizer, run)
        self._model.eval()
        return _summary(entries)

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Return the loss of a held-out masked token, and the share guessed right, with the same masks each time."""
        if not self.held_out:
            return {}
        self._model.eval()
        loss = right = count = 0.0
        for number, batch in enumerate(self.held_out):
            logits, gold = self._guess(batch, [self._settings.seed, _HELD_OUT, number])
            loss += float(nn.functional.cross_entropy(logits, gold, reduction="sum").item())
            right += float((logits.argmax(-1) == gold).sum().item())
            count += len(gold)
        self._model.train()
        return {"held_out_loss": round(loss / count, 4), "held_out_accuracy": round(right / count, 4)}

    def _is_due(self, steps: int) -> bool:
        every = self._settings.evaluate_steps
        return bool(self.held_out) and (steps == len(self.batches) or bool(every and steps % every == 0))

    def _step(self, step: int) -> dict[str, float]:
        began = time.monotonic()
        rate = self._settings.learning_rate * warmup_then_linear(step, len(self.batches), self._settings.warmup_share)
        set_learning_rate(self._optimizer, rate)
        logits, gold = self._guess(self.batches[step], [self._settings.seed, step])
        loss = nn.functional.cross_entropy(logits, gold)
        if not torch.isfinite(loss):
            texts = sorted({int(self._windows.texts[window]) + 1 for window in self.batches[step]})
            raise ModelError(
                f"the loss became {loss.item()} at step {step + 1}, on texts {_shortened(texts)} in the order read; "
                "lower the learning rate or look at these texts"
            )
        loss.backward()
        nn.utils.clip_grad_norm_(self._model.parameters(), self._settings.max_grad_norm)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        tokens = int(self._lengths[self.batches[step]].sum())
        seconds = round(time.monotonic() - began, 3)
        return {"step": step + 1, "loss": round(float(loss.item()), 4), "tokens": tokens, "seconds": seconds}

    def _guess(self, batch: Sequence[int], seed: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the logits (M, V) at the masked places of a batch, and the ids (M,) that were there."""
        drawn = np.random.default_rng(seed)
        head, tail = [self._tokenizer.cls_token_id], [self._tokenizer.sep_token_id]
        rows, gold = [], []
        places = torch.zeros((len(batch), int(self._lengths[batch].max())), dtype=torch.bool)
        for row, window in enumerate(batch):
            ids = self._windows[window]
            seen, chosen = self._masking.apply(ids, drawn)
            rows.append(head + seen.tolist() + tail)
            gold.append(ids[chosen])
            places[row, torch.from_numpy(chosen) + 1] = True
        device = self._model.device
        inputs = {name: tensor.to(device) for name, tensor in pad(rows, self._tokenizer.pad_token_id).items()}
        with torch.autocast(device.type, self._precision, enabled=self._precision != torch.float32):
            states = self._model.base_model(**inputs).last_hidden_state[places.to(device)]  # (M, D)
            logits = self._head(states)  # (M, V)
        return logits.float(), torch.from_numpy(np.concatenate(gold)).to(device)

    def _batches_of(self, windows: Sequence[int]) -> Iterator[list[int]]:
        return length_sorted_batches([int(self._lengths[window]) for window in windows], self._settings.batch_tokens)

    def _all_batches(self, trained: list[int]) -> list[list[int]]:
        batches: list[list[int]] = []
        wanted = self._settings.max_steps
        epoch = 0
        while epoch < self._settings.epochs if wanted is None else len(batches) < wanted:
            batches += self._epoch(trained, epoch)
            epoch += 1
        return batches[:wanted]

    def _epoch(self, trained: list[int], epoch: int) -> list[list[int]]:
        """Return an epoch's batches: windows of like length together, in random order, the same for the same seed."""
        shuffle = random.Random(self._settings.seed * 1_000_003 + epoch)  # noqa: S311 - sampling, not secrets
        shuffled = shuffle.sample(trained, len(trained))
        bucket = max(1, int(_BUCKET_BATCHES * self._settings.batch_tokens / float(self._lengths[trained].mean())))
        batches = []
        for first in range(0, len(shuffled), bucket):
            chunk = shuffled[first : first + bucket]
            batches += [[chunk[place] for place in batch] for batch in self._batches_of(chunk)]
        shuffle.shuffle(batches)
        return batches


def head_of(model: Any) -> nn.Module:
    """Return the part of a masked language model that makes logits (M, V) of states (M, D).

    Raises:
        ModelError: the model keeps it under an unknown name.
    """
    for name in _HEADS:
        if isinstance(head := getattr(model, name, None), nn.Module):
            return head
    raise ModelError(f"a {type(model).__name__} cannot be adapted; choose a base of the kind of BERT or RoBERTa")


def _choose_precision(name: str, device: torch.device) -> torch.dtype:
    if name == "fp16":
        raise ConfigError("precision 'fp16' needs a scaled loss, which adaptation has not; choose auto, fp32 or bf16")
    chosen = choose_precision(name, device)
    return torch.float32 if chosen == torch.float16 else chosen


def _split(texts: IntArray, held_out_texts: int, seed: int) -> tuple[list[int], list[int]]:
    """Return the windows of the held-out texts, at most a tenth of all, and those of the others."""
    different = np.unique(texts)
    count = min(held_out_texts, len(different) // 10)
    chosen = np.isin(texts, np.random.default_rng(seed).permutation(different)[:count])
    return np.flatnonzero(chosen).tolist(), np.flatnonzero(~chosen).tolist()


def _kept_log(path: Path, done: int) -> list[dict[str, float]]:
    """Return the log's entries of the steps that the state has taken, and drop those that will be taken again."""
    kept = [entry for entry in read_log(path.parent) if entry["step"] <= done]
    write_atomically(path, "".join(json.dumps(entry) + "\n" for entry in kept))
    return kept


def _summary(entries: Sequence[dict[str, float]]) -> dict[str, float]:
    losses = [entry["loss"] for entry in entries if "loss" in entry][-100:]
    measured = [entry for entry in entries if "held_out_loss" in entry]
    summary = {"final_loss": round(sum(losses) / max(len(losses), 1), 4)}
    return summary | ({key: measured[-1][key] for key in ("held_out_loss", "held_out_accuracy")} if measured else {})


def _shortened(texts: Sequence[int]) -> str:
    shown = ", ".join(map(str, texts[:8]))
    return shown if len(texts) <= 8 else f"{shown} and {len(texts) - 8} more"
