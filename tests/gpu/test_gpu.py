"""A GPU computes what the CPU computes, in every precision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import torch

from dpr.data.passages import read_examples
from dpr.models.cross_encoder import load_cross_encoder
from dpr.models.encoders import load_encoder
from dpr.reader.extractive.reader import load_reader
from dpr.train.batches import Source
from dpr.train.encoder.run import train
from dpr.train.encoder.settings import Training
from dpr.train.log import read_log
from dpr.types import Candidates, Example
from tests.tiny_models import make_cross_encoder

pytestmark = pytest.mark.gpu

T = TypeVar("T")


@pytest.fixture(scope="module", autouse=True)
def _gpu() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device is here")


@pytest.fixture(scope="module")
def examples(demo_files: tuple[Path, Path]) -> list[Example]:
    english, korean = demo_files
    return [*read_examples(f"squad:{english}@:2"), *read_examples(f"korquad:{korean}@:2")]


def on_cpu(compute: Callable[[], T]) -> T:
    """Return what a computation gives on a machine without a GPU."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: False)
        return compute()


@pytest.mark.parametrize(("precision", "least_cosine"), [("fp32", 0.99999), ("bf16", 0.999), ("fp16", 0.999)])
def test_the_bundled_pair_gives_the_same_vectors(examples: list[Example], precision: str, least_cosine: float) -> None:
    def vectors(precision: str) -> tuple[np.ndarray, np.ndarray]:
        encoder = load_encoder("dpr-small-ko-en", precision, "torch")
        passages = [example.positives[0] for example in examples]
        return encoder.encode_questions([example.question.text for example in examples]), encoder.encode_passages(
            passages
        )

    for computed, expected in zip(vectors(precision), on_cpu(lambda: vectors("fp32")), strict=True):
        assert (computed * expected).sum(axis=1).min() >= least_cosine


def test_the_bundled_reader_gives_the_same_answers(examples: list[Example]) -> None:
    def answers() -> list[tuple[str, float]]:
        reader = load_reader("reader-small-ko-en", "fp32", backend="torch")
        batch = [Candidates(example.question.text, (example.positives[0],), (1.0,)) for example in examples]
        return [(reading.answers[0].text, reading.answers[0].score) for reading in reader.read(batch)]

    for (answer, score), (expected, expected_score) in zip(answers(), on_cpu(answers), strict=True):
        assert answer == expected
        assert score == pytest.approx(expected_score, abs=1e-3)


def test_a_cross_encoder_gives_the_same_scores(tiny_checkpoint: Path, tmp_path: Path, examples: list[Example]) -> None:
    folder = make_cross_encoder(tiny_checkpoint, tmp_path / "scorer")

    def scores() -> np.ndarray:
        scorer = load_cross_encoder(folder, "fp32", "torch")
        return scorer.score([example.question.text for example in examples], [row.positives[0] for row in examples])

    np.testing.assert_allclose(scores(), on_cpu(scores), atol=1e-3)


@pytest.fixture(scope="module")
def training(tiny_checkpoint: Path) -> Training:
    return Training(
        base=str(tiny_checkpoint), batch_size=8, learning_rate=1e-3, passage_tokens=64, question_tokens=24,
        max_steps=8, chunk_tokens=256, precision="fp32", gradient_cache=False,
    )  # fmt: skip


def losses_of(training: Training, examples: list[Example], output: Path) -> list[float]:
    train([Source("demo", examples)], output, training)
    return [line["loss"] for line in read_log(output) if line["kind"] == "train"]


def test_training_takes_the_same_steps(training: Training, examples: list[Example], tmp_path: Path) -> None:
    expected = on_cpu(lambda: losses_of(training, examples, tmp_path / "cpu"))
    assert losses_of(training, examples, tmp_path / "gpu") == pytest.approx(expected, rel=1e-3)


def test_the_gradient_cache_repeats_dropout(training: Training, examples: list[Example], tmp_path: Path) -> None:
    plain = replace(training, dropout=0.2)
    cached = replace(plain, gradient_cache=True)
    expected = losses_of(plain, examples, tmp_path / "plain")
    assert losses_of(cached, examples, tmp_path / "cached") == pytest.approx(expected, rel=1e-3)
