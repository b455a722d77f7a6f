"""What flows between the rooms: plain frozen data, and the Protocols that rooms offer each other.

Conventions, everywhere in this project:

* a *row* is a passage's position in an index generation, from 0; a *rank* is a place in a result list, from 1;
* a higher score is better, and equal scores are ordered by passage id;
* text offsets count Unicode code points, the end is exclusive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
DoubleArray = npt.NDArray[np.float64]

Progress = Callable[[str, int, int | None], None]
"""Called with a stage's name, the units done so far and their total (None: unknown)."""


def no_progress(stage: str, done: int, total: int | None) -> None:
    """The Progress that shows nothing."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of text that can be retrieved; ``document[start:end] == text`` of the document it was cut from."""

    id: str
    text: str
    title: str = ""
    document_id: str = ""
    start: int = 0

    @property
    def end(self) -> int:
        """Offset of the passage's end in its source document."""
        return self.start + len(self.text)


@dataclass(frozen=True, slots=True)
class Question:
    """A question and its gold answers; no answers means unanswerable, or not known."""

    id: str
    text: str
    answers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Example:
    """A question with its labelled passages: a row of a training set or of an evaluation set.

    ``answer_starts`` holds, for each of ``question.answers``, its offset in the text of the first positive
    passage; it is empty where the source does not say. ``grades`` are the relevance grades of the positives
    (all 1 when empty). An unanswerable question (SQuAD 2.0) has a positive passage, no answers and
    ``is_impossible``.

    ``absent_positives`` are the ids and grades of relevant passages of which the data set has no text: no system can
    find them, and metrics count them all the same. ``excluded_ids`` are passages that count neither as right nor as
    wrong for this question and are left out of its hits: in BEIR's data sets, the question itself where it is a
    document too.
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

    ``windows`` (Q, k, 2): start and end of the window that gave a passage its score, -1 for one that has no windows.
    ``coverage`` (Q,): how much of each question its best row covers, 0 to 1; None for a list that does not measure it.
    """

    rows: IntArray
    scores: FloatArray
    windows: IntArray | None = None
    coverage: DoubleArray | None = None


@dataclass(frozen=True, slots=True)
class ListScore:
    """What one result list says of a hit, and what fusion made of it.

    ``rank`` and ``score`` are None where the list does not hold the passage; ``contribution`` is what the list
    added to the hit's final score all the same (the missing-document rule of the fusion).
    """

    rank: int | None
    score: float | None
    contribution: float


@dataclass(frozen=True, slots=True)
class Weighing:
    """How much each list counted for a question, and why.

    ``coverage`` is the share of the question that a list's best hit covers, 0 to 1, for the lists that measure it.
    """

    weights: Mapping[str, float]
    coverage: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class PassageWindow:
    """The part ``passage.text[start:end]`` of a long passage, which has a vector of its own."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class FirstStage:
    """What a hit was before reranking, and the reranker's score; None for a hit that the reranker did not read."""

    rank: int
    score: float
    reranker_score: float | None


@dataclass(frozen=True, slots=True)
class Hit:
    """One retrieved passage, with its rank and score in every list that was asked.

    ``weighing`` is that of the question where lists were fused; all hits of a question have the same. ``window`` is the
    part of a long passage that the dense list matched; None where it matched none. ``first_stage`` is there where hits
    were reranked; what the lists added makes up its score.
    """

    row: int
    passage_id: str
    rank: int
    score: float
    lists: Mapping[str, ListScore]
    weighing: Weighing | None = None
    window: PassageWindow | None = None
    first_stage: FirstStage | None = None


