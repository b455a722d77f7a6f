"""Long passages in training: the positive of a question is the window with its answer, not the beginning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from dpr.data.chunk import chunk_spans
from dpr.data.sentences import Span
from dpr.models.text_encoder import EncoderConfig
from dpr.models.tokens import count_tokens, text_tokens
from dpr.store.windows import LEAST_WINDOW
from dpr.train.batches import Source
from dpr.types import Example, Passage

OVERLAP_SHARE = 4
"""Neighbouring windows share a quarter of their tokens."""


@dataclass(frozen=True, slots=True)
class Windowed:
    """Sources with windows in place of long positives, and the number of windows."""

    sources: tuple[Source, ...]
    windows: int


def with_answer_windows(sources: Sequence[Source], tokenizer: Any, config: EncoderConfig) -> Windowed:
    """Cut each positive that is too long for BERT_p to the window that contains the answer.

    That window becomes the first positive of the question. The whole passage and its other windows follow: they are
    relevant too, so they are never negatives. The windows of a passage that is excluded for a question are excluded,
    too. A passage without the offset of the answer stays whole; BERT_p reads its beginning.
    """
    with_offsets = [example for source in sources for example in source.examples if example.answer_starts]
    spans_of = long_passages([example.positives[0] for example in with_offsets], tokenizer, config)
    windows_of: dict[str, dict[Span, Passage]] = {passage_id: {} for passage_id in spans_of}
    for example in with_offsets:
        passage = example.positives[0]
        if passage.id in spans_of:
            span = _span_with_answer(example, spans_of[passage.id])
            windows_of[passage.id].setdefault(span, window(passage, span))

    def with_excluded_windows(example: Example) -> Example:
        ids = [excluded.id for name in example.excluded_ids for excluded in windows_of.get(name, {}).values()]
        return replace(example, excluded_ids=(*example.excluded_ids, *ids)) if ids else example

    def cut(example: Example) -> Example:
        spans = spans_of.get(example.positives[0].id)
        if spans is None or not example.answer_starts:
            return example
        windows = dict(windows_of[example.positives[0].id])
        answer_window = windows.pop(_span_with_answer(example, spans))
        positives = (answer_window, *example.positives, *windows.values())
        return replace(example, positives=positives, answer_starts=(), grades=())

    return Windowed(
        tuple(
            replace(source, examples=[with_excluded_windows(cut(example)) for example in source.examples])
            for source in sources
        ),
        sum(map(len, windows_of.values())),
    )


def long_passages(passages: Sequence[Passage], tokenizer: Any, config: EncoderConfig) -> dict[str, list[Span]]:
    """Return the windows of each passage that is too long for BERT_p, by passage id."""
    different = list({passage.id: passage for passage in passages}.values())
    read = text_tokens(tokenizer, different, config.passage_tokens, config.passage_prompt)
    count = partial(count_tokens, tokenizer)
    return {
        passage.id: chunk_spans(passage.text, tokens.read, tokens.read // OVERLAP_SHARE, count)
        for passage, tokens in zip(different, read, strict=True)
        if LEAST_WINDOW <= tokens.read < tokens.total
    }


def _span_with_answer(example: Example, spans: Sequence[Span]) -> Span:
    """Return the window that contains most of the first answer; of several, the one with the most context."""
    start = example.answer_starts[0]
    end = start + len(example.question.answers[0])

    def fitness(span: Span) -> tuple[int, int]:
        return min(end, span[1]) - max(start, span[0]), min(start - span[0], span[1] - end)

    return max(spans, key=fitness)


def window(passage: Passage, span: Span) -> Passage:
    """Return a window as a passage of the same document."""
    start, end = span
    return replace(
        passage,
        id=f"{passage.id}[{start}:{end}]",
        text=passage.text[start:end],
        document_id=passage.document_id or passage.id,
        start=passage.start + start,
    )
