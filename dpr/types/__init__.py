"""The types that the packages exchange: frozen dataclasses and Protocols.

Passages, hits and answers, which callers see, are in `dpr.results`; packages import them from here.

Conventions of this project:

* a *row* is a passage's position in an index generation, from 0; a *rank* is a position in a result list, from 1;
* a higher score is better, and equal scores are ordered by passage id;
* text offsets count Unicode code points, the end is exclusive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from dpr.results import Answer as Answer
from dpr.results import FirstStage as FirstStage
from dpr.results import Hit as Hit
from dpr.results import ListScore as ListScore
from dpr.results import Passage as Passage
from dpr.results import PassageWindow as PassageWindow
from dpr.results import Reading as Reading
from dpr.results import Weighing as Weighing
from dpr.types.arrays import BoolArray as BoolArray
from dpr.types.arrays import DoubleArray as DoubleArray
from dpr.types.arrays import FloatArray as FloatArray
from dpr.types.arrays import Int32Array as Int32Array
from dpr.types.arrays import IntArray as IntArray
from dpr.types.arrays import RankArray as RankArray
from dpr.types.arrays import WindowArray as WindowArray
from dpr.types.explanation import Explanation as Explanation
from dpr.types.explanation import FusedValue as FusedValue
from dpr.types.explanation import FusionRule as FusionRule
from dpr.types.explanation import ListExplanation as ListExplanation
from dpr.types.explanation import TermShare as TermShare
from dpr.types.indexes import PassagePool as PassagePool
from dpr.types.indexes import PassageRows as PassageRows
from dpr.types.indexes import PassageVectors as PassageVectors
from dpr.types.indexes import SparseIndex as SparseIndex
from dpr.types.indexes import VectorIndex as VectorIndex
from dpr.types.learned import HalfArray as HalfArray
from dpr.types.learned import LearnedEncoder as LearnedEncoder
from dpr.types.learned import QuestionEncoder as QuestionEncoder
from dpr.types.learned import TermWeights as TermWeights
from dpr.types.learned import TokenVectors as TokenVectors
from dpr.value_types import check_fields

Progress = Callable[[str, int, int | None], None]
"""Called with the name of a stage, the number of completed units and their total (None: unknown)."""


def no_progress(stage: str, completed: int, total: int | None) -> None:
    """A `Progress` that does nothing."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question and its gold answers; none means unanswerable, or unknown."""

    id: str
    text: str
    answers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Example:
    """A question with its labelled passages: a row of a training set or of an evaluation set.

    ``answer_starts`` are the offsets of ``question.answers`` in the text of the first positive passage; empty if the
    source has none. ``grades`` are the relevance grades of the positives (empty: all 1). An unanswerable question
    (SQuAD 2.0) has a positive passage, no answers and ``is_impossible``.

    ``absent_positives`` are the ids and grades of relevant passages without a text in the data set: no system can find
    them, but metrics count them. ``excluded_ids`` are passages that count neither as relevant nor as irrelevant for
    this question and are removed from its hits: in BEIR, the question itself if it is also a document.
    """

    question: Question
    positives: tuple[Passage, ...]
    negatives: tuple[Passage, ...] = ()
    answer_starts: tuple[int, ...] = ()
    grades: tuple[int, ...] = ()
    is_impossible: bool = False
    absent_positives: tuple[tuple[str, int], ...] = ()
    excluded_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TopK:
    """The best rows for each of Q questions: ``rows`` (Q, k) padded with -1, ``scores`` (Q, k) padded with -inf.

    ``windows`` (Q, k, 2): start and end of the best window of a passage, -1 for a passage without windows.
    ``coverage`` (Q,): share of each question that its best row covers, 0 to 1; None if the list does not measure it.
    """

    rows: IntArray
    scores: FloatArray
    windows: IntArray | None = None
    coverage: DoubleArray | None = None


