"""The in-batch-negative loss, the only one: DPR's (Karpukhin et al. 2020, section 3.2) over a global batch.

    loss(q) = -log( exp(q·p⁺/τ) / Σ_p exp(q·p/τ) )

where p runs over every passage of the batch, of all processes: the positives of all questions and their hard
negatives. Each passage is there once, however many questions share it; the passages that are also right for a question
are not counted against it.
"""

from __future__ import annotations

import torch
from torch.nn import functional


def same_passage_mask(gold_ids: torch.Tensor, passage_ids: torch.Tensor, positives: torch.Tensor) -> torch.Tensor:
    """Return which passages are right for a question without being its positive here, (Q, P) bool.

    Args:
        gold_ids: ids of the passages that are right for each question, (Q, G) int64, filled with -1.
        passage_ids: ids of the batch's passages, (P,) int64, none of them -1.
        positives: each question's column among the passages, (Q,) int64.
    """
    mask = (gold_ids.unsqueeze(2) == passage_ids).any(1)  # (Q, G, P) -> (Q, P)
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
        excluded: passages that do not count as a question's negatives, (Q, P) bool: see `same_passage_mask`.
        scale: 1/τ.
        symmetric: average with the loss of finding the question among the batch's questions by its positive; questions
            that share the positive do not count against each other.
    """
    scores = questions.float() @ passages.float().T * scale  # (Q, P)
    scores = scores.masked_fill(excluded, -torch.inf)
    loss = functional.cross_entropy(scores, positives, reduction="none")  # (Q,)
    return (loss + _question_loss(scores, positives)) / 2 if symmetric else loss


def _question_loss(scores: torch.Tensor, positives: torch.Tensor) -> torch.Tensor:
    """Return -log softmax over the questions, (Q,), of each question for its own positive."""
    by_positive = scores.T[positives]  # (Q, Q): row i holds every question's score with the positive of question i
    own = torch.eye(len(positives), dtype=torch.bool, device=scores.device)
    shared = (positives.unsqueeze(1) == positives) & ~own
    targets = torch.arange(len(positives), device=scores.device)
    return functional.cross_entropy(by_positive.masked_fill(shared, -torch.inf), targets, reduction="none")
