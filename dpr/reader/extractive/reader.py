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
    """Reads windows of a question with a passage; see `ReaderConfig` for the rules.

    ``positions`` is the largest window for a long question, in tokens; by default ``max_tokens``.
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
        """Return at most ``n_best`` answers of each question over all its passages.

        The windows of all questions and passages are computed together. No two answers of a question share characters
        of a document.
        """
        return [self.reading(item, spans, n_best) for item, spans in zip(batch, self.spans(batch), strict=True)]

    def reading(self, item: Candidates, spans: Sequence[PassageSpans], n_best: int = 1) -> Reading:
        """Return the reading of a question from the best spans of each of its passages."""
        return replace(verdict(item, spans, self.config, n_best), note=self._note(item.question))

    def tokens_read(self, question: str) -> TokensRead:
        """Return the number of a question's tokens in its windows, and of all."""
        total = count_tokens(self._tokenizer, question)
        return TokensRead(min(total, self.config.longest_question(self._positions)), total)

    def _note(self, question: str) -> str:
        note = self.tokens_read(question).note("reader")
        return f"{note}, and the sentence that asks" if note and self._asking_sentence(question) else note

    def spans(self, batch: Sequence[Candidates]) -> list[list[PassageSpans]]:
        """Return the best spans of each passage of each question.

        For a long question each passage is also read with the asking sentence; the reading with the larger margin
        counts.
        """
        pairs = [(item.question, passage.text) for item in batch for passage in item.passages]
        readings = iter(self._read_pairs(pairs))
        spans = [[next(readings) for _ in item.passages] for item in batch]
        asking = {row: sentence for row, item in enumerate(batch) if (sentence := self._asking_sentence(item.question))}
        pairs = [(sentence, passage.text) for row, sentence in asking.items() for passage in batch[row].passages]
        again = iter(self._read_pairs(pairs))
        for row in asking:
            spans[row] = [surer(first, next(again)) for first in spans[row]]
        return spans

    def _asking_sentence(self, question: str) -> str:
        """Return the asking sentence of a long question; empty for a short question or a single sentence."""
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
        """Return the windows of each (question, passage); pairs with windows of one size are tokenized together."""
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
        """Compute windows in batches of similar length, and return the best spans of each."""
        decoded = Decoded(len(windows))
        for rows in length_sorted_batches([len(window) for window in windows], self._compute.batch_tokens):
            batch = [windows[row] for row in rows]
            inputs = pad_windows(batch, self._tokenizer.pad_token_id, self._compute.input_names)
            decoded.add(rows, batch, *self._compute.logits(inputs), self.config.max_answer_tokens)
        return decoded


def first_passages(item: Candidates, count: int) -> Candidates:
    """Return a question with its first passages."""
    return replace(item, passages=item.passages[:count], scores=item.scores[:count], windows=item.windows[:count])


def verdict(item: Candidates, passage_spans: Sequence[PassageSpans], config: ReaderConfig, n_best: int) -> Reading:
    """Return the reading of a question from the spans of its passages.

    A question has no answer if the margin of the best answer in its own passage is above the threshold, whatever the
    other passages say.
    """
    weights = Weights(config.retrieval_weight, config.relevance_weight)
    ranked = rank_answers(item, passage_spans, weights, max(n_best, RIVALS))
    if not ranked:
        return Reading()
    evidence, answers = evidence_of(item, passage_spans, ranked), ranked[:n_best]
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
        ConfigError: the precision, the backend, or a value in ``reader.json`` is unknown.
    """
    directory, device = resolve(name), choose_device()
    arithmetic, runtime = choose_precision(precision, device), choose_backend(backend, device)
    network, tokenizer, config = load_reader_model(directory)
    config = fit_config(config, network.model)
    if runtime == "openvino":
        compute = openvino_compute(network, arithmetic, content_hash(directory))
    else:
        compute = torch_compute(network.to(device), arithmetic)
    if retrieval_weight is not None:
        config = replace(config, retrieval_weight=retrieval_weight)
    return ExtractiveReader(str(name), compute, tokenizer, config, longest_input(network.model))
