"""The student learns the teacher's scores of questions with passages."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from dpr.errors import DataError
from dpr.models.cross_encoder import CrossEncoder
from dpr.models.encoders import DualEncoder
from dpr.train.batches import Batch, check_sources, epoch_batches
from dpr.train.chunks import TokenCache
from dpr.train.distillation.data import DistillationData
from dpr.train.distillation.settings import Distillation
from dpr.train.distillation.teacher import PASSAGE, QUESTION, RoleText, teacher_scores, teacher_vectors
from dpr.train.distributed import Processes
from dpr.train.encoder.model import EncoderPair
from dpr.train.encoder.step import PairTask, Texts, default_temperature, targets_of
from dpr.train.long_passages import with_answer_windows
from dpr.train.loss import in_batch_loss, score_loss
from dpr.types import FloatArray, Passage, Progress

ScoresOf = Callable[[Batch], FloatArray]
"""Returns the teacher's scores of a batch over its temperature, (Q, P); NaN for pairs without a score.

The student does not learn the scores of passages that are excluded for a question.
"""


class ScoreObjective:
    """Batches of questions and passages, as in training with labels, with the teacher's scores as soft labels."""

    def __init__(
        self,
        data: DistillationData,
        teacher: DualEncoder | CrossEncoder,
        pair: EncoderPair,
        settings: Distillation,
        output: Path,
        progress: Progress,
    ) -> None:
        check_sources(data.sources)
        windowed = with_answer_windows(data.sources, pair.tokenizers[1], pair.question.config)
        data = replace(data, sources=windowed.sources)
        self._sources = data.sources
        self._batching = settings.batching()
        self._tokens = TokenCache(pair.tokenizers, pair.question.config, data.sources)
        self._device = next(pair.question.parameters()).device
        self._scale = 1 / (settings.temperature or default_temperature(pair.question.config.normalize))
        self._label_weight = settings.label_weight
        if isinstance(teacher, DualEncoder):
            self._scores_of = _dual_scores(data, teacher, settings, output, progress)
        else:
            self._scores_of = _cross_scores(self._needed_batches(settings), teacher, settings, output, progress)

    def batches(self, epoch: int) -> list[Batch]:
        """Return an epoch's batches, see `dpr.train.batches`."""
        return epoch_batches(self._sources, self._batching, epoch)

    def texts(self, batch: Batch) -> Texts:
        """Return the tokens of a batch's texts."""
        return self._tokens.questions(batch), self._tokens.passages(batch)

    def task(self, batch: Batch) -> PairTask:
        """Return the divergence of the student's scores from the teacher's."""
        labels = torch.from_numpy(self._scores_of(batch))  # (Q, P)
        excluded = [[passage.id in example.excluded_ids for passage in batch.passages] for example in batch.questions]
        is_known = (~labels.isnan() & ~torch.tensor(excluded)).to(self._device)
        soft_labels = labels.nan_to_num().to(self._device)

        def losses(questions: torch.Tensor, passages: torch.Tensor) -> torch.Tensor:
            scores = questions.float() @ passages.float().T * self._scale  # (Q, P)
            divergence = score_loss(scores, soft_labels, is_known)
            if not self._label_weight:
                return divergence
            targets = targets_of(batch, Processes(), self._device)
            labelled = in_batch_loss(questions, passages, targets.positives, targets.excluded, self._scale)
            return divergence + self._label_weight * labelled

        ids = [example.question.id for example in batch.questions]
        return PairTask(losses, ids, negatives=float(is_known.sum(1).float().mean()) - 1)

    def _needed_batches(self, settings: Distillation) -> Iterator[Batch]:
        """Yield the batches of the whole run, so that a cross-encoder can score them beforehand."""
        batches = (batch for epoch in range(settings.epochs) for batch in self.batches(epoch))
        return itertools.islice(batches, (settings.max_steps or 0) * settings.accumulation_steps or None)


def _dual_scores(
    data: DistillationData, teacher: DualEncoder, settings: Distillation, output: Path, progress: Progress
) -> ScoresOf:
    """Score every passage of a batch for every question by the teacher's vectors."""
    questions: dict[str, RoleText] = {}
    passages: dict[str, RoleText] = {}
    for source in data.sources:
        for example in source.examples:
            question = example.question
            questions.setdefault(question.text, RoleText(QUESTION, question.text, id=question.id))
            for passage in (*example.positives, *example.negatives):
                passages.setdefault(passage.id, RoleText.from_passage(PASSAGE, passage))
    vectors = teacher_vectors(teacher, [*questions.values(), *passages.values()], output, progress)
    question_rows = {text: row for row, text in enumerate(questions)}
    passage_rows = {identity: row for row, identity in enumerate(passages, start=len(questions))}
    temperature = settings.teacher_temperature or default_temperature(teacher.config.normalize)

    def scores_of(batch: Batch) -> FloatArray:
        question_vectors = vectors[[question_rows[example.question.text] for example in batch.questions]]  # (Q, D)
        passage_vectors = vectors[[passage_rows[passage.id] for passage in batch.passages]]  # (P, D)
        return question_vectors @ passage_vectors.T / np.float32(temperature)

    return scores_of


def _cross_scores(
    batches: Iterator[Batch], teacher: CrossEncoder, settings: Distillation, output: Path, progress: Progress
) -> ScoresOf:
    """Score the passages that the data set lists for each question by a cross-encoder."""
    pairs: dict[tuple[str, str], Passage] = {}
    most = 0
    for batch in batches:
        for question, columns in zip(batch.questions, _own_columns(batch), strict=True):
            most = max(most, len(columns))
            for column in columns:
                pairs.setdefault((question.question.text, batch.passages[column].id), batch.passages[column])
    if most < 2:
        raise DataError(
            "no question has a negative, and a cross-encoder scores only a question's own passages; "
            "give data with negatives (dpr mine finds some) and hard_negatives of at least 1"
        )
    texts = [(question, passage) for (question, _), passage in pairs.items()]
    scores = dict(zip(pairs, teacher_scores(teacher, texts, output, progress).tolist(), strict=True))
    temperature = settings.teacher_temperature or 1.0

    def scores_of(batch: Batch) -> FloatArray:
        labels = np.full((len(batch.questions), len(batch.passages)), np.nan, dtype=np.float32)
        for row, (example, columns) in enumerate(zip(batch.questions, _own_columns(batch), strict=True)):
            for column in columns:
                labels[row, column] = scores[example.question.text, batch.passages[column].id] / temperature
        return labels

    return scores_of


def _own_columns(batch: Batch) -> list[Sequence[int]]:
    """Return, for each question of a batch, the columns of the passages that its data set lists for it."""
    column = {passage.id: number for number, passage in enumerate(batch.passages)}
    return [
        [column[passage.id] for passage in (*example.positives, *example.negatives) if passage.id in column]
        for example in batch.questions
    ]