@dataclass(frozen=True, slots=True)
class Candidates:
    """The input of a reader: a question, its retrieved passages and their retrieval scores, best first.

    ``windows`` are the windows of the hits, or empty; a reader that cannot read a whole passage begins there.
    """

    question: str
    passages: tuple[Passage, ...]
    scores: tuple[float, ...]
    windows: tuple[PassageWindow | None, ...] = ()


@dataclass(frozen=True, slots=True)
class EncoderOptions:
    """Options that override the settings in an encoder's files; None keeps those.

    A prompt precedes every question, or passage. Vectors are cut to their first ``dimension`` numbers.
    """

    question_prompt: str | None = None
    passage_prompt: str | None = None
    dimension: int | None = None

    def __post_init__(self) -> None:
        check_fields(self)


class Encoder(QuestionEncoder[FloatArray], Protocol):
    """BERT_q and BERT_p: they encode questions and passages as vectors of one space, (N, D).

    The fingerprint is that of weights, tokenizer, pooling, prompts and length.
    """

    @property
    def question_prompt(self) -> str:
        """Text put before every question."""

    @property
    def passage_prompt(self) -> str:
        """Text put before every passage."""

    def encode_passages(self, passages: Sequence[Passage], progress: Progress = no_progress) -> FloatArray:
        """Return the vectors of passages, (P, D), in their order."""


@dataclass(frozen=True, slots=True)
class QuestionWords:
    """The terms of a question, and its words that passages may spell in another way.

    Attributes:
        terms: the question's terms, with repeats.
        pairs: the terms of two neighbouring words, and the term of the joined word: ``data``, ``base``, ``databas``.
        words: words that a passage may write as two words, by their terms.
    """

    terms: list[str]
    pairs: tuple[tuple[str, str, str], ...] = ()
    words: Mapping[str, str] = field(default_factory=dict)


class Analyzer(Protocol):
    """Makes the terms of a text for a sparse index."""

    @property
    def name(self) -> str:
        """Name in the registry, recorded in an index."""

    @property
    def version(self) -> str:
        """Changes whenever the terms of a text change; recorded in an index."""

    def terms(self, text: str) -> list[str]:
        """Return a passage's terms, in any order, with repeats."""

    def batch(self, texts: Iterable[str]) -> Iterator[list[str]]:
        """Yield the terms of each passage, in order; may work ahead and in parallel."""

    def questions(self, texts: Iterable[str]) -> Iterator[QuestionWords]:
        """Yield the terms and spellings of each question, in order; may work ahead and in parallel."""

    def halves(self, word: str) -> list[tuple[str, ...]]:
        """Return the terms of each way to split a word in two; empty if the analyzer does not split words."""


class Reader(Protocol):
    """Machine reading comprehension over retrieved passages."""

    @property
    def name(self) -> str:
        """Directory or hub name."""

    def read(self, batch: Sequence[Candidates], n_best: int = 1) -> list[Reading]:
        """Return at most ``n_best`` answers of each question over all its passages."""


@runtime_checkable
class ReadsWindows(Protocol):
    """A reader that cuts passages of any length into windows, which can be read in several batches."""

    def windows(self, batch: Sequence[Candidates]) -> Sequence[Sequence[Sized]]:
        """Return the windows of each question over its passages; the length of one is its number of tokens."""

    def read_windows(self, windows: Sequence[Any]) -> Sequence[Any]:
        """Return what each window says; it does not depend on other windows."""

    def reading(self, item: Candidates, read: Sequence[Any], n_best: int = 1) -> Reading:
        """Return the reading of a question from what was read in its windows, in their order."""


@runtime_checkable
class ReadsEach(Protocol):
    """A reader that can fail on one question of a batch and read the others."""

    def read_each(self, batch: Sequence[Candidates], n_best: int = 1) -> list[Reading | Exception]:
        """Return the reading of each question, or its error."""


@runtime_checkable
class WritesText(Protocol):
    """A reader that writes its answers piece by piece."""

    def stream(self, candidates: Candidates, n_best: int = 1) -> Iterator[str | Reading]:
        """Yield the text as it is written, and finally the reading."""
