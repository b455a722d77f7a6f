"""Long passages in training: a question learns from the window that holds its answer, not from the beginning."""

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
"""Neighbouring windows share one in so many tokens."""


@dataclass(frozen=True, slots=True)
class Windowed:
    """Sources whose long positives are windows, and how many windows that are."""

    sources: tuple[Source, ...]
    windows: int


def with_answer_windows(sources: Sequence[Source], tokenizer: Any, config: EncoderConfig) -> Windowed:
    """Cut each positive that is longer than BERT_p reads to the window that holds the answer.

    A question's first positive becomes that window. The whole passage and the windows of other questions follow it:
    they are right for the question too, and so never its negatives. The windows of a passage that is excluded for a
    question are excluded with it. Where the place of the answer is not known, the passage stays, and its beginning is
    read.
    """
    located = [example for source in sources for example in source.examples if example.answer_starts]
    spans_of = long_passages([example.positives[0] for example in located], tokenizer, config)
    used: dict[str, dict[Span, Passage]] = {passage_id: {} for passage_id in spans_of}
    for example in located:
        passage = example.positives[0]
        if passage.id in spans_of:
            span = _span_with_answer(example, spans_of[passage.id])
            used[passage.id].setdefault(span, window(passage, span))

    def with_excluded_windows(example: Example) -> Example:
        ids = [excluded.id for name in example.excluded_ids for excluded in used.get(name, {}).values()]
        return replace(example, excluded_ids=(*example.excluded_ids, *ids)) if ids else example

    def cut(example: Example) -> Example:
        spans = spans_of.get(example.positives[0].id)
        if spans is None or not example.answer_starts:
            return example
        windows = used[example.positives[0].id]
        chosen = windows[_span_with_answer(example, spans)]
        others = tuple(other for other in windows.values() if other is not chosen)
        return replace(example, positives=(chosen, *example.positives, *others), answer_starts=(), grades=())

    return Windowed(
        tuple(
            replace(source, examples=[with_excluded_windows(cut(example)) for example in source.examples])
            for source in sources
        ),
        sum(map(len, used.values())),
    )


def long_passages(passages: Sequence[Passage], tokenizer: Any, config: EncoderConfig) -> dict[str, list[Span]]:
    """Return the windows of each passage that is longer than BERT_p reads, by id."""
    different = list({passage.id: passage for passage in passages}.values())
    read = text_tokens(tokenizer, different, config.passage_tokens, config.passage_prompt)
    count = partial(count_tokens, tokenizer)
    return {
        passage.id: chunk_spans(passage.text, tokens.read, tokens.read // OVERLAP_SHARE, count)
        for passage, tokens in zip(different, read, strict=True)
        if LEAST_WINDOW <= tokens.read < tokens.total
    }


def _span_with_answer(example: Example, spans: Sequence[Span]) -> Span:
    """Return the window that holds most of the first answer; of several, the one with the most text around it."""
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
