"""The student learns the teacher's vectors: of the same texts, or of the originals of translations."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from dpr.errors import ConfigError
from dpr.models.encoders import DualEncoder
from dpr.models.tokens import tokenize_passages, tokenize_questions
from dpr.train.distillation.data import DistillationData
from dpr.train.distillation.settings import Distillation
from dpr.train.distillation.teacher import PASSAGE, QUESTION, teacher_vectors
from dpr.train.encoder.model import EncoderPair
from dpr.train.encoder.step import PairTask, Texts
from dpr.train.loss import vector_loss
from dpr.types import Progress


class VectorObjective:
    """Texts in random order, each with the teacher's vector.

    Plain texts are neither questions nor passages. If student and teacher each have one BERT for both, they are learned
    as passages, else in both roles.
    """

    def __init__(
        self,
        data: DistillationData,
        teacher: DualEncoder,
        pair: EncoderPair,
        settings: Distillation,
        output: Path,
        progress: Progress,
    ) -> None:
        if pair.passage.dimension != teacher.dimension:
            raise ConfigError(
                f"the student {settings.base} has vectors of {pair.passage.dimension} numbers and the teacher "
                f"{teacher.name} of {teacher.dimension}; choose a base of that dimension, or the objective 'scores'"
            )
        is_one_encoder = pair.is_shared and teacher.question_encoder is teacher.passage_encoder
        targets = data.vector_targets((PASSAGE,) if is_one_encoder else (QUESTION, PASSAGE))
        row_of = {text: row for row, text in enumerate(dict.fromkeys(target.teacher_text for target in targets))}
        self._student_texts = [target.student_text for target in targets]
        self._teacher_rows = np.array([row_of[target.teacher_text] for target in targets])
        self._vectors = teacher_vectors(teacher, list(row_of), output, progress)
        self._pair = pair
        self._batch_size = settings.batch_size
        self._seed = settings.seed

    def batches(self, epoch: int) -> list[list[int]]:
        """Return an epoch's batches: rows of texts."""
        shuffle = random.Random(self._seed * 1_000_003 + epoch)  # noqa: S311 - sampling, not secrets
        rows = list(range(len(self._student_texts)))
        shuffle.shuffle(rows)
        return [rows[first : first + self._batch_size] for first in range(0, len(rows), self._batch_size)]

    def texts(self, batch: Sequence[int]) -> Texts:
        """Return the tokens of a batch's texts."""
        config, tokenizers = self._pair.question.config, self._pair.tokenizers
        questions, passages = self._by_role(batch)
        return (
            tokenize_questions(
                tokenizers[QUESTION],
                [self._student_texts[row].text for row in questions],
                config.question_tokens,
                config.question_prompt,
            ),
            tokenize_passages(
                tokenizers[PASSAGE],
                [self._student_texts[row].passage for row in passages],
                config.passage_tokens,
                config.passage_prompt,
            ),
        )

    def task(self, batch: Sequence[int]) -> PairTask:
        """Return the distance of a batch's texts, questions first, to the teacher's vectors."""
        questions, passages = self._by_role(batch)
        rows = questions + passages
        device = next(self._pair.question.parameters()).device
        soft_labels = torch.from_numpy(self._vectors[self._teacher_rows[rows]]).to(device)  # (N, D)

        def losses(question_vectors: torch.Tensor, passage_vectors: torch.Tensor) -> torch.Tensor:
            return vector_loss(torch.cat([question_vectors, passage_vectors]), soft_labels)

        return PairTask(losses, [self._student_texts[row].id for row in rows], kind="texts")

    def _by_role(self, batch: Sequence[int]) -> tuple[list[int], list[int]]:
        questions = [row for row in batch if self._student_texts[row].role == QUESTION]
        return questions, [row for row in batch if self._student_texts[row].role == PASSAGE]
