from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dpr.data.passages import read_examples
from dpr.errors import ConfigError, DataError, ModelError
from dpr.models.encoders import load_encoder
from dpr.models.head import Dense
from dpr.train.batches import Source
from dpr.train.settings import Training
from dpr.train.train import train
from dpr.train.whitening import FLOOR, whiten, whitening_matrix
from dpr.types import Example, FloatArray, Passage, Question


@pytest.fixture(scope="module")
def sources(demo_files: tuple[Path, Path]) -> list[Source]:
    english, korean = demo_files
    return [
        Source("english", list(read_examples(f"squad:{english}"))),
        Source("korean", list(read_examples(f"korquad:{korean}"))),
    ]


def covariance_of(count: int, seed: int = 0) -> FloatArray:
    drawn = np.random.default_rng(seed)
    mixed: FloatArray = (drawn.standard_normal((500, count)) @ drawn.standard_normal((count, count))).astype(np.float32)
    return np.asarray(np.cov(mixed, rowvar=False))


def test_the_full_power_makes_all_directions_alike() -> None:
    covariance = covariance_of(8)
    matrix = whitening_matrix(covariance, 1.0)
    whitened = matrix @ covariance @ matrix.T
    mean = np.trace(covariance) / 8
    np.testing.assert_allclose(np.trace(whitened), 8 * mean, rtol=0.05)
    strong = np.linalg.eigvalsh(whitened)[4:]  # those far above the floor
    np.testing.assert_allclose(strong, strong[-1], rtol=0.1)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-5)


def test_half_the_power_halves_the_differences_of_the_logarithms() -> None:
    variances = np.array([1.0, 4.0, 64.0])
    scales = np.diag(whitening_matrix(np.diag(variances).astype(np.float32), 0.5))
    floored = variances + FLOOR * variances.mean()
    np.testing.assert_allclose(np.diff(np.log(scales)), -0.25 * np.diff(np.log(floored)), rtol=1e-4)


def test_vectors_that_are_all_the_same_are_refused() -> None:
    with pytest.raises(ModelError, match="are all alike"):
        whitening_matrix(np.zeros((3, 3), dtype=np.float32), 0.5)


@pytest.mark.parametrize("lora_rank", [0, 4])
def test_the_written_pair_gives_the_mapped_vectors(
    lora_rank: int, tiny_checkpoint: Path, sources: list[Source], tmp_path: Path
) -> None:
    settings = Training(base=str(tiny_checkpoint), lora_rank=lora_rank, max_steps=2, batch_size=8, precision="fp32")
    train(sources, tmp_path / "pair", settings)
    before = load_encoder(tmp_path / "pair", "fp32")
    whiten(str(tmp_path / "pair"), sources, tmp_path / "even", command="dpr whiten")
    after = load_encoder(tmp_path / "even", "fp32")
    assert (tmp_path / "even" / "question" / "adapter_config.json").exists() == bool(lora_rank)
    assert after.fingerprint != before.fingerprint
    questions = [example.question.text for example in sources[0].examples]
    [projection] = after.question_tower.head
    assert isinstance(projection, Dense)
    mapped = before.encode_questions(questions) @ projection.linear.weight.numpy().T
    mapped /= np.linalg.norm(mapped, axis=1, keepdims=True)
    found = after.encode_questions(questions)
    np.testing.assert_allclose(found, mapped, atol=1e-4)
    assert spread(found) > spread(before.encode_questions(questions))
    record = json.loads((tmp_path / "even" / "training.json").read_text(encoding="utf-8"))
    assert record["steps"] == 2
    assert record["whitening"]["power"] == 0.6
    assert set(record["whitening"]["sources"]) == {"english", "korean"}


def spread(vectors: FloatArray) -> float:
    """Return over how many directions vectors vary: (Σλ)² / Σλ² of their covariance."""
    variances = np.linalg.eigvalsh(np.cov(vectors, rowvar=False))
    return float(variances.sum() ** 2 / (variances**2).sum())


def test_a_second_map_comes_after_the_first(tiny_checkpoint: Path, sources: list[Source], tmp_path: Path) -> None:
    whiten(str(tiny_checkpoint), sources, tmp_path / "one", power=0.5)
    whiten(str(tmp_path / "one"), sources, tmp_path / "two", power=0.5)
    one, two = (load_encoder(tmp_path / name, "fp32") for name in ("one", "two"))
    questions = [example.question.text for example in sources[0].examples]
    assert spread(two.encode_questions(questions)) > spread(one.encode_questions(questions))
    assert not (tmp_path / "one" / "passage").exists(), "a shared tower stays shared"


def test_what_cannot_be_whitened_is_refused(tiny_checkpoint: Path, sources: list[Source], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"power 0.0 and limit 2000: give a power above 0 up to 1"):
        whiten(str(tiny_checkpoint), sources, tmp_path / "new", power=0.0)
    with pytest.raises(DataError, match="there is nothing to train on"):
        whiten(str(tiny_checkpoint), [], tmp_path / "new")
    with pytest.raises(ConfigError, match=r"is the folder of .* itself"):
        whiten(str(tiny_checkpoint), sources, tiny_checkpoint)
    one = Source("one", [Example(Question("1", "Why?"), (Passage("p", "Because."),))])
    with pytest.raises(ConfigError, match="one: whitening needs at least 2 questions and 2 passages"):
        whiten(str(tiny_checkpoint), [one], tmp_path / "new")
    assert not (tmp_path / "new").exists()
