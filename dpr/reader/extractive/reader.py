"""The extractive reader: the best answer span over all passages of a question, or no answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any

from dpr.config import DEFAULT_READER
from dpr.measured import TokensRead
from dpr.models.backends import choose_backend, choose_device, choose_precision
from dpr.models.checkpoint import content_hash, resolve
from dpr.models.positions import longest_input
from dpr.models.tokens import count_tokens, length_sorted_batches
from dpr.reader.extractive.compute import Compute, openvino_compute, torch_compute
from dpr.reader.extractive.decode import Decoded
from dpr.reader.extractive.long_questions import asking_sentence, surer
from dpr.reader.extractive.merge import PassageSpans, Weights, rank_answers
from dpr.reader.extractive.model import ReaderConfig, fit_config, load_reader_model
from dpr.reader.extractive.particles import without_particle
from dpr.reader.extractive.probability import RIVALS, evidence_of
from dpr.reader.extractive.windows import Window, make_windows, pad_windows
from dpr.types import Candidates, Reading


class ExtractiveReader:
    """Start and end heads over windows of (question, passage); see ``ReaderConfig`` for its rules.

    ``positions`` is the most tokens that a window with a long question may have; by default ``max_tokens``.
    """

    def __init__(
        self, name: str, compute: Compute, tokenizer: Any, config: ReaderConfig, positions: int | None = None
    ) -> None:
        self.name = name
        self.config = config
        self._positions = positions or config.max_tokens
        self._compute = compute
        self._tokenizer = tokenizer

    def read(self, batch: Sequence[Candidates], n_best: int = 1) -> list[Reading]:
        """Return, for each question, at most ``n_best`` answers over all its passages.

        The windows of all passages of all questions are computed together. No two answers of a question share
        characters of a document.
        """
        return [self.reading(item, spans, n_best) for item, spans in zip(batch, self.spans(batch), strict=True)]

    def reading(self, item: Candidates, spans: Sequence[PassageSpans], n_best: int = 1) -> Reading:
        """Return the reading of a question from the best spans of each of its passages."""
        return replace(verdict(item, spans, self.config, n_best), note=self._note(item.question))

    def tokens_read(self, question: str) -> TokensRead:
        """Return how many of a question's tokens are in its windows."""
        total = count_tokens(self._tokenizer, question)
        return TokensRead(min(total, self.config.longest_question(self._positions)), total)

    def _note(self, question: str) -> str:
        note = self.tokens_read(question).note("reader")
        return f"{note}, and the sentence that asks" if note and self._asking_sentence(question) else note

    def spans(self, batch: Sequence[Candidates]) -> list[list[PassageSpans]]:
        """Return the best spans of each passage of each question, before passages are compared.

        For a long question each passage is also read with its asking sentence; the surer of the two readings counts.
        """
        pairs = [(item.question, passage.text) for item in batch for passage in item.passages]
        found = iter(self._read_pairs(pairs))
        spans = [[next(found) for _ in item.passages] for item in batch]
        asking = {row: sentence for row, item in enumerate(batch) if (sentence := self._asking_sentence(item.question))}
        pairs = [(sentence, passage.text) for row, sentence in asking.items() for passage in batch[row].passages]
        again = iter(self._read_pairs(pairs))
        for row in asking:
            spans[row] = [surer(first, next(again)) for first in spans[row]]
        return spans

    def _asking_sentence(self, question: str) -> str:
        """Return the asking sentence of a long question; empty for a short question, or one of a single sentence."""
        if count_tokens(self._tokenizer, question) <= self.config.question_tokens:
            return ""
        sentence = asking_sentence(question)
        return "" if sentence == question.strip() else sentence

    def _read_pairs(self, pairs: Sequence[tuple[str, str]]) -> list[PassageSpans]:
        if not pairs:
            return []
        grouped = self._windows(pairs)
        decoded = self._decode([window for windows in grouped for window in windows])
        ends = list(accumulate(len(windows) for windows in grouped))
        return [decoded.passage(first, end) for first, end in zip([0, *ends], ends, strict=False)]

    def _windows(self, pairs: Sequence[tuple[str, str]]) -> list[list[Window]]:
        """Return the windows of each (question, passage); pairs whose windows are of one size are made together."""
        size_of = {
            question: self.config.window(count_tokens(self._tokenizer, question), self._positions)
            for question in {question for question, _ in pairs}
        }
        windows: dict[int, list[Window]] = {}
        for size in set(size_of.values()):
            rows = [row for row, (question, _) in enumerate(pairs) if size_of[question] == size]
            windows |= zip(rows, make_windows(self._tokenizer, [pairs[row] for row in rows], *size), strict=True)
        return [windows[row] for row in range(len(pairs))]

    def _decode(self, windows: Sequence[Window]) -> Decoded:
        """Compute windows in batches of like length, and keep the best spans of each."""
        decoded = Decoded(len(windows))
        for rows in length_sorted_batches([len(window) for window in windows], self._compute.batch_tokens):
            chosen = [windows[row] for row in rows]
            inputs = pad_windows(chosen, self._tokenizer.pad_token_id, self._compute.input_names)
            decoded.put(rows, chosen, *self._compute.logits(inputs), self.config.max_answer_tokens)
        return decoded


def first_passages(item: Candidates, count: int) -> Candidates:
    """Return a question with its first passages."""
    return replace(item, passages=item.passages[:count], scores=item.scores[:count], windows=item.windows[:count])


def verdict(item: Candidates, found: Sequence[PassageSpans], config: ReaderConfig, n_best: int) -> Reading:
    """Return the reading of a question from what was found in its passages.

    One answer over many passages is "no answer" when the best answer's own margin, in its own passage, is above the
    threshold: how little the other passages answer does not matter.
    """
    weights = Weights(config.retrieval_weight, config.relevance_weight)
    ranked = rank_answers(item, found, weights, max(n_best, RIVALS))
    if not ranked:
        return Reading()
    evidence, answers = evidence_of(item, found, ranked), ranked[:n_best]
    if config.trim_particles:
        texts = {passage.id: passage.text for passage in item.passages}
        answers = [without_particle(answer, texts[answer.passage_id]) for answer in answers]
    margin = answers[0].null_score - answers[0].span_score
    return Reading(
        tuple(answers),
        margin <= config.null_threshold,
        margin,
        config.probability(item.question, evidence),
        evidence=evidence,
    )


def load_reader(
    name: str | Path = DEFAULT_READER,
    precision: str = "auto",
    retrieval_weight: float | None = None,
    backend: str = "auto",
) -> ExtractiveReader:
    """Load a reader by directory or hub name; any Hugging Face question-answering checkpoint will do.

    Raises:
        ModelError: it cannot be found, loaded or converted for the backend.
        ConfigError: the precision, the backend, or a value in ``reader.json``, is not known.
    """
    directory, device = resolve(name), choose_device()
    arithmetic, chosen = choose_precision(precision, device), choose_backend(backend, device)
    network, tokenizer, config = load_reader_model(directory)
    config = fit_config(config, network.model)
    if chosen == "openvino":
        compute = openvino_compute(network, arithmetic, content_hash(directory))
    else:
        compute = torch_compute(network.to(device), arithmetic)
    if retrieval_weight is not None:
        config = replace(config, retrieval_weight=retrieval_weight)
    return ExtractiveReader(str(name), compute, tokenizer, config, longest_input(network.model))
