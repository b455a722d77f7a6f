"""What each process of `test_distributed` runs: a step's gradients, or a short adaptation, written by the first."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from dpr.data.passages import read_examples
from dpr.train.adaptation.run import Adaptation, adapt
from dpr.train.batches import Source
from dpr.train.chunks import TokenCache
from dpr.train.distributed import join_processes, leave_processes
from dpr.train.encoder.model import make_towers
from dpr.train.encoder.settings import Training
from dpr.train.encoder.step import EncoderObjective, LabelObjective, Temperature
from dpr.train.step import Step


def gradients(base: str, source: str, gradient_cache: bool, output: Path) -> None:
    """Write the loss and every weight's gradient for the first batch of an epoch."""
    processes = join_processes()
    training = Training(base=base, batch_size=24, learn_temperature=True)
    towers = make_towers(training)
    sources = [Source("demo", list(read_examples(source)))]
    temperature = Temperature(training, normalize=True)
    tokens = TokenCache(towers.tokenizers, towers.question.config, sources)
    objective = EncoderObjective(towers, LabelObjective(sources, tokens, temperature, training, processes), 0)
    step = Step(objective, torch.device("cpu"), torch.float32, processes)
    step.gradient_cache = gradient_cache
    result = step.backward(objective.batches(0)[:1])
    module = torch.nn.ModuleDict({"towers": towers.module(), "temperature": temperature})
    processes.sum_gradients(module.parameters())
    if processes.is_main:
        found = {name: weight.grad for name, weight in module.named_parameters() if weight.grad is not None}
        save_file({**found, "loss": torch.tensor(result.loss), "negatives": torch.tensor(result.negatives)}, output)
    leave_processes()


def adapted(base: str, source: str, output: Path) -> None:
    """Write the weights of a base that was adapted to the data's questions."""
    texts = [example.question.text for example in read_examples(source)]
    folder = output.with_suffix("")
    settings = Adaptation(base, max_steps=3, batch_tokens=512, validate_steps=2, precision="fp32", accumulation_steps=2)
    adapt(texts, folder, settings)
    if int(os.environ["RANK"]) == 0:
        shutil.copyfile(folder / "model.safetensors", output)


if __name__ == "__main__":
    torch.set_num_threads(1)
    base, source, path, output = sys.argv[1:]
    if path == "adapted":
        adapted(base, source, Path(output))
    else:
        gradients(base, source, path == "cached", Path(output))
