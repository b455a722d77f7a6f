"""What a corpus is like, and how fast this machine works on it: counted over all passages, measured on some."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from math import log2
from typing import TypeVar

import numpy as np

from dpr.data.intake import UTF8_RULES, ReadRules
from dpr.data.passages import read_corpus
from dpr.errors import DataError
from dpr.store.windows import WindowRule
from dpr.types import Analyzer, Encoder, Passage, Progress, no_progress
from index_builder.encode import encode
from index_builder.windows import window_spans

ANALYSED = 2000
"""Passages whose terms are made."""

ENCODED = 256
"""Passages that are encoded: for a BERT base on a CPU, some ten seconds."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Survey:
    """A corpus, and the speed of this machine.

    Attributes:
        passages: how many there are.
        text_bytes: of id, title, text and document id of a passage, on average.
        terms: terms of a passage, on average, repeats included.
        postings: different terms of a passage, on average.
        vocabulary: different terms of the passages that were analysed.
        growth: how the vocabulary grows: with the passages to this power (Heaps' law).
        term_bytes: of a term, on average.
        analysed: how many passages that is.
        read_per_s: passages read a second.
        analysed_per_s: passages analysed a second.
        encoded_per_s: passages encoded a second; None without an encoder.
        dimension: of their vectors; None without an encoder.
        cut: share of passages that are longer than the encoder reads; None where it is not known.
        vectors: of a passage, on average: more than one where long passages are in windows.
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

    def vocabulary_of(self, passages: int) -> float:
        """Return how many different terms so many passages have."""
        return float(self.vocabulary * (passages / self.analysed) ** self.growth)


def survey(
    sources: Sequence[str],
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
        raise DataError("there is no source to look at; name at least one")
    began = time.perf_counter()
    passages, text_bytes, sample = _read(read_corpus(sources, rules), progress)
    read_s = time.perf_counter() - began
    texts, middle = [passage.titled() for passage in sample], (len(sample) + 1) // 2
    first = list(analyzer.batch(texts[:middle]))  # not timed: it loads what the analyzer needs
    timed = texts[middle:] or texts
    rest, analysed_s = _timed(lambda: list(analyzer.batch(timed)))
    terms = [*first, *rest][: len(texts)]
    half = len({term for text in first for term in text})
    vocabulary = {term for text in terms for term in text}
    encoded_per_s = cut = None
    parts = _in_windows(sample, windows, encoder)
    if encoder is not None:
        some = parts[:ENCODED]
        encoder.encode_passages([part for of_passage in some[:8] for part in of_passage])
        encoded, encoded_s = _timed(lambda: encode(encoder, [part for of_passage in some for part in of_passage]))
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
        analysed_per_s=len(rest) / analysed_s,
        encoded_per_s=encoded_per_s,
        dimension=encoder.dimension if encoder else None,
        cut=cut,
        vectors=sum(map(len, parts)) / len(parts),
    )


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
    """Return the number of passages, the bytes of their texts, and some of them, each as likely as any other."""
    chance = random.Random(1)  # noqa: S311 - sampling, not secrets
    sample: list[Passage] = []
    count = text_bytes = 0
    for passage in corpus:
        texts = (passage.id, passage.title, passage.text, passage.document_id)
        text_bytes += sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
        place = count if count < ANALYSED else chance.randrange(count + 1)
        if place < len(sample):
            sample[place] = passage
        elif place < ANALYSED:
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
