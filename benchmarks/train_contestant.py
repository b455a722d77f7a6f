"""One contestant of benchmarks/train.py, in a process of its own: trains some steps and writes what they took as JSON.

    python benchmarks/train_contestant.py '{"system": "ours", "data": "squad:train-v1.1.json", …}' RESULT.json

The keys are those of `Contest`. Both systems train on the same pairs for one epoch, in their own order. The first
``warm_up`` steps are not timed. Our texts are tokenized before the first step, the other system's within each; the
timed questions' share of our tokenization is added to our time.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModel

from dpr.data.passages import read_examples
from dpr.errors import ConfigError
from dpr.models.checkpoint import load_tokenizer, resolve
from dpr.models.tokens import clip
from dpr.train.batches import Batch, Source, epoch_batches
from dpr.train.chunks import TokenCache
from dpr.train.encoder.model import make_pair
from dpr.train.encoder.run import train
from dpr.train.encoder.settings import Training
from dpr.train.engine import RunOptions
from dpr.types import Example

Report = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Contest:
    """What to train, and on what.

    ``precision`` is as for `dpr train`; for the other system fp32 or bf16. ``settings`` are further ones of `Training`.
    Without ``shares_passages`` each question has a passage of its own, a copy where the data have it once, so that a
    batch holds as many passages as questions. ``takes_steps`` False ends after loading; ``memory_mib`` is then what the
    loaded process holds, else the most that it ever held.
    """

    system: str
    data: str
    pairs: int
    model: str
    batch_size: int = 64
    question_tokens: int = 64
    passage_tokens: int = 256
    precision: str = "auto"
    warm_up: int = 1
    gradient_cache: bool = False
    shares_passages: bool = True
    takes_steps: bool = True
    seed: int = 1
    settings: dict[str, Any] = field(default_factory=dict)


class Clock:
    """The wall and CPU time of this process after each step."""

    def __init__(self) -> None:
        self._times: list[tuple[float, float]] = []

    def tick(self) -> None:
        """Take down that a step is done, on the device too."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self._times.append((time.perf_counter(), time.process_time()))

    @property
    def steps(self) -> int:
        return len(self._times)

    def since(self, step: int) -> tuple[float, float]:
        """Return the wall and CPU seconds between the end of a step (from 1) and the end of the last one."""
        if not 1 <= step < self.steps:
            raise ConfigError(f"{self.steps} steps leave none to time after a warm-up of {step}; give more pairs")
        (wall, cpu), (last_wall, last_cpu) = self._times[step - 1], self._times[-1]
        return last_wall - wall, last_cpu - cpu


def main() -> None:
    contest = Contest(**json.loads(sys.argv[1]))
    report = SYSTEMS[contest.system](contest, read_pairs(contest))
    Path(sys.argv[2]).write_text(json.dumps(report) + "\n", encoding="utf-8")


def read_pairs(contest: Contest) -> list[Example]:
    """Return the pairs of the first batches that `dpr train` makes of the data: they share passages as all of them do.

    Raises:
        ConfigError: the data have fewer pairs.
    """
    examples = [example for example in read_examples(contest.data) if not example.is_impossible]
    batches = epoch_batches([Source(contest.data, examples)], Training(seed=contest.seed).batching(), epoch=0)
    taken = [example for batch in batches for example in batch.questions][: contest.pairs]
    if len(taken) < contest.pairs:
        raise ConfigError(f"{contest.data} has {len(taken)} pairs, not {contest.pairs}; give more, or take fewer steps")
    return taken if contest.shares_passages else [with_own_passage(example) for example in taken]


def with_own_passage(example: Example) -> Example:
    positive = example.positives[0]
    return replace(example, positives=(replace(positive, id=f"{positive.id} of {example.question.id}"),))


def run_ours(contest: Contest, examples: Sequence[Example]) -> Report:
    training = Training(
        base=contest.model,
        batch_size=contest.batch_size,
        question_tokens=contest.question_tokens,
        passage_tokens=contest.passage_tokens,
        precision=contest.precision,
        gradient_cache=contest.gradient_cache,
        seed=contest.seed,
        **contest.settings,
    )
    sources = [Source(contest.data, examples)]
    if not contest.takes_steps:
        pair = make_pair(training)
        TokenCache(pair.tokenizers, pair.question.config, sources)
        return {"memory_mib": memory_mib("VmRSS")}
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        record = train(sources, Path(folder), training, options=RunOptions(lambda *_: clock.tick()))
    peak_mib = memory_mib("VmHWM")
    batches = timed_batches(training, sources, contest.warm_up)
    tokens, tokenizing = tokenize(training, sources)
    questions = sum(len(batch.questions) for batch in batches)
    wall_s, cpu_s = (
        took + spent * questions / len(examples)
        for took, spent in zip(clock.since(contest.warm_up), tokenizing, strict=True)
    )
    return {
        "steps": len(batches),
        "questions": questions,
        "passages": sum(len(batch.passages) for batch in batches),
        "wall_s": wall_s,
        "cpu_s": cpu_s,
        "precision": record["precision"],
        "device": record["device"],
        "memory_mib": peak_mib,
        **work_of(contest.model, tokens, batches),
    }


