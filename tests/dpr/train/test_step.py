"""What each objective whose loss is a sum over texts owes a step: any chunks, any processes, any scale."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from dpr.models.checkpoint import load_model, load_tokenizer
from dpr.models.cross_encoder import PairTokenizer
from dpr.reader.extractive.model import ReaderConfig
from dpr.train.adaptation.masking import masking_of
from dpr.train.adaptation.settings import Adaptation
from dpr.train.adaptation.step import MaskedObjective
from dpr.train.adaptation.token_windows import read_windows
from dpr.train.batches import Source
from dpr.train.cross_encoder.run import make_cross_encoder
from dpr.train.cross_encoder.settings import CrossEncoderTraining
from dpr.train.cross_encoder.step import CrossEncoderObjective
from dpr.train.distributed import Processes
from dpr.train.reader.features import make_features
from dpr.train.reader.model import make_network
from dpr.train.reader.settings import ReaderTraining
from dpr.train.reader.step import ReaderObjective
from dpr.train.step import Objective, Step
from dpr.types import Example, Passage, Question

NAMES = ["kim", "lee", "park", "choi"]
ALONE = Processes()
Made = tuple[nn.Module, Callable[[int, Processes], Objective[Any]]]


def examples(names: list[str], lengths: int = 5) -> list[Example]:
    made = []
    for number in range(14):
        name = names[number % len(names)]
        text = f"{'x ' * (number % lengths)}the name is {name} ."
        others = tuple(Passage(f"n{number}-{place}", f"{'y ' * place}no name") for place in range(number % 3 + 1))
        question = Question(f"q{number}", "name ?", (name,))
        made.append(Example(question, (Passage(f"p{number}", text),), others, answer_starts=(text.index(name),)))
    return made


def reader(base: Path) -> Made:
    settings = ReaderTraining(str(base), batch_tokens=128, relevance_head=True)
    torch.manual_seed(1)
    network = make_network(settings)
    # windows of one length: padding has logits, too, and so counts in the loss
    config = ReaderConfig(max_tokens=64, stride=8, question_tokens=16, max_answer_tokens=8)
    features = list(make_features(load_tokenizer(base), examples(["kim", "lee"], lengths=1), config))
    return network, lambda chunk_tokens, processes: ReaderObjective(
        network, features, 0, replace(settings, chunk_tokens=chunk_tokens), processes
    )


def cross_encoder(base: Path) -> Made:
    settings = CrossEncoderTraining(str(base), batch_size=5, hard_negatives=2)
    torch.manual_seed(1)
    model, _ = make_cross_encoder(settings)
    pairs = PairTokenizer(load_tokenizer(base), model)
    return model, lambda chunk_tokens, processes: CrossEncoderObjective(
        model, pairs, [Source("names", examples(NAMES))], replace(settings, chunk_tokens=chunk_tokens), processes
    )


def masked(base: Path) -> Made:
    from transformers import AutoModelForMaskedLM

    settings = Adaptation(str(base), batch_tokens=128, max_tokens=24)
    torch.manual_seed(1)
    model: Any = load_model(AutoModelForMaskedLM, base, new_head=True)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    tokenizer = load_tokenizer(base)
    pieces = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    masking = masking_of(pieces, tokenizer.all_special_ids, tokenizer.mask_token_id, 0.15, whole_words=True)
    windows = read_windows(tokenizer, [example.positives[0].text for example in examples(NAMES)], 22)
    return model, lambda chunk_tokens, processes: MaskedObjective(
        model, tokenizer, masking, windows, replace(settings, chunk_tokens=chunk_tokens), processes
    )


@pytest.fixture(params=[reader, cross_encoder, masked], ids=lambda make: str(make.__name__))
def made(request: pytest.FixtureRequest, tiny_checkpoint: Path) -> Made:
    make: Callable[[Path], Made] = request.param
    return make(tiny_checkpoint)


def gradient(module: nn.Module, objective: Objective[Any], scaler: torch.amp.GradScaler | None = None) -> torch.Tensor:
    module.zero_grad()
    step = Step(objective, torch.device("cpu"), torch.float32, ALONE)
    result = step.backward(objective.batches(0)[:2], scaler)
    grads = [weight.grad.flatten() for weight in module.parameters() if weight.grad is not None]
    return torch.cat([torch.tensor([result.loss]), *grads])


def test_chunks_of_any_size_give_the_same_loss_and_gradient(made: Made) -> None:
    module, objective = made
    whole = gradient(module, objective(100_000, ALONE))
    assert whole[0] > 0.5
    for chunk_tokens in (1, 40):
        assert torch.allclose(gradient(module, objective(chunk_tokens, ALONE)), whole, atol=1e-5)


def test_the_parts_of_several_processes_are_the_whole(made: Made) -> None:
    _, objective = made
    batches = objective(0, ALONE).batches(0)
    for batch in batches[:2]:
        [whole] = objective(0, ALONE).tasks([batch])
        parts = [task for rank in range(3) for task in objective(0, Processes(rank, 3)).tasks([batch])]
        losses = [
            sorted(loss for task in tasks for part in task.chunks for chunk in part for loss in chunk().tolist())
            for tasks in ([whole], parts)
        ]
        assert losses[0] == pytest.approx(losses[1], abs=1e-5)
        assert len(losses[0]) == (whole.count or len(whole.ids))
        assert {(task.count, tuple(task.ids)) for task in parts} == {(whole.count, tuple(whole.ids))}


def test_a_scaled_loss_has_a_scaled_gradient_and_is_told_unscaled(made: Made) -> None:
    module, objective = made
    plain = gradient(module, objective(0, ALONE))
    scaled = gradient(module, objective(0, ALONE), torch.amp.GradScaler("cpu", init_scale=256.0))
    assert scaled[0] == pytest.approx(float(plain[0]), rel=1e-5)
    assert torch.allclose(scaled[1:] / 256, plain[1:], atol=1e-6)


def test_an_epoch_is_the_same_for_the_same_seed(made: Made) -> None:
    _, objective = made
    first, again, second = (objective(0, ALONE).batches(epoch) for epoch in (0, 0, 1))
    assert first == again != second


def test_memory_is_that_of_a_chunk_or_of_the_longest_text(made: Made) -> None:
    _, objective = made
    small, large = (objective(chunk_tokens, ALONE).memory() for chunk_tokens in (1, 100))
    assert 0 < small.chunk < large.chunk
    assert small.batch == large.batch == 0
    assert small.weights == large.weights > 0


def test_masks_are_numbered_over_all_epochs(tiny_checkpoint: Path) -> None:
    _, objective = masked(tiny_checkpoint)
    numbers = [[batch.number for batch in objective(0, ALONE).batches(epoch)] for epoch in range(3)]
    assert [number for epoch in numbers for number in epoch] == list(range(sum(map(len, numbers))))
