"""What each process of `test_distributed` runs: a step's gradients, or a short adaptation, written by the first."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file

from dpr.data.passages import read_examples
from dpr.train.adaptation.run import Adaptation, adapt
from dpr.train.batches import Source
from dpr.train.chunks import TokenCache
from dpr.train.distributed import join_processes, leave_processes
from dpr.train.encoder.model import make_pair
from dpr.train.encoder.settings import Training
from dpr.train.encoder.step import EncoderObjective, LabelObjective, Temperature
from dpr.train.step import Step


def gradients(base: str, source: str, gradient_cache: bool, output: Path) -> None:
    """Write the loss and every weight's gradient for the first batch of an epoch.

    Of all examples, of a single question, and of all examples where each excludes the positive of the one before.
    """
    processes = join_processes()
    training = Training(base=base, batch_size=24, document_passages=2, learn_temperature=True)
    pair = make_pair(training)
    demo = Source("demo", list(read_examples(source)))
    first, second = demo.examples[0], demo.examples[-1]
    single = Source("single", [replace(first, negatives=second.positives)])
    before = [demo.examples[-1], *demo.examples]
    exclusive = [
        replace(example, excluded_ids=(previous.positives[0].id,))
        for previous, example in zip(before, demo.examples, strict=False)
    ]
    temperature = Temperature(training, normalize=True)
    tokens = TokenCache(pair.tokenizers, pair.question.config, [demo, single])
    module = torch.nn.ModuleDict({"towers": pair.module(), "temperature": temperature})
    found: dict[str, torch.Tensor] = {}
    for data in (demo, single, Source("exclusive", exclusive)):
        labels = LabelObjective([data], tokens, temperature, training, processes)
        step = Step(EncoderObjective(pair, labels, 0), torch.device("cpu"), torch.float32, processes)
        step.gradient_cache = gradient_cache
        module.zero_grad()
        result = step.backward(labels.batches(0)[:1])
        processes.sum_gradients(module.parameters())
        found |= {
            f"{data.name}.{key}": weight.grad for key, weight in module.named_parameters() if weight.grad is not None
        }
        found[f"{data.name}.loss"] = torch.tensor(result.loss)
        found[f"{data.name}.negatives"] = torch.tensor(result.negatives)
    if processes.is_main:
        save_file(found, output)
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