def timed_batches(training: Training, sources: Sequence[Source], warm_up: int) -> list[Batch]:
    """Return the batches of the one epoch that a run with these settings sees, the first left out."""
    return epoch_batches(sources, training.batching(), epoch=0)[warm_up:]


def tokenize(training: Training, sources: Sequence[Source]) -> tuple[TokenCache, tuple[float, float]]:
    """Return the tokens of all texts, and the wall and CPU seconds that making them took."""
    pair = make_pair(training)
    wall, cpu = time.perf_counter(), time.process_time()
    tokens = TokenCache(pair.tokenizers, pair.question.config, sources)
    return tokens, (time.perf_counter() - wall, time.process_time() - cpu)


def work_of(model: str, tokens: TokenCache, batches: Sequence[Batch]) -> Report:
    """Return the tokens of some batches, padding not counted, and the floating-point operations that they need.

    Forward and backward passes take 6 operations for each token and each weight of a matrix product, and 12·L·D·T² for
    the attention among T tokens in L layers of D units (Kaplan et al. 2020, "Scaling laws for neural language models",
    section 2.1; Chowdhery et al. 2022, "PaLM", appendix B).
    """
    lengths = [len(text) for batch in batches for text in (*tokens.questions(batch), *tokens.passages(batch))]
    config = AutoConfig.from_pretrained(resolve(model), local_files_only=True)
    with torch.device("meta"):
        weights = AutoModel.from_config(config).named_parameters()
        used = sum(weight.numel() for name, weight in weights if "embeddings" not in name and "pooler" not in name)
    attention = 12 * config.num_hidden_layers * config.hidden_size * sum(length**2 for length in lengths)
    return {"tokens": sum(lengths), "operations": 6 * used * sum(lengths) + attention}


def run_sentence_transformers(contest: Contest, examples: Sequence[Example]) -> Report:
    from datasets import Dataset
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.sentence_transformer.losses import (
        CachedMultipleNegativesRankingLoss,
        MultipleNegativesRankingLoss,
    )
    from transformers import TrainerCallback

    directory = resolve(contest.model)
    tokenizer = load_tokenizer(directory)
    model = SentenceTransformer(str(directory), local_files_only=True)
    model.max_seq_length = contest.passage_tokens
    limit = contest.question_tokens - 2  # [CLS] and [SEP]
    columns = {
        "anchor": [clip(tokenizer, example.question.text, limit) for example in examples],
        "positive": [f"{example.positives[0].title} {example.positives[0].text}".strip() for example in examples],
    }
    if not contest.takes_steps:
        return {"memory_mib": memory_mib("VmRSS")}
    clock = Clock()
    ticking = type("Ticking", (TrainerCallback,), {"on_step_end": lambda *_, **__: clock.tick()})
    losses = {False: MultipleNegativesRankingLoss, True: CachedMultipleNegativesRankingLoss}
    with tempfile.TemporaryDirectory() as folder:
        arguments = SentenceTransformerTrainingArguments(
            output_dir=folder,
            num_train_epochs=1,
            per_device_train_batch_size=contest.batch_size,
            bf16=contest.precision == "bf16",
            use_cpu=not torch.cuda.is_available(),
            seed=contest.seed,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        trainer = SentenceTransformerTrainer(
            model=model,
            args=arguments,
            train_dataset=Dataset.from_dict(columns),
            loss=losses[contest.gradient_cache](model),
            callbacks=[ticking()],
        )
        trainer.train()
    peak_mib = memory_mib("VmHWM")
    wall_s, cpu_s = clock.since(contest.warm_up)
    timed = len(examples) - contest.warm_up * contest.batch_size
    return {
        "steps": clock.steps - contest.warm_up,
        "questions": timed,
        "passages": timed,
        "wall_s": wall_s,
        "cpu_s": cpu_s,
        "precision": contest.precision,
        "device": str(model.device),
        "memory_mib": peak_mib,
    }


def memory_mib(name: str) -> float:
    """Return a size from this process's status: VmRSS, its memory now, or VmHWM, the most that it ever had.

    Unlike ``getrusage``'s ``ru_maxrss``, VmHWM leaves out what the process that started this one had.
    """
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise ConfigError(f"/proc/self/status names no {name}; memory can be measured on Linux alone")


SYSTEMS: dict[str, Callable[[Contest, Sequence[Example]], Report]] = {
    "ours": run_ours,
    "sentence-transformers": run_sentence_transformers,
}


if __name__ == "__main__":
    main()
