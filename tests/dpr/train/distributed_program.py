"""What each process of `test_distributed` runs: one step's gradients over a global batch, written by the first."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from dpr.data.passages import read_examples
from dpr.train.batches import Batching, Source, epoch_batches
from dpr.train.chunks import TokenCache
from dpr.train.distributed import join_processes, leave_processes
from dpr.train.encoder.model import make_towers
from dpr.train.encoder.settings import Training
from dpr.train.encoder.step import Stepper, Temperature


def gradients(base: str, source: str, gradient_cache: bool, output: Path) -> None:
    """Write the loss and every weight's gradient for the first batch of an epoch."""
    processes = join_processes()
    training = Training(base=base, precision="fp32", gradient_cache=gradient_cache, learn_temperature=True)
    towers = make_towers(training)
    sources = [Source("demo", list(read_examples(source)))]
    batching = Batching(24, 2, 2, 1, separate_sources=True, seed=1)
    batch = epoch_batches(sources, batching, 0)[0]
    temperature = Temperature(training, normalize=True)
    tokens = TokenCache(towers.tokenizers, towers.question.config, sources)
    stepper = Stepper(towers, temperature, tokens, training, torch.float32, processes)
    result = stepper.backward([batch])
    module = torch.nn.ModuleDict({"towers": towers.module(), "temperature": temperature})
    processes.sum_gradients(module.parameters())
    if processes.is_main:
        found = {name: weight.grad for name, weight in module.named_parameters() if weight.grad is not None}
        save_file({**found, "loss": torch.tensor(result.loss), "negatives": torch.tensor(result.negatives)}, output)
    leave_processes()


if __name__ == "__main__":
    torch.set_num_threads(1)
    gradients(sys.argv[1], sys.argv[2], sys.argv[3] == "cached", Path(sys.argv[4]))
