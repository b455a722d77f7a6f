"""The losses of encoders: over in-batch negatives, and to a teacher's vectors or scores.

The one over in-batch negatives is DPR's (Karpukhin et al. 2020, section 3.2) over a global batch:

    loss(q) = -log( exp(q·p⁺/τ) / Σ_p exp(q·p/τ) )

where p runs over all passages of the batch, in all processes: the positives and the hard negatives of all questions.
Each passage counts once, however many questions share it. Other relevant passages of a question, and those that are
excluded for it, are no negatives.
"""

from __future__ import annotations

import torch
from torch.nn import functional


def exempt_mask(exempt_ids: torch.Tensor, passage_ids: torch.Tensor, positives: torch.Tensor) -> torch.Tensor:
    """Return which passages are neither the positive of a question in this batch nor its negatives, (Q, P) bool.

    Args:
        exempt_ids: ids of the passages that are no negatives of each question, (Q, E) int64, padded with -1.
        passage_ids: ids of the batch's passages, (P,) int64, none of them -1.
        positives: each question's column among the passages, (Q,) int64.
    """
    mask = (exempt_ids.unsqueeze(2) == passage_ids).any(1)  # (Q, E, P) -> (Q, P)
    return mask.scatter(1, positives.unsqueeze(1), value=False)


def in_batch_loss(
    questions: torch.Tensor,
    passages: torch.Tensor,
    positives: torch.Tensor,
    excluded: torch.Tensor,
    scale: torch.Tensor | float,
    symmetric: bool = False,
) -> torch.Tensor:
    """Return the loss of each question, (Q,) float32.

    Args:
        questions: vectors of BERT_q, (Q, D).
        passages: vectors of BERT_p, (P, D).
        positives: each question's column among the passages, (Q,) int64.
        excluded: passages that are no negatives of a question, (Q, P) bool: see `exempt_mask`.
        scale: 1/τ.
        symmetric: average with the loss of the reverse direction, from the positive to its question; questions that
            share a positive are no negatives of each other.
    """
    scores = questions.float() @ passages.float().T * scale  # (Q, P)
    scores = scores.masked_fill(excluded, -torch.inf)
    loss = functional.cross_entropy(scores, positives, reduction="none")  # (Q,)
    return (loss + _question_loss(scores, positives)) / 2 if symmetric else loss


def _question_loss(scores: torch.Tensor, positives: torch.Tensor) -> torch.Tensor:
    """Return -log softmax over the questions, (Q,), of each question for its own positive."""
    by_positive = scores.T[positives]  # (Q, Q): row i holds every question's score with the positive of question i
    is_diagonal = torch.eye(len(positives), dtype=torch.bool, device=scores.device)
    shared = (positives.unsqueeze(1) == positives) & ~is_diagonal
    targets = torch.arange(len(positives), device=scores.device)
    return functional.cross_entropy(by_positive.masked_fill(shared, -torch.inf), targets, reduction="none")


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


def score_loss(student: torch.Tensor, teacher: torch.Tensor, is_known: torch.Tensor) -> torch.Tensor:
    """Return the KL divergence of each question's distribution over passages from the teacher's, (Q,) float32.

        loss(q) = Σ_p t(p) · (log t(p) - log s(p)),  t = softmax(teacher), s = softmax(student)

    where p runs over the passages whose teacher score is known: the listwise distillation of Ren et al. 2021
    ("RocketQAv2", section 3.2), after Hinton et al. 2015. Unlike the differences of pairs in Hofstätter et al. 2020
    (Margin-MSE) it does not ask the student for the teacher's scale of scores.

    Args:
        student: scores over the temperature, (Q, P).
        teacher: scores over the teacher's temperature, (Q, P); unknown scores may be any finite number.
        is_known: (Q, P) bool, at least one in each row.
    """
    log_student = student.float().masked_fill(~is_known, -torch.inf).log_softmax(1)
    log_teacher = teacher.float().masked_fill(~is_known, -torch.inf).log_softmax(1)
    difference = (log_teacher - log_student).masked_fill(~is_known, 0.0)
    return (log_teacher.exp() * difference).sum(1)
