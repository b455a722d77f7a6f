"""The student reproduces the teacher's vectors: of the same texts, or of the sentences that they translate."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from dpr.errors import ConfigError
from dpr.models.encoders import DualEncoder
from dpr.models.tokens import tokenize_passages, tokenize_questions
from dpr.train.distillation.data import Material
from dpr.train.distillation.settings import Distillation
from dpr.train.distillation.teacher import PASSAGE, QUESTION, teacher_vectors
from dpr.train.encoder.model import EncoderPair
from dpr.train.encoder.step import PairTask, Texts
from dpr.train.loss import vector_loss
from dpr.types import Progress


class VectorObjective:
    """Texts, in random order, and the teacher's vector for each.

    Plain texts are neither questions nor passages. They are learned as passages alone where student and teacher have
    one BERT for both, else in both roles.
    """

    def __init__(
        self,
        material: Material,
        teacher: DualEncoder,
        pair: EncoderPair,
        settings: Distillation,
        output: Path,
        progress: Progress,
    ) -> None:
        if pair.passage.dimension != teacher.dimension:
            raise ConfigError(
                f"the student {settings.base} gives vectors of {pair.passage.dimension} numbers and the teacher "
                f"{teacher.name} of {teacher.dimension}; choose a base of the same, or the objective 'scores'"
            )
        is_one_encoder = pair.is_shared and teacher.question_encoder is teacher.passage_encoder
        imitations = material.imitations((PASSAGE,) if is_one_encoder else (QUESTION, PASSAGE))
        row_of = {text: row for row, text in enumerate(dict.fromkeys(one.taught for one in imitations))}
        self._learned = [one.learned for one in imitations]
        self._rows = np.array([row_of[one.taught] for one in imitations])
        self._vectors = teacher_vectors(teacher, list(row_of), output, progress)
        self._pair = pair
        self._batch_size = settings.batch_size
        self._seed = settings.seed

    def batches(self, epoch: int) -> list[list[int]]:
        """Return an epoch's batches: places of texts."""
        shuffle = random.Random(self._seed * 1_000_003 + epoch)  # noqa: S311 - sampling, not secrets
        places = list(range(len(self._learned)))
        shuffle.shuffle(places)
        return [places[first : first + self._batch_size] for first in range(0, len(places), self._batch_size)]

    def texts(self, batch: Sequence[int]) -> Texts:
        """Return the tokens of a batch's texts."""
        config, tokenizers = self._pair.question.config, self._pair.tokenizers
        questions, passages = self._by_role(batch)
        return (
            tokenize_questions(
                tokenizers[QUESTION],
                [self._learned[place].text for place in questions],
                config.question_tokens,
                config.question_prompt,
            ),
            tokenize_passages(
                tokenizers[PASSAGE],
                [self._learned[place].passage for place in passages],
                config.passage_tokens,
                config.passage_prompt,
            ),
        )

    def task(self, batch: Sequence[int]) -> PairTask:
        """Return the distance of a batch's texts, questions first, to the teacher's vectors."""
        questions, passages = self._by_role(batch)
        places = questions + passages
        device = next(self._pair.question.parameters()).device
        taught = torch.from_numpy(self._vectors[self._rows[places]]).to(device)  # (N, D)

        def losses(question_vectors: torch.Tensor, passage_vectors: torch.Tensor) -> torch.Tensor:
            return vector_loss(torch.cat([question_vectors, passage_vectors]), taught)

        return PairTask(losses, [self._learned[place].id for place in places], kind="texts")

    def _by_role(self, batch: Sequence[int]) -> tuple[list[int], list[int]]:
        questions = [place for place in batch if self._learned[place].role == QUESTION]
        return questions, [place for place in batch if self._learned[place].role == PASSAGE]
