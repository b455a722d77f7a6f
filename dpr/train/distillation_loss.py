"""What a student loses to its teacher: by the vectors of texts, or by the scores of passages for a question."""

from __future__ import annotations

import torch


def vector_loss(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """Return the squared distance of each vector to the teacher's, (N,) float32.

    The loss of Reimers & Gurevych 2020 ("Making monolingual sentence embeddings multilingual using knowledge
    distillation", section 2), summed over the dimensions where they average: a constant factor. Of two unit vectors it
    is 2 · (1 - cosine); raw vectors learn the teacher's lengths as well, which inner products depend on.

    Args:
        student: (N, D).
        teacher: (N, D).
    """
    return (student.float() - teacher.float()).square().sum(1)


def score_loss(student: torch.Tensor, teacher: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Return the KL divergence of each question's distribution over passages from the teacher's, (Q,) float32.

        loss(q) = Σ_p t(p) · (log t(p) - log s(p)),  t = softmax(teacher), s = softmax(student)

    where p runs over the passages whose teacher score is known: the listwise distillation of Ren et al. 2021
    ("RocketQAv2", section 3.2), after Hinton et al. 2015. Unlike the differences of pairs in Hofstätter et al. 2020
    (Margin-MSE) it does not ask the student for the teacher's scale of scores.

    Args:
        student: scores over the temperature, (Q, P).
        teacher: scores over the teacher's temperature, (Q, P); what is not known may be any finite number.
        known: (Q, P) bool, at least one in each row.
    """
    log_student = student.float().masked_fill(~known, -torch.inf).log_softmax(1)
    log_teacher = teacher.float().masked_fill(~known, -torch.inf).log_softmax(1)
    difference = (log_teacher - log_student).masked_fill(~known, 0.0)
    return (log_teacher.exp() * difference).sum(1)
