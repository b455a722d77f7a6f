from __future__ import annotations

import numpy as np
import pytest
import torch

from dpr.train.distillation_loss import score_loss, vector_loss

RANDOM = np.random.default_rng(1)


def test_the_vector_loss_is_the_squared_distance() -> None:
    student, teacher = RANDOM.normal(size=(5, 8)), RANDOM.normal(size=(5, 8))
    found = vector_loss(torch.tensor(student), torch.tensor(teacher)).numpy()
    np.testing.assert_allclose(found, ((student - teacher) ** 2).sum(1), rtol=1e-5)


def test_the_vector_loss_of_unit_vectors_is_twice_one_minus_the_cosine() -> None:
    student, teacher = torch.nn.functional.normalize(torch.tensor(RANDOM.normal(size=(2, 4, 8))), dim=-1)
    expected = 2 * (1 - (student * teacher).sum(1))
    torch.testing.assert_close(vector_loss(student, teacher), expected.float())


def divergence(student: list[float], teacher: list[float]) -> float:
    s, t = (np.exp(scores) / np.exp(scores).sum() for scores in (np.array(student), np.array(teacher)))
    return float(np.sum(t * np.log(t / s)))


def test_the_score_loss_is_the_divergence_over_the_known_passages() -> None:
    student, teacher = RANDOM.normal(size=(2, 4)), RANDOM.normal(size=(2, 4))
    known = torch.tensor([[True, True, True, True], [True, False, True, False]])
    found = score_loss(torch.tensor(student), torch.tensor(teacher), known)
    assert found[0] == pytest.approx(divergence(list(student[0]), list(teacher[0])), rel=1e-5)
    assert found[1] == pytest.approx(divergence(list(student[1, [0, 2]]), list(teacher[1, [0, 2]])), rel=1e-5)


def test_the_score_loss_asks_for_the_teachers_differences_not_its_level() -> None:
    teacher = torch.tensor([[3.0, 1.0, -2.0]])
    known = torch.ones(1, 3, dtype=torch.bool)
    assert float(score_loss(teacher - 7, teacher, known)) == pytest.approx(0.0, abs=1e-6)
    assert float(score_loss(teacher * 2, teacher, known)) > 0.1


def test_what_is_not_known_gets_no_gradient_and_no_nan() -> None:
    student = torch.tensor([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]], requires_grad=True)
    known = torch.tensor([[True, False, True], [True, False, False]])
    score_loss(student, torch.zeros(2, 3), known).sum().backward()
    assert student.grad is not None
    softmax = torch.tensor([1.0, 3.0]).softmax(0)
    torch.testing.assert_close(student.grad[0], torch.tensor([softmax[0] - 0.5, 0.0, softmax[1] - 0.5]))
    assert student.grad[1].tolist() == [0.0, 0.0, 0.0]
