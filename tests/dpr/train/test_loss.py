from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dpr.train.loss import exempt_mask, in_batch_loss, score_loss, vector_loss

RANDOM = np.random.default_rng(1)
SIZES = st.tuples(st.integers(1, 7), st.integers(2, 9), st.integers(1, 5), st.integers(0, 10_000))


def reference(
    questions: np.ndarray, passages: np.ndarray, positives: list[int], excluded: np.ndarray, scale: float
) -> list[float]:
    """Return the loss of each question, summed one exponential at a time in float64."""
    losses = []
    for row, positive in enumerate(positives):
        exponents = [
            scale * float(np.dot(questions[row].astype(np.float64), passages[column].astype(np.float64)))
            for column in range(len(passages))
            if not excluded[row, column]
        ]
        own = scale * float(np.dot(questions[row].astype(np.float64), passages[positive].astype(np.float64)))
        losses.append(math.log(math.fsum(math.exp(exponent - own) for exponent in exponents)))
    return losses


@given(SIZES, st.floats(0.1, 30.0))
def test_equals_a_float64_reference(sizes: tuple[int, int, int, int], scale: float) -> None:
    question_count, passage_count, width, seed = sizes
    random = np.random.default_rng(seed)
    questions = random.normal(size=(question_count, width)).astype(np.float32)
    passages = random.normal(size=(passage_count, width)).astype(np.float32)
    positives = random.integers(passage_count, size=question_count)
    excluded = random.random((question_count, passage_count)) < 0.3
    excluded[np.arange(question_count), positives] = False
    found = in_batch_loss(
        torch.from_numpy(questions),
        torch.from_numpy(passages),
        torch.from_numpy(positives),
        torch.from_numpy(excluded),
        scale,
    )
    expected = reference(questions, passages, positives.tolist(), excluded, scale)
    assert found.numpy() == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_the_other_exempt_passages_are_masked_and_the_positive_is_not() -> None:
    exempt_ids = torch.tensor([[10, -1], [20, 30], [30, 20]])
    passage_ids = torch.tensor([10, 20, 30, 40])
    mask = exempt_mask(exempt_ids, passage_ids, torch.tensor([0, 1, 2]))
    assert mask.tolist() == [
        [False, False, False, False],
        [False, False, True, False],
        [False, True, False, False],
    ]


def test_a_masked_passage_changes_nothing() -> None:
    questions, passages = torch.randn(2, 4), torch.randn(3, 4)
    excluded = torch.tensor([[False, False, True], [False, False, True]])
    with_it = in_batch_loss(questions, passages, torch.tensor([0, 1]), excluded, 2.0)
    without = in_batch_loss(questions, passages[:2], torch.tensor([0, 1]), excluded[:, :2], 2.0)
    assert with_it.tolist() == pytest.approx(without.tolist(), rel=1e-6)


def test_the_symmetric_term_is_the_loss_of_the_transposed_task() -> None:
    questions, passages = torch.randn(4, 8), torch.randn(4, 8)
    own, nothing = torch.arange(4), torch.zeros(4, 4, dtype=torch.bool)
    forth = in_batch_loss(questions, passages, own, nothing, 3.0)
    back = in_batch_loss(passages, questions, own, nothing, 3.0)
    both = in_batch_loss(questions, passages, own, nothing, 3.0, symmetric=True)
    assert both.tolist() == pytest.approx(((forth + back) / 2).tolist(), rel=1e-6)


def test_questions_that_share_a_passage_are_no_rivals_in_the_symmetric_term() -> None:
    questions = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    passages = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    positives, nothing = torch.tensor([0, 0, 1]), torch.zeros(3, 2, dtype=torch.bool)
    loss = in_batch_loss(questions, passages, positives, nothing, 1.0, symmetric=True)
    forth = -math.log(math.e / (math.e + 1))
    assert loss.tolist() == pytest.approx([forth, forth, (forth + math.log(math.e + 2) - 1) / 2], rel=1e-6)


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
