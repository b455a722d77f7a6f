"""Training of the extractive reader: length-bucketed token budgets, bf16, whole weights or LoRA, exact resume."""

from __future__ import annotations

import hashlib
import json
import logging
import random
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dpr.config import DEFAULT_BASE
from dpr.errors import ConfigError, DataError, ModelError
from dpr.models.adapters import add_lora
from dpr.models.backends import choose_device, choose_precision
from dpr.models.checkpoint import load_model, load_tokenizer, resolve
from dpr.models.optimization import make_optimizer, set_learning_rate, warmup_then_linear
from dpr.models.resume import load_state, save_state
from dpr.models.tokens import length_sorted_batches
from dpr.reader.features import Feature, add_negatives, make_features
from dpr.reader.model import ReaderConfig, fit_config, save_reader_config
from dpr.reader.windows import pad_windows
from dpr.types import Example, Progress, no_progress

logger = logging.getLogger(__name__)

_BUCKET_BATCHES = 50


@dataclass(frozen=True, slots=True)
class ReaderTraining:
    """Settings of a run. ``batch_tokens`` are padded tokens in one step; ``lora_rank`` 0 trains all weights.

    ``negative_share`` is the share of questions that are also shown a passage without their answer. ``dropout``
    is off by default: in one or two epochs it gains nothing, and on a CPU it takes a quarter of the time.
    """

    base: str = DEFAULT_BASE
    epochs: int = 2
    batch_tokens: int = 6144
    learning_rate: float = 1e-4
    warmup_share: float = 0.06
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    dropout: float = 0.0
    lora_rank: int = 0
    lora_alpha: int = 64
    negative_share: float = 0.25
    precision: str = "auto"
    checkpoint_steps: int = 200
    seed: int = 1

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_tokens < 1 or self.checkpoint_steps < 1:
            raise ConfigError("epochs, batch_tokens and checkpoint_steps must be at least 1")
        if not 0 < self.learning_rate < float("inf"):
            raise ConfigError(f"learning_rate is {self.learning_rate}; choose a number above 0, such as 1e-4")
        if not 0 <= self.negative_share <= 1 or not 0 <= self.warmup_share < 1:
            raise ConfigError("negative_share and warmup_share are shares between 0 and 1")