@dataclass(frozen=True, slots=True)
class Candidates:
    """What a reader reads: a question, its retrieved passages and their retrieval scores, best first.

    ``windows`` are the hits' windows, or none at all; a reader that cannot read a passage whole begins there.
    """

    question: str
    passages: tuple[Passage, ...]
    scores: tuple[float, ...]
    windows: tuple[PassageWindow | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """A span of a passage: ``passage.text[start:end] == text``.

    ``score`` orders answers across passages: the span's score over the null score, plus the weighted retrieval
    score. ``span_score`` and ``null_score`` are the reader's own (sums of a start and an end logit).
    """

    text: str
    passage_id: str
    start: int
    end: int
    score: float
    span_score: float
    null_score: float


@dataclass(frozen=True, slots=True)
class Reading:
    """A reader's verdict on one question: its best answers, best first, and whether it stands by none of them.

    ``no_answer_score`` is SQuAD 2.0's difference of null score and span score, of the best answer and in its passage;
    above the reader's threshold, ``is_answered`` is false. ``probability`` is the calibrated probability that the best
    answer is right or nearly right; None where the reader was not calibrated, or read nothing. ``evidence`` has the
    features that the probability is computed from, by name.

    ``text`` is what a generative reader wrote, in which ``[n]`` stands for the n-th passage, and ``cited`` the ids of
    the passages it stands by, in the order of their first citation; both are empty for an extractive reading. ``note``
    says what is unusual: why another reader answered, what is wrong with the text, or how much of the question was not
    read; empty where nothing is.
    """

    answers: tuple[Answer, ...] = ()
    is_answered: bool = False
    no_answer_score: float = field(default=float("inf"))
    probability: float | None = None
    text: str = ""
    cited: tuple[str, ...] = ()
    note: str = ""
    evidence: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EncoderOptions:
    """Options that override what an encoder's files say; None keeps what they say.

    A prompt is put before every question, or passage. Vectors are cut to their first ``dimension`` numbers.
    """

    question_prompt: str | None = None
    passage_prompt: str | None = None
    dimension: int | None = None


class Encoder(Protocol):
    """BERT_q and BERT_p: questions and passages to vectors of one space."""

    @property
    def name(self) -> str:
        """Directory or hub name, as it is written into an index."""

    @property
    def fingerprint(self) -> str:
        """Hash of all that shapes the vectors of passages: weights, tokenizer, pooling, prompts, their length."""

    @property
    def dimension(self) -> int:
        """Length of a vector."""

    @property
    def question_prompt(self) -> str:
        """Text put before every question."""

    @property
    def passage_prompt(self) -> str:
        """Text put before every passage."""

    def encode_questions(self, questions: Sequence[str]) -> FloatArray:
        """Return the vectors of questions, (Q, D)."""

    def encode_passages(self, passages: Sequence[Passage], progress: Progress = no_progress) -> FloatArray:
        """Return the vectors of passages, (P, D), in the order given."""


@dataclass(frozen=True, slots=True)
class QuestionWords:
    """The terms of a question, and those of its words that passages may spell in another way.

    Attributes:
        terms: the question's terms, repeats included.
        pairs: the terms of two neighbouring words, and the term of the joined word: ``data``, ``base``, ``databas``.
        words: the words that a passage may write as two words, by their terms.
    """

    terms: list[str]
    pairs: tuple[tuple[str, str, str], ...] = ()
    words: Mapping[str, str] = field(default_factory=dict)


class Analyzer(Protocol):
    """Text to the terms that a sparse index counts."""

    @property
    def name(self) -> str:
        """Name in the registry, recorded in an index."""

    @property
    def version(self) -> str:
        """Changes whenever the terms of some text change; recorded in an index."""

    def terms(self, text: str) -> list[str]:
        """Return a passage's terms, in any order, repeats included."""

    def batch(self, texts: Iterable[str]) -> Iterator[list[str]]:
        """Yield the terms of each passage, in order; may work ahead and in parallel."""

    def questions(self, texts: Iterable[str]) -> Iterator[QuestionWords]:
        """Yield the terms and spellings of each question, in order; may work ahead and in parallel."""

    def halves(self, word: str) -> list[tuple[str, ...]]:
        """Return the terms of each way to split a word in two; empty where the analyzer splits no words."""


class VectorIndex(Protocol):
    """Search by inner product over P vectors."""

    def search(self, questions: FloatArray, k: int) -> TopK:
        """Return the k rows of highest inner product for question vectors (Q, D)."""


class SparseIndex(Protocol):
    """Search by weighted terms over P passages; only passages that share a term with the question are hits."""

    def search(self, questions: Sequence[Sequence[str]], k: int) -> TopK:
        """Return the k best rows for each question, given as its terms."""

    def frequencies(self, terms: Sequence[str]) -> IntArray:
        """Return the number of passages that have each term, (terms,)."""

    def coverage(self, questions: Sequence[Sequence[str]], rows: IntArray) -> DoubleArray:
        """Return how much of each question, given as its terms, the passage of its row covers, (Q,)."""


class Reader(Protocol):
    """Machine reading comprehension over retrieved passages."""

    @property
    def name(self) -> str:
        """Directory or hub name."""

    def read(self, batch: Sequence[Candidates], n_best: int = 1) -> list[Reading]:
        """Return, for each question, at most ``n_best`` answers over all its passages."""
