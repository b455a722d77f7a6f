"""The extractive reader: the best answer span over all passages of a question, or no answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dpr.config import DEFAULT_READER
from dpr.measured import TokensRead
from dpr.models.backends import choose_backend, choose_device, choose_precision
from dpr.models.checkpoint import content_hash, resolve
from dpr.models.positions import longest_input
from dpr.models.tokens import count_tokens, length_sorted_batches
from dpr.reader.extractive.compute import Compute, openvino_compute, torch_compute
from dpr.reader.extractive.decode import WindowSpans, passage_spans, window_spans
from dpr.reader.extractive.long_questions import asking_sentence, lead
from dpr.reader.extractive.merge import PassageSpans, Weights, rank_answers
from dpr.reader.extractive.model import ReaderConfig, fit_config, load_reader_model
from dpr.reader.extractive.particles import without_particle
from dpr.reader.extractive.probability import RIVALS, evidence_of
from dpr.reader.extractive.windows import Window, make_windows, pad_windows
from dpr.types import Candidates, Reading
from dpr.value_types import checks_types


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
        return [self._reading(item, spans, n_best) for item, spans in zip(batch, self.spans(batch), strict=True)]

    def reading(self, item: Candidates, read: Sequence[WindowSpans], n_best: int = 1) -> Reading:
        """Return the reading of a question from what `read_windows` returned for its `windows`."""
        return self._reading(item, _of_passages(item, read), n_best)

    def _reading(self, item: Candidates, spans: Sequence[PassageSpans], n_best: int) -> Reading:
        return replace(verdict(item, spans, self.config, n_best), note=self._note(item.question))

    def tokens_read(self, question: str) -> TokensRead:
        """Return the number of a question's tokens in its windows, and of all."""
        total = count_tokens(self._tokenizer, question)
        return TokensRead(min(total, self.config.longest_question(self._positions)), total)

    def _note(self, question: str) -> str:
        note = self.tokens_read(question).note("reader")
        return f"{note}, and the sentence that asks" if note and self._asking_sentence(question) else note

    def spans(self, batch: Sequence[Candidates]) -> list[list[PassageSpans]]:
        """Return the best spans of each passage of each question."""
        windows = self.windows(batch)
        read = iter(self.read_windows([window for of_question in windows for window in of_question]))
        return [
            _of_passages(item, [next(read) for _ in of_question])
            for item, of_question in zip(batch, windows, strict=True)
        ]

    def windows(self, batch: Sequence[Candidates]) -> list[list[Window]]:
        """Return the windows of each question over its passages.

        For a long question each passage is also read with the asking sentence.
        """
        pairs: list[tuple[str, str]] = []
        readings: list[range] = []
        for item in batch:
            begin = len(pairs)
            sentence = self._asking_sentence(item.question)
            for question in [item.question, sentence] if sentence else [item.question]:
                pairs += [(question, passage.text) for passage in item.passages]
            readings.append(range(begin, len(pairs)))
        windows = self._windows(pairs) if pairs else []
        return [
            [replace(window, pair=pair - of_question.start) for pair in of_question for window in windows[pair]]
            for of_question in readings
        ]

    def read_windows(self, windows: Sequence[Window]) -> list[WindowSpans]:
        """Return the best spans of each window; they do not depend on other windows.

        They are computed in batches of similar length.
        """
        read: dict[int, WindowSpans] = {}
        for rows in length_sorted_batches([len(window) for window in windows], self._compute.batch_tokens):
            batch = [windows[row] for row in rows]
            inputs = pad_windows(batch, self._tokenizer.pad_token_id, self._compute.input_names)
            read |= zip(
                rows, window_spans(batch, *self._compute.logits(inputs), self.config.max_answer_tokens), strict=True
            )
        return [read[row] for row in range(len(windows))]

    def _asking_sentence(self, question: str) -> str:
        """Return the asking sentence of a long question; empty for a short question or a single sentence."""
        if count_tokens(self._tokenizer, question) <= self.config.question_tokens:
            return ""
        sentence = asking_sentence(question)
        return "" if sentence == question.strip() else sentence

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


def _of_passages(item: Candidates, read: Sequence[WindowSpans]) -> list[PassageSpans]:
    """Return the spans of each passage; if it was read twice, those with the larger lead over its null score."""
    of_pair: dict[int, list[WindowSpans]] = {}
    for spans in read:
        of_pair.setdefault(spans.pair, []).append(spans)
    passages = [passage_spans(windows) for windows in of_pair.values()]
    count = len(item.passages)
    return [max(passages[number::count], key=lead) for number in range(count)]


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


@checks_types()
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
