"""The extractive reader: the best answer span over all passages of a question, or no answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dpr.config import DEFAULT_READER
from dpr.models.backends import choose_device, choose_precision
from dpr.models.checkpoint import resolve
from dpr.models.embed import BATCH_TOKENS
from dpr.models.tokens import length_sorted_batches
from dpr.reader.model import ReaderConfig, ReaderNetwork, fit_config, load_reader_model
from dpr.reader.spans import best_spans, null_scores, standardize
from dpr.reader.windows import Window, make_windows, pad_windows
from dpr.types import Answer, Candidates, FloatArray, Passage, Reading

_SPANS_PER_WINDOW = 20


@dataclass(frozen=True, slots=True)
class _Span:
    """A candidate answer: characters ``[start, end)`` of a passage."""

    start: int
    end: int
    score: float


class ExtractiveReader:
    """Start and end heads over windows of (question, passage); see ``ReaderConfig`` for its rules."""

    def __init__(
        self, name: str, model: ReaderNetwork, tokenizer: Any, config: ReaderConfig, precision: torch.dtype
    ) -> None:
        self.name = name
        self.config = config
        self._model = model
        self._tokenizer = tokenizer
        self._precision = precision

    def read(self, batch: Sequence[Candidates], n_best: int = 1) -> list[Reading]:
        """Return, for each question, at most ``n_best`` answers over all its passages, none overlapping another."""
        pairs = [(item.question, passage.text) for item in batch for passage in item.passages]
        scored = iter(self._score(pairs))
        return [self._verdict(item, [next(scored) for _ in item.passages], n_best) for item in batch]

    def _score(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[list[_Span], float]]:
        """Return each pair's candidate spans, best first, and its null score (the least over its windows)."""
        if not pairs:
            return []
        config = self.config
        grouped = make_windows(self._tokenizer, pairs, config.max_tokens, config.stride, config.question_tokens)
        owners = [pair for pair, windows in enumerate(grouped) for _ in windows]
        windows = [window for windows in grouped for window in windows]
        spans: dict[int, list[_Span]] = defaultdict(list)
        nulls: dict[int, float] = defaultdict(lambda: float("inf"))
        batch_tokens = BATCH_TOKENS[self._model.device.type]
        for rows in length_sorted_batches([len(window) for window in windows], batch_tokens):
            chosen = [windows[row] for row in rows]
            starts, ends = self._logits(chosen)
            found = self._decode(chosen, starts, ends)
            for row, null, candidates in zip(rows, null_scores(starts, ends), found, strict=True):
                spans[owners[row]].extend(candidates)
                nulls[owners[row]] = min(nulls[owners[row]], float(null))
        return [(sorted(spans[pair], key=lambda span: -span.score), nulls[pair]) for pair in range(len(pairs))]

    def _logits(self, windows: Sequence[Window]) -> tuple[FloatArray, FloatArray]:
        """Return start and end logits, each (W, longest window)."""
        device = self._model.device
        inputs = pad_windows(windows, self._tokenizer.pad_token_id, self._model.uses_types)
        reduced = self._precision != torch.float32
        with torch.inference_mode(), torch.autocast(device.type, self._precision, enabled=reduced):
            logits = self._model(**{name: tensor.to(device) for name, tensor in inputs.items()})
        return logits.starts.float().cpu().numpy(), logits.ends.float().cpu().numpy()

    def _decode(self, windows: Sequence[Window], starts: FloatArray, ends: FloatArray) -> list[list[_Span]]:
        is_passage = np.zeros(starts.shape, dtype=np.bool_)
        for row, window in enumerate(windows):
            is_passage[row, : len(window)] = window.spans[:, 1] > window.spans[:, 0]
        best = best_spans(starts, ends, is_passage, self.config.max_answer_tokens, _SPANS_PER_WINDOW)
        return [
            [
                _Span(int(window.spans[first, 0]), int(window.spans[last, 1]), float(score))
                for score, first, last in zip(best.scores[row], best.starts[row], best.ends[row], strict=True)
                if np.isfinite(score)
            ]
            for row, window in enumerate(windows)
        ]

    def _verdict(self, item: Candidates, scored: Sequence[tuple[list[_Span], float]], n_best: int) -> Reading:
        relevance = standardize(np.array(item.scores, dtype=np.float32))
        answers = [
            _answer(passage, span, null, self.config.retrieval_weight * float(bonus))
            for passage, (spans, null), bonus in zip(item.passages, scored, relevance, strict=True)
            for span in _without_overlaps(spans, n_best)
        ]
        if not answers:
            return Reading()
        margin = min(answer.null_score - answer.span_score for answer in answers)
        ranked = sorted(answers, key=lambda answer: (-answer.score, answer.passage_id, answer.start))[:n_best]
        return Reading(tuple(ranked), is_answered=margin <= self.config.null_threshold, no_answer_score=margin)


def _answer(passage: Passage, span: _Span, null: float, bonus: float) -> Answer:
    return Answer(
        text=passage.text[span.start : span.end],
        passage_id=passage.id,
        start=span.start,
        end=span.end,
        score=span.score - null + bonus,
        span_score=span.score,
        null_score=null,
    )


def _without_overlaps(spans: Sequence[_Span], count: int) -> list[_Span]:
    kept: list[_Span] = []
    for span in spans:
        if len(kept) == count:
            break
        if all(span.end <= other.start or other.end <= span.start for other in kept):
            kept.append(span)
    return kept


def load_reader(
    name: str | Path = DEFAULT_READER, precision: str = "auto", retrieval_weight: float | None = None
) -> ExtractiveReader:
    """Load a reader by directory or hub name; any Hugging Face question-answering checkpoint will do.

    Raises:
        ModelError: it cannot be found or loaded.
        ConfigError: the precision, or a value in ``reader.json``, is not known.
    """
    model, tokenizer, config = load_reader_model(resolve(name))
    device = choose_device()
    config = fit_config(config, model.model)
    if retrieval_weight is not None:
        config = replace(config, retrieval_weight=retrieval_weight)
    return ExtractiveReader(str(name), model.to(device), tokenizer, config, choose_precision(precision, device))