def train_reader(
    examples: Sequence[Example],
    output: Path,
    training: ReaderTraining,
    config: ReaderConfig | None = None,
    progress: Progress = no_progress,
) -> dict[str, object]:
    """Train a reader and save it to ``output``; return a summary of the run.

    A run that was killed goes on from its last checkpoint when it is called again with the same arguments; the
    final weights are the same. Each step is a line in ``output/log.jsonl``.

    Raises:
        DataError: there are no examples, or an answer lacks its offset.
        ModelError: the base cannot be loaded, the loss is not finite, or ``output`` holds another run's state.
    """
    config = config or ReaderConfig()
    if not examples:
        raise DataError("there are no training questions; name a data set with questions and answers")
    torch.manual_seed(training.seed)
    base = resolve(training.base)
    tokenizer = load_tokenizer(base)
    shown = add_negatives(examples, training.negative_share, training.seed)
    model = _make_model(base, training).to(choose_device())
    config = fit_config(config, model)
    features = list(make_features(tokenizer, shown, config))
    run = _run_identity(training, config, examples)
    output.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    loss = _Loop(model, tokenizer.pad_token_id, features, training).run(output, run, progress)
    _save(model, tokenizer, config, output)
    summary = {
        "training": asdict(training),
        "questions": len(examples),
        "negatives": len(shown) - len(examples),
        "windows": len(features),
        "final_loss": loss,
        "seconds": round(time.monotonic() - started, 1),
        "run": run,
    }
    (output / "training.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    (output / "state.safetensors").unlink(missing_ok=True)
    return summary


class _Loop:
    """The steps of one run."""

    def __init__(self, model: Any, pad_id: int, features: Sequence[Feature], training: ReaderTraining) -> None:
        self._model = model
        self._pad_id = pad_id
        self._features = features
        self._training = training
        self._precision = choose_precision(training.precision, model.device)
        self._uses_types = getattr(model.config, "type_vocab_size", 0) > 1
        self._batches = [batch for epoch in range(training.epochs) for batch in self._epoch(epoch)]
        self._optimizer = make_optimizer(model, training.learning_rate, training.weight_decay)

    def run(self, output: Path, run: str, progress: Progress) -> float:
        """Take all steps that the saved state has not taken; return the mean loss of the last 100."""
        state = output / "state.safetensors"
        done, _ = load_state(state, self._model, self._optimizer, run)
        if done:
            logger.info("going on from step %d of %d", done, len(self._batches))
        self._model.train()
        recent: list[float] = []
        with (output / "log.jsonl").open("a", encoding="utf-8") as log:
            for step in range(done, len(self._batches)):
                loss = self._step(step)
                recent = [*recent[-99:], loss]
                log.write(json.dumps({"step": step + 1, "loss": round(loss, 4)}) + "\n")
                progress("train", step + 1, len(self._batches))
                if (step + 1) % self._training.checkpoint_steps == 0:
                    log.flush()
                    save_state(state, step + 1, self._model, self._optimizer, run)
        self._model.eval()
        return sum(recent) / max(len(recent), 1)

    def _step(self, step: int) -> float:
        factor = warmup_then_linear(step, len(self._batches), self._training.warmup_share)
        set_learning_rate(self._optimizer, self._training.learning_rate * factor)
        batch = [self._features[row] for row in self._batches[step]]
        loss = self._loss(batch)
        if not torch.isfinite(loss):
            raise ModelError(f"the loss became {loss.item()} at step {step + 1}; lower the learning rate")
        loss.backward()
        nn.utils.clip_grad_norm_(self._model.parameters(), self._training.max_grad_norm)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        return float(loss.item())

    def _loss(self, batch: Sequence[Feature]) -> torch.Tensor:
        """Return the mean cross-entropy of start and end (Devlin et al. 2019, section 4.2)."""
        device = self._model.device
        inputs = pad_windows([feature.window for feature in batch], self._pad_id, self._uses_types)
        with torch.autocast(device.type, self._precision, enabled=self._precision != torch.float32):
            output = self._model(**{name: tensor.to(device) for name, tensor in inputs.items()})
        starts = torch.tensor([feature.start for feature in batch], device=device)
        ends = torch.tensor([feature.end for feature in batch], device=device)
        cross_entropy = nn.functional.cross_entropy
        return (cross_entropy(output.start_logits.float(), starts) + cross_entropy(output.end_logits.float(), ends)) / 2

    def _epoch(self, epoch: int) -> Iterator[list[int]]:
        """Yield an epoch's batches: rows of like length together, in random order, the same for the same seed."""
        shuffle = random.Random(self._training.seed * 1000 + epoch)  # noqa: S311 - sampling, not secrets
        rows = list(range(len(self._features)))
        shuffle.shuffle(rows)
        mean = sum(len(feature.window) for feature in self._features) / len(rows)
        bucket = max(1, int(_BUCKET_BATCHES * self._training.batch_tokens / mean))
        batches: list[list[int]] = []
        for first in range(0, len(rows), bucket):
            chunk = rows[first : first + bucket]
            lengths = [len(self._features[row].window) for row in chunk]
            batches += [
                [chunk[index] for index in batch]
                for batch in length_sorted_batches(lengths, self._training.batch_tokens)
            ]
        shuffle.shuffle(batches)
        yield from batches


def _make_model(base: Path, training: ReaderTraining) -> Any:
    from transformers import AutoModelForQuestionAnswering

    model = load_model(AutoModelForQuestionAnswering, base, new_head=True)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = training.dropout
    model.config.attention_probs_dropout_prob = training.dropout
    if training.lora_rank == 0:
        return model
    return add_lora(
        model,
        training.lora_rank,
        training.lora_alpha,
        training.base,
        task_type="QUESTION_ANS",
        modules_to_save=["qa_outputs"],
    )


def _save(model: Any, tokenizer: Any, config: ReaderConfig, output: Path) -> None:
    model.save_pretrained(output)
    if not (output / "adapter_config.json").is_file():  # an adapter uses its base's tokenizer
        tokenizer.save_pretrained(output)
    save_reader_config(output, config)


def _run_identity(training: ReaderTraining, config: ReaderConfig, examples: Iterable[Example]) -> str:
    digest = hashlib.sha256(json.dumps([asdict(training), asdict(config)], sort_keys=True).encode())
    for example in examples:
        digest.update(f"{example.question.id}\t{example.question.text}\t{example.question.answers}\n".encode())
    return digest.hexdigest()[:16]
