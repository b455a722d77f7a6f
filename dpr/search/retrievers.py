"""The retrievers of an index: dense, sparse, and hybrid, which fuses the candidates of several retrievers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from dpr.errors import ConfigError, RequestError
from dpr.measured import ReadsTokens, TokensRead
from dpr.search.contract import Retriever
from dpr.search.explain import column_of, explain_by_result, explain_fusion, rule_of
from dpr.search.fusion import Fused, FusedList, Fusion, fuse
from dpr.sparse.spellings import expand_spellings
from dpr.types import (
    Analyzer,
    DoubleArray,
    Encoder,
    Explanation,
    FloatArray,
    Hit,
    IntArray,
    ListExplanation,
    ListScore,
    PassageVectors,
    PassageWindow,
    SparseIndex,
    TopK,
    VectorIndex,
    Weighing,
)

PassageId = Callable[[int], str]
"""The id of a row, such as ``PassageStore.id`` or the ``__getitem__`` of a list of ids."""


class DenseRetriever(Retriever):
    """Search by inner product with the question encoder's vector."""

    def __init__(
        self,
        encoder: Encoder,
        index: VectorIndex,
        passage_id: PassageId,
        name: str = "dense",
        vectors: PassageVectors | None = None,
    ) -> None:
        """Search an index with an encoder's questions.

        ``vectors`` tell the similarity of passages that are not among the hits, for explanations.
        """
        self.name = name
        self._passage_id = passage_id
        self._encoder = encoder
        self._index = index
        self._vectors = vectors

    def top_k(self, questions: Sequence[str], k: int) -> TopK:
        """Return the rows and scores of the k best passages, (Q, k)."""
        if not questions:
            return no_questions(k)
        return self._index.search(self._encoder.encode_questions(questions), k)

    def tokens_read(self, question: str) -> TokensRead | None:
        """Return how many tokens of a question the encoder reads; None if it does not say."""
        return self._encoder.tokens_read(question) if isinstance(self._encoder, ReadsTokens) else None

    def explain_entry(self, question: str, row: int, top: TopK) -> ListExplanation:
        """Return a passage's rank, its similarity, and the window of a long one that is most similar."""
        entry = explain_by_result(row, top)
        if entry.rank is not None or self._vectors is None:
            return entry
        vectors, windows = self._vectors.vectors_of(row)
        similarities = vectors.astype(np.float64) @ self._encoder.encode_questions([question])[0].astype(np.float64)
        best = int(similarities.argmax())  # (W,)
        window = None if windows is None else PassageWindow(*windows[best].tolist())
        return replace(entry, score=float(np.float32(similarities[best])), window=window)

    def search(self, questions: Sequence[str], k: int) -> list[list[Hit]]:
        """Return at most k hits for each question, best first.

        Raises:
            RequestError: k is below 1.
        """
        refuse_bad_k(k)
        return hits_of_list(self.name, self.top_k(questions, k), self._passage_id)


def no_questions(k: int) -> TopK:
    """Return the result for no questions, (0, k)."""
    rows: IntArray = np.empty((0, k), dtype=np.int64)
    scores: FloatArray = np.empty((0, k), dtype=np.float32)
    return TopK(rows, scores)


class SparseRetriever(Retriever):
    """Search by the weights of the terms that a passage shares with the question (BM25, TF-IDF)."""

    def __init__(self, name: str, analyzer: Analyzer, index: SparseIndex, passage_id: PassageId) -> None:
        self.name = name
        self._passage_id = passage_id
        self._analyzer = analyzer
        self._index = index

    def top_k(self, questions: Sequence[str], k: int) -> TopK:
        """Return the rows and scores of the k best passages, (Q, k), and each question's coverage by the best one."""
        terms = self._terms(questions)
        top = self._index.search(terms, k)
        return replace(top, coverage=self._index.coverage(terms, top.rows[:, 0]))

    def search(self, questions: Sequence[str], k: int) -> list[list[Hit]]:
        """Return at most k hits for each question, best first.

        Raises:
            RequestError: k is below 1.
        """
        refuse_bad_k(k)
        # not by top_k: a single list does not need the coverage
        return hits_of_list(self.name, self._index.search(self._terms(questions), k), self._passage_id)

    def explain_entry(self, question: str, row: int, top: TopK) -> ListExplanation:
        """Return a passage's rank, its score, and the share of each term, which add up to the score."""
        entry = explain_by_result(row, top)
        terms = tuple(self._index.shares(self._terms([question])[0], row))
        score = math.fsum(term.share for term in terms) if entry.score is None else entry.score
        return replace(entry, score=score, terms=terms)

    def _terms(self, questions: Sequence[str]) -> list[list[str]]:
        words = list(self._analyzer.questions(questions))
        return expand_spellings(words, self._index, self._analyzer.halves)


