"""QA: retrieve passages for a question and read the answer in them.

The questions of one call are computed together: one encoding, one search of each list, one reading. QA is safe for use
by several threads: local models compute for one thread at a time, and many threads may wait for a generator.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self, Unpack, overload

from dpr.errors import RequestError
from dpr.filters import Filter, FilterForm, parse
from dpr.local_reader import LocalReader
from dpr.questions import MAX_K, MAX_N_BEST, check_questions, check_range, check_rank
from dpr.results import Answered, Timings
from dpr.search.candidates import candidates_of, passages_of
from dpr.search.embedding import EmbeddedTexts, embed_texts
from dpr.search.explain import row_of
from dpr.search.lazy import Lazy
from dpr.search.options import AnswerChoices, SearchChoices
from dpr.search.options import RetrievalOptions as RetrievalOptions
from dpr.search.registry import plain_name
from dpr.types import Explanation, Hit, Reader, Reading, ReadsWindows
from dpr.value_types import PLAIN

if TYPE_CHECKING:
    from dpr.search.contract import Retriever
    from dpr.search.fusion import Fusion
    from dpr.search.open import OpenIndex

Questions = list[str] | tuple[str, ...]


class Generator(Reader, Protocol):
    """A reader that runs on another machine, such as `dpr.reader.generative.GenerativeReader`."""

    fallback: Reader | None

    def close(self) -> None:
        """Close the connections to it."""


class SearchBy(NamedTuple):
    """What finds hits: a retriever by its name, None for the default one, how it fuses, and which passages count."""

    retriever: str | None
    fusion: Fusion | None
    condition: Filter | None


class QA:
    """Question answering over one open generation of an index.

    Use it as a context manager, or ``close`` it, if it has a generator.

    Args:
        index: the open generation; open the index again for a later one.
        reader: None for retrieval only; ``answer`` then refuses. A lazy reader is opened at its first use.
        generator: writes the answers in place of the reader; if it fails, the reader answers.
        retrieval: the default retriever (by its name: ``default_retriever``), fusion and reranking.
        lock: held while a local model computes; pipelines that share models share it. None: a lock of its own.
    """

    def __init__(
        self,
        index: OpenIndex,
        reader: Reader | Lazy[Reader] | None = None,
        generator: Generator | None = None,
        retrieval: RetrievalOptions = RetrievalOptions(),  # noqa: B008 - frozen
        lock: AbstractContextManager[object] | None = None,
    ) -> None:
        self.index = index
        self.generator: Reader | None = generator
        self.retrieval = retrieval
        self.default_retriever = retrieval.retriever_for(index.names)
        self._lock = lock or Lock()
        self._local = None if reader is None else LocalReader(reader, self._lock)
        self._close = generator.close if generator else None
        if generator is not None:
            generator.fallback = self._local

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        passages = len(self.index.passages)
        return f"<QA of generation {self.generation}, {passages:,} passages, retrievers {', '.join(self.index.names)}>"

    @property
    def reader(self) -> Reader | None:
        """The reader on this machine, opened at the first access; None without one."""
        return self._local.open_reader() if self._local else None

    @property
    def generation(self) -> str:
        """The name of the open index generation."""
        return self.index.generation

    @property
    def has_reader(self) -> bool:
        """Whether there is a reader or a generator; opens neither."""
        return self._local is not None or self.generator is not None

    def answering_reader(self) -> Reader:
        """Return the generator, or the opened reader on this machine.

        Raises:
            RequestError: there is neither.
            ModelError: the reader cannot be loaded.
        """
        if (reader := self.generator or self.reader) is None:
            raise RequestError("there is no reader to answer with; retrieve passages only, or open a reader")
        return reader

    def window_reader(self) -> ReadsWindows | None:
        """Return the reader that answers if it reads each window by itself, opened; else None."""
        if self.generator is not None or self._local is None:
            return None
        return self._local.by_window()

    def load(self) -> None:
        """Open every file of the index and load encoder, reranker and reader now, not at their first use.

        Raises:
            DPRError: a model cannot be loaded, or the encoder is not the index's.
        """
        self.index.open_files()
        if self.index.manifest.encoder is not None:
            self.index.resources.encoder()
        if self.retrieval.rerank is not None:
            self.index.retriever(self.default_retriever)
        if self._local is not None:
            self._local.open_reader()

    def close(self) -> None:
        """Close the generator's connections; nothing else needs closing."""
        if self._close is not None:
            self._close()

    @overload
    def retrieve(self, questions: str, **choices: Unpack[SearchChoices]) -> list[Hit]: ...

    @overload
    def retrieve(self, questions: Questions, **choices: Unpack[SearchChoices]) -> list[list[Hit]]: ...

    def retrieve(
        self,
        questions: str | Questions,
        *,
        k: int = 10,
        retriever: str | None = None,
        fusion: Fusion | None = None,
        filter: FilterForm | None = None,
    ) -> list[Hit] | list[list[Hit]]:
        """Return at most ``k`` hits for a question, best first, or for each question of a list.

        With a ``filter``, they are the best ``k`` of the passages that it keeps: a `dpr.filters.Filter`, its JSON form
        or its text form.

        Raises:
            RequestError: a question is empty, too long or not text, ``k`` is not in 1..100, the index has no such
                retriever, or the filter does not suit its fields; its ``field`` names the parameter.
        """
        condition = None if filter is None else parse(filter)
        if isinstance(questions, str):
            return self.retrieve([questions], k=k, retriever=retriever, fusion=fusion, filter=condition)[0]
        check_questions(questions)
        check_range("k", k, MAX_K)
        return self._hits(questions, k, SearchBy(retriever, fusion, condition))

    def explain(
        self,
        question: str,
        passage_id: str | None = None,
        *,
        rank: int | None = None,
        retriever: str | None = None,
        fusion: Fusion | None = None,
        filter: FilterForm | None = None,
    ) -> Explanation:
        """Return why a passage has its score and its rank: terms, similarity, ranks, and how they were fused.

        The passage is named by its id, or by its ``rank`` among the hits of the question. Ranks are those among the
        passages that the ``filter`` keeps.

        Raises:
            RequestError: as for ``retrieve``; both of id and rank are given, or none.
            UnknownPassageError: there is no such passage, or no hit of this rank.
        """
        check_questions([question])
        condition = None if filter is None else parse(filter)
        row = self._row_of(question, passage_id, rank, SearchBy(retriever, fusion, condition))
        with self._lock:
            explanation = self._retriever(retriever, fusion, condition).explain(question, row)
        passage = self.index.passages[row]
        return replace(
            explanation, passage_id=passage.id, question=question, passage=passage, generation=self.generation
        )

    def embed(self, texts: Sequence[str], *, as_passages: bool = False) -> EmbeddedTexts:
        """Return the vectors of texts as questions, or as passages, and how many of their tokens were read."""
        with self._lock:
            return embed_texts(self.index.resources.encoder(), texts, as_passages)

    def note(self, question: str, retriever: str | None = None) -> str:
        """Return a note if the retriever's encoder does not read the whole question; empty if it does.

        Raises:
            RequestError: the index has no such retriever.
        """
        with self._lock:
            opened_retriever = self._retriever(retriever, None, None)
            tokens = opened_retriever.tokens_read(question)
        return tokens.note("encoder") if tokens else ""

    @overload
    def answer(self, questions: str, **choices: Unpack[AnswerChoices]) -> Answered: ...

    @overload
    def answer(self, questions: Questions, **choices: Unpack[AnswerChoices]) -> list[Answered]: ...

    def answer(
        self,
        questions: str | Questions,
        *,
        k: int = 10,
        n_best: int = 1,
        retriever: str | None = None,
        fusion: Fusion | None = None,
        filter: FilterForm | None = None,
    ) -> Answered | list[Answered]:
        """Retrieve ``k`` passages for a question, or for each, read them, and return at most ``n_best`` answers to it.

        A question without a single hit is not read: its reading has no answer and ``is_answered`` is false.

        Raises:
            RequestError: as for ``retrieve``; ``n_best`` is not in 1..20, or there is no reader.
        """
        condition = None if filter is None else parse(filter)
        if isinstance(questions, str):
            choices = AnswerChoices(k=k, n_best=n_best, retriever=retriever, fusion=fusion, filter=condition)
            return self.answer([questions], **choices)[0]
        self.answering_reader()  # opened before the clock starts
        check_range("n_best", n_best, MAX_N_BEST)
        started = time.perf_counter()
        hits = self.retrieve(questions, k=k, retriever=retriever, fusion=fusion, filter=condition)
        retrieved = time.perf_counter()
        readings = [
            replace(reading, note="; ".join(note for note in (self.note(question, retriever), reading.note) if note))
            for question, reading in zip(questions, self._read(questions, hits, n_best), strict=True)
        ]
        finished = time.perf_counter()
        timings = Timings(_ms(started, retrieved), _ms(retrieved, finished), _ms(started, finished))
        return [
            Answered(question, tuple(of_question), passages_of(of_question), reading, timings, self.generation)
            for question, of_question, reading in zip(questions, hits, readings, strict=True)
        ]

    def _hits(self, questions: Sequence[str], k: int, search: SearchBy) -> list[list[Hit]]:
        """Return the hits of questions that have been checked, with their passages."""
        with self._lock:
            opened_retriever = self._retriever(*search)
            batch = opened_retriever.search(questions, k) if questions else []
        return [self._with_passages(hits) for hits in batch]

    def _retriever(self, name: str | None, fusion: Fusion | None, condition: Filter | None) -> Retriever:
        if not isinstance(name, str | None):
            raise RequestError(f"retriever is {name!r}; give the name of a retriever", field="retriever")
        if isinstance(fusion, PLAIN) and fusion is not None:
            raise RequestError(f"fusion is {fusion!r}; give a dpr.Fusion", field="fusion")
        name = self.default_retriever if name is None else name
        if fusion is None and plain_name(name) == plain_name(self.default_retriever):
            fusion = self.retrieval.fusion
        return self.index.retriever(name, fusion, condition) if condition else self.index.retriever(name, fusion)

    def _row_of(self, question: str, passage_id: str | None, rank: int | None, search: SearchBy) -> int:
        if (passage_id is None) == (rank is None):
            raise RequestError("a passage is explained by its id or by its rank; give one of the two", "passage_id")
        if rank is None:
            if not isinstance(passage_id, str | None):
                raise RequestError(f"passage_id is {passage_id!r}; give the id, which is a string", "passage_id")
            return row_of(self.index.passages, passage_id or "")
        check_range("rank", rank, MAX_K)
        hits = self.retrieve(
            question, k=rank, retriever=search.retriever, fusion=search.fusion, filter=search.condition
        )
        check_rank(rank, len(hits))
        return hits[rank - 1].row

    def _with_passages(self, hits: Sequence[Hit]) -> list[Hit]:
        passages = self.index.passages.get([hit.row for hit in hits])
        return [replace(hit, passage=passage) for hit, passage in zip(hits, passages, strict=True)]

    def _read(self, questions: Sequence[str], hits: Sequence[Sequence[Hit]], n_best: int) -> list[Reading]:
        """Read the questions that have passages in one batch; questions without passages get an empty reading."""
        readings = [Reading()] * len(questions)
        readable = [row for row, of_question in enumerate(hits) if of_question]
        batch = [candidates_of(questions[row], hits[row]) for row in readable]
        reader = self.generator or self._local
        for row, reading in zip(readable, reader.read(batch, n_best) if reader and batch else [], strict=True):
            readings[row] = reading
        return readings


def _ms(start: float, end: float) -> float:
    return (end - start) * 1000
