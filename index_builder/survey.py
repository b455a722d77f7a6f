"""Survey a corpus: counts over all passages, and the speed of this machine on a sample."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import log2
from typing import TypeVar

import numpy as np

from dpr.data.intake import UTF8_RULES, ReadRules
from dpr.data.passages import read_corpus
from dpr.errors import DataError
from dpr.store.windows import WindowRule
from dpr.types import Analyzer, Encoder, Passage, Progress, no_progress
from index_builder.chunking import CUT_DOCUMENTS, Cutter
from index_builder.encode import encode
from index_builder.local_sources import Source, path_of
from index_builder.windows import window_spans

ANALYSED = 2000
"""Passages of the sample, which are analysed."""

ENCODED = 256
"""Passages that are encoded: for a BERT base on a CPU, some ten seconds."""

SAMPLED = 64
"""Passages that are passed on, for the models of learned lists."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Survey:
    """A corpus, and the speed of this machine.

    Attributes:
        passages: the number of passages.
        text_bytes: of id, title, text and document id of a passage, on average.
        terms: terms of a passage, on average, repeats included.
        postings: different terms of a passage, on average.
        vocabulary: different terms of the passages that were analysed.
        growth: the exponent of the vocabulary's growth with the passages (Heaps' law).
        term_bytes: of a term, on average.
        analysed: the number of analysed passages.
        read_per_s: passages read a second.
        analysed_per_s: passages analysed a second.
        encoded_per_s: passages encoded a second; None without an encoder.
        dimension: of their vectors; None without an encoder.
        cut: share of passages that are longer than the encoder reads; None if it is not known.
        vectors: vectors of a passage, on average; more than one with windows.
        sample: some of the passages, uniformly drawn.
    """

    passages: int
    text_bytes: float
    terms: float
    postings: float
    vocabulary: int
    growth: float
    term_bytes: float
    analysed: int
    read_per_s: float
    analysed_per_s: float
    encoded_per_s: float | None
    dimension: int | None
    cut: float | None = None
    vectors: float = 1.0
    sample: tuple[Passage, ...] = ()

    def vocabulary_of(self, passages: int) -> float:
        """Return the number of different terms of this many passages."""
        return float(self.vocabulary * (passages / self.analysed) ** self.growth)


def survey(
    sources: Sequence[Source],
    analyzer: Analyzer,
    encoder: Encoder | None,
    progress: Progress = no_progress,
    windows: WindowRule | None = None,
    rules: ReadRules = UTF8_RULES,
) -> Survey:
    """Read the sources whole, analyse and encode some of their passages, long ones in ``windows``.

    Raises:
        DataError: a source cannot be used.
    """
    if not sources:
        raise DataError("there is no source to look at; give at least one")
    began = time.perf_counter()
    passages, text_bytes, sample = _read(_passages(sources, rules, encoder), progress)
    read_s = time.perf_counter() - began
    texts, middle = [passage.titled() for passage in sample], (len(sample) + 1) // 2
    first = list(analyzer.batch(texts[:middle]))  # not timed: it loads what the analyzer needs
    timed = texts[middle:] or texts
    second_half, analysed_s = _timed(lambda: list(analyzer.batch(timed)))
    terms = [*first, *second_half][: len(texts)]
    half = len({term for text in first for term in text})
    vocabulary = {term for text in terms for term in text}
    encoded_per_s = cut = None
    windows_of_passages = _in_windows(sample, windows, encoder)
    if encoder is not None:
        some = windows_of_passages[:ENCODED]
        encoder.encode_passages([window for of_passage in some[:8] for window in of_passage])
        encoded, encoded_s = _timed(lambda: encode(encoder, [window for of_passage in some for window in of_passage]))
        encoded_per_s = len(some) / encoded_s
        firsts = np.cumsum([0, *map(len, some[:-1])])
        cut = None if encoded.is_cut is None else float(encoded.is_cut[firsts].mean())
    return Survey(
        passages=passages,
        text_bytes=text_bytes / passages,
        terms=sum(map(len, terms)) / len(terms),
        postings=sum(len(set(text)) for text in terms) / len(terms),
        vocabulary=len(vocabulary),
        growth=log2(len(vocabulary) / half) if half else 1.0,
        term_bytes=sum(len(term.encode()) for term in vocabulary) / max(1, len(vocabulary)),
        analysed=len(sample),
        read_per_s=passages / read_s,
        analysed_per_s=len(second_half) / analysed_s,
        encoded_per_s=encoded_per_s,
        dimension=encoder.dimension if encoder else None,
        cut=cut,
        vectors=sum(map(len, windows_of_passages)) / len(windows_of_passages),
        sample=tuple(sample[:SAMPLED]),
    )


def _passages(sources: Sequence[Source], rules: ReadRules, encoder: Encoder | None) -> Iterator[Passage]:
    """Yield the passages of the sources, documents cut as they are by default."""
    cutter = Cutter(CUT_DOCUMENTS, encoder)
    for text in read_corpus(map(path_of, sources), rules):
        yield from cutter.cut(text)


def _in_windows(
    passages: Sequence[Passage], windows: WindowRule | None, encoder: Encoder | None
) -> list[list[Passage]]:
    """Return the windows of each passage, or the passage itself."""
    if windows is None:
        return [[passage] for passage in passages]
    return [
        [replace(passage, text=passage.text[start:end]) for start, end in spans]
        for passage, spans in zip(passages, window_spans(passages, windows, encoder), strict=True)
    ]


def _read(corpus: Iterable[Passage], progress: Progress) -> tuple[int, int, list[Passage]]:
    """Return the number of passages, the bytes of their texts, and a uniform sample of them."""
    chance = random.Random(1)  # noqa: S311 - sampling, not secrets
    sample: list[Passage] = []
    count = text_bytes = 0
    for passage in corpus:
        texts = (passage.id, passage.title, passage.text, passage.document_id)
        text_bytes += sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
        slot = count if count < ANALYSED else chance.randrange(count + 1)
        if slot < len(sample):
            sample[slot] = passage
        elif slot < ANALYSED:
            sample.append(passage)
        count += 1
        if count % 10_000 == 0:
            progress("survey", count, None)
    progress("survey", count, count)
    chance.shuffle(sample)
    return count, text_bytes, sample


def _timed(work: Callable[[], Result]) -> tuple[Result, float]:
    began = time.perf_counter()
    result = work()
    return result, time.perf_counter() - began