class HybridRetriever(Retriever):
    """Fuses the candidates of retrievers over one index.

    Each source returns as many candidates as the fusion is deep, for any k, so that fused scores, and with them the
    first hits, do not depend on k. With a coverage power, each question of a batch has its own weights.
    """

    def __init__(
        self,
        sources: Mapping[str, Retriever],
        passage_id: PassageId,
        fusion: Fusion | None = None,
        name: str = "hybrid",
    ) -> None:
        """Fuse the named sources.

        Raises:
            ConfigError: there is no source.
            RequestError: the fusion's weights name other lists than the sources.
        """
        if not sources:
            raise ConfigError("a hybrid retriever has no source: give it at least one retriever, such as dense or bm25")
        self.name = name
        rule = fusion or Fusion()
        self.fusion: Fusion = replace(rule, weights=rule.weights_for(sources))
        self._sources = dict(sources)
        self._passage_id = passage_id

    def tokens_read(self, question: str) -> TokensRead | None:
        """Return how many tokens of a question the source with an encoder reads; None if no source says so."""
        counts = (source.tokens_read(question) for source in self._sources.values())
        return next((tokens for tokens in counts if tokens is not None), None)

    def search(self, questions: Sequence[str], k: int) -> list[list[Hit]]:
        """Return at most k hits for each question, best first, each with its rank and score in every list.

        Raises:
            RequestError: k is below 1 or above the candidate depth.
        """
        refuse_bad_k(k)
        if k > self.fusion.depth:
            raise RequestError(
                f"k is {k}: the retriever fuses {self.fusion.depth} candidates of each list; choose at most "
                f"{self.fusion.depth}, or a deeper fusion",
                "k",
            )
        lists = self.lists_of(questions)
        hits = hits_of_fusion(fuse(lists, k, self.fusion, self._passage_id), lists, self._passage_id)
        return with_windows(hits, lists.values())

    def lists_of(self, questions: Sequence[str]) -> dict[str, TopK]:
        """Return the candidates of each source, by its name."""
        return {name: source.top_k(questions, self.fusion.depth) for name, source in self._sources.items()}

    def explain(self, question: str, row: int) -> Explanation:
        """Return why a passage has its rank: what each source says of it, and how that is fused.

        A passage that is a candidate, and not one of the ``depth`` hits, has a score and no rank.
        """
        tops = self.lists_of([question])
        candidates = sum(top.rows.shape[1] for top in tops.values())
        fused = fuse(tops, candidates, self.fusion, self._passage_id)
        entries = {name: source.explain_entry(question, row, tops[name]) for name, source in self._sources.items()}
        column = column_of(row, fused.rows)
        if column is not None:
            entries = explain_fusion(entries, tops, fused, self.fusion, column)
        coverage = {name: top.coverage for name, top in tops.items() if top.coverage is not None}
        return Explanation(
            self._passage_id(row),
            self.name,
            rank=column + 1 if column is not None and column < self.fusion.depth else None,
            score=None if column is None else float(fused.scores[0, column]),
            lists=entries,
            fusion=rule_of(self.fusion),
            weighing=Weighing(_of_question(fused.weights, 0), _of_question(coverage, 0)),
        )


def refuse_bad_k(k: int) -> None:
    """Raise RequestError unless k is at least 1."""
    if k < 1:
        raise RequestError(f"k is {k}: ask for at least 1 passage", field="k")


def hits_of_list(name: str, top: TopK, passage_id: PassageId) -> list[list[Hit]]:
    """Return the hits of one list; the list's score is the hit's score."""
    hits = [
        [
            Hit(row, passage_id(row), rank, score, {name: ListScore(rank, score, score)})
            for rank, (row, score) in enumerate(zip(rows, scores, strict=True), start=1)
            if row >= 0
        ]
        for rows, scores in zip(top.rows.tolist(), top.scores.tolist(), strict=True)
    ]
    return with_windows(hits, [top])


def with_windows(hits: Sequence[Sequence[Hit]], lists: Iterable[TopK]) -> list[list[Hit]]:
    """Return the hits of each question with the windows that the lists matched."""
    for top in lists:
        if top.windows is not None:
            hits = [
                [replace(hit, window=windows.get(hit.row, hit.window)) for hit in of_question]
                for of_question, windows in zip(hits, map(_windows_of, hits, top.rows, top.windows), strict=True)
            ]
    return [list(of_question) for of_question in hits]


def _windows_of(hits: Sequence[Hit], rows: IntArray, spans: IntArray) -> dict[int, PassageWindow]:
    """Return the windows of a question's list, (k, 2), by row, for those of its hits that matched one."""
    is_matched = np.isin(rows, [hit.row for hit in hits]) & (spans[:, 0] >= 0)
    return {
        row: PassageWindow(*span)
        for row, span in zip(rows[is_matched].tolist(), spans[is_matched].tolist(), strict=True)
    }


def hits_of_fusion(fused: Fused, tops: Mapping[str, TopK], passage_id: PassageId) -> list[list[Hit]]:
    """Return the fused hits, each with its rank and score in every list and the question's weights."""
    lists = {name: _list_scores(fused_list) for name, fused_list in fused.lists.items()}
    coverage = {name: top.coverage for name, top in tops.items() if top.coverage is not None}
    hits: list[list[Hit]] = []
    for question, (rows, scores) in enumerate(zip(fused.rows.tolist(), fused.scores.tolist(), strict=True)):
        weighing = Weighing(_of_question(fused.weights, question), _of_question(coverage, question))
        hits.append(
            [
                Hit(
                    row,
                    passage_id(row),
                    column + 1,
                    score,
                    {name: lists[name][question][column] for name in lists},
                    weighing,
                )
                for column, (row, score) in enumerate(zip(rows, scores, strict=True))
                if row >= 0
            ]
        )
    return hits


def _of_question(values: Mapping[str, DoubleArray], question: int) -> dict[str, float]:
    return {name: float(of_list[question]) for name, of_list in values.items()}


def _list_scores(fused_list: FusedList) -> list[list[ListScore]]:
    return [
        [
            ListScore(rank, score, contribution) if rank else ListScore(None, None, contribution)
            for rank, score, contribution in zip(*question, strict=True)
        ]
        for question in zip(
            fused_list.ranks.tolist(), fused_list.scores.tolist(), fused_list.contributions.tolist(), strict=True
        )
    ]
