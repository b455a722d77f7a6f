from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dpr.errors import DataError
from dpr.models.cross_encoder import load_cross_encoder
from dpr.models.encoders import load_encoder
from dpr.train.batches import Source
from dpr.train.distillation.data import DistillationData
from dpr.train.distillation.score_objective import ScoreObjective
from dpr.train.distillation.settings import Distillation
from dpr.train.encoder.model import make_pair
from dpr.types import Example, FloatArray, Passage, Question, no_progress
from tests.tiny_models import make_cross_encoder

PASSAGES = [Passage(f"p{number}", f"passage of {chr(97 + number) * 9}") for number in range(6)]
EXAMPLES = [
    Example(Question("q0", "who is it"), (PASSAGES[0],), (PASSAGES[3],)),
    Example(Question("q1", "what is it"), (PASSAGES[1], PASSAGES[0]), (PASSAGES[4],)),
    Example(Question("q2", "why is it"), (PASSAGES[2],)),
]
MATERIAL = DistillationData(sources=[Source("data", EXAMPLES)])


def vectors(count: int) -> FloatArray:
    return (np.random.default_rng(count).normal(size=(count, 32)) / 6).astype(np.float32)


def losses(objective: ScoreObjective, questions: FloatArray, passages: FloatArray) -> FloatArray:
    task = objective.task(objective.batches(0)[0])
    found: FloatArray = task.losses(torch.from_numpy(questions), torch.from_numpy(passages)).numpy()
    return found


def divergence(student: FloatArray, teacher: FloatArray) -> float:
    s, t = (np.exp(scores.astype(np.float64)) for scores in (student, teacher))
    s, t = s / s.sum(), t / t.sum()
    return float((t * np.log(t / s)).sum())


def test_a_dual_encoder_scores_all_passages_of_a_batch(tiny_checkpoint: Path, tmp_path: Path) -> None:
    settings = Distillation(
        objective="scores", teacher=str(tiny_checkpoint), base=str(tiny_checkpoint), teacher_temperature=0.5
    )
    teacher = load_encoder(tiny_checkpoint, "fp32")
    pair = make_pair(settings)
    objective = ScoreObjective(MATERIAL, teacher, pair, settings, tmp_path, no_progress)
    [batch] = objective.batches(0)
    questions, passages = vectors(3), vectors(5)
    taught = teacher.encode_questions([one.question.text for one in batch.questions])
    scores = taught @ teacher.encode_passages(batch.passages).T / 0.5
    expected = [divergence(*both) for both in zip(questions @ passages.T / 0.05, scores, strict=True)]
    np.testing.assert_allclose(losses(objective, questions, passages), expected, rtol=1e-4)
    assert objective.task(batch).negatives == 4

    labelled = ScoreObjective(MATERIAL, teacher, pair, replace(settings, label_weight=0.5), tmp_path, no_progress)
    both = losses(labelled, questions, passages)
    q0 = next(row for row, one in enumerate(batch.questions) if one.question.id == "q0")
    row = questions[q0] @ passages.T / 0.05
    hard = np.log(np.exp(row).sum()) - row[batch.positives[q0]]
    assert both[q0] == pytest.approx(expected[q0] + 0.5 * hard, rel=1e-4)


def test_the_score_of_an_excluded_passage_teaches_nothing(tiny_checkpoint: Path, tmp_path: Path) -> None:
    settings = Distillation(objective="scores", teacher=str(tiny_checkpoint), base=str(tiny_checkpoint))
    teacher, pair = load_encoder(tiny_checkpoint, "fp32"), make_pair(settings)
    asked = replace(EXAMPLES[0], excluded_ids=(PASSAGES[2].id, "elsewhere"))
    data = DistillationData(sources=[Source("data", [asked, *EXAMPLES[1:]])])
    objective = ScoreObjective(data, teacher, pair, settings, tmp_path, no_progress)
    [batch] = objective.batches(0)
    questions, passages = vectors(3), vectors(5)
    row = batch.questions.index(asked)
    others = [column for column, passage in enumerate(batch.passages) if passage != PASSAGES[2]]
    taught = teacher.encode_questions([asked.question.text]) @ teacher.encode_passages(batch.passages).T / 0.05
    expected = divergence((questions[row] @ passages.T / 0.05)[others], taught[0, others])
    assert losses(objective, questions, passages)[row] == pytest.approx(expected, rel=1e-4)


def test_a_cross_encoder_scores_a_questions_own_passages(tiny_checkpoint: Path, tmp_path: Path) -> None:
    folder = make_cross_encoder(tiny_checkpoint, tmp_path / "cross")
    settings = Distillation(objective="scores", cross_encoder=str(folder), base=str(tiny_checkpoint))
    teacher = load_cross_encoder(folder, "fp32")
    pair = make_pair(settings)
    objective = ScoreObjective(MATERIAL, teacher, pair, settings, tmp_path, no_progress)
    [batch] = objective.batches(0)
    questions, passages = vectors(3), vectors(5)
    found = losses(objective, questions, passages)
    column = {passage.id: number for number, passage in enumerate(batch.passages)}
    for row, example in enumerate(batch.questions):
        own = [*example.positives, *example.negatives]
        taught = teacher.score([example.question.text] * len(own), own)
        learned = questions[row] @ passages[[column[passage.id] for passage in own]].T / 0.05
        assert found[row] == pytest.approx(divergence(learned, taught), rel=1e-4, abs=1e-6)
    lines = next(tmp_path.glob("teacher-*.jsonl")).read_text(encoding="utf-8").splitlines()
    assert len(lines) == 2 + 3 + 1


def test_a_cross_encoder_needs_negatives(tiny_checkpoint: Path, tmp_path: Path) -> None:
    folder = make_cross_encoder(tiny_checkpoint, tmp_path / "cross")
    settings = Distillation(objective="scores", cross_encoder=str(folder), base=str(tiny_checkpoint))
    examples = [replace(example, positives=example.positives[:1], negatives=()) for example in EXAMPLES]
    pair = make_pair(settings)
    teacher = load_cross_encoder(folder, "fp32")
    with pytest.raises(DataError, match=r"no question has a negative.*dpr mine"):
        ScoreObjective(
            DistillationData(sources=[Source("data", examples)]), teacher, pair, settings, tmp_path, no_progress
        )
