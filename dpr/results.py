"""The results of questions: passages, hits, answers. Each has a one-line ``repr`` and a ``to_dict`` of JSON values.

The JSON values of a result are those of the HTTP interface (`service.schemas`) and of ``--json``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from dpr.metadata import Metadata, json_metadata

SHOWN_CHARACTERS = 60
"""Characters of a text in the ``repr`` of a result."""


def one_line(name: str, **values: object) -> str:
    """Return ``name(key=value, …)`` in one line; long texts are cut."""
    return f"{name}({', '.join(f'{key}={_shortened(value)}' for key, value in values.items())})"


def _shortened(value: object) -> str:
    if isinstance(value, str):
        line = value.replace("\n", " ")
        return repr(line if len(line) <= SHOWN_CHARACTERS else line[: SHOWN_CHARACTERS - 1] + "…")
    return f"{value:.4g}" if isinstance(value, float) else repr(value)


@dataclass(frozen=True, slots=True, repr=False)
class Passage:
    """A piece of text that can be retrieved; ``document[start:end] == text`` of the document it was cut from.

    ``metadata`` holds its further fields by name: strings, numbers, booleans, dates, times and lists of strings.
    """

    id: str
    text: str
    title: str = ""
    document_id: str = ""
    start: int = 0
    metadata: Metadata = field(default_factory=dict, hash=False)

    @property
    def end(self) -> int:
        """Offset of the passage's end in its source document."""
        return self.start + len(self.text)

    def titled(self, separator: str = "\n") -> str:
        """Return the title, if there is one, and the text after it."""
        return f"{self.title}{separator}{self.text}" if self.title else self.text

    def __repr__(self) -> str:
        title = {"title": self.title} if self.title else {}
        return one_line("Passage", id=self.id, **title, text=self.text)

    def to_dict(self) -> dict[str, object]:
        """Return the passage as JSON values."""
        return {
            "id": self.id,
            "title": self.title,
            "text": self.text,
            "document_id": self.document_id,
            "start": self.start,
            "end": self.end,
            "metadata": json_metadata(self.metadata),
        }


@dataclass(frozen=True, slots=True)
class ListScore:
    """The rank and score of a hit in one list, and its contribution to the fused score.

    ``rank`` and ``score`` are None if the passage is not in the list; its ``contribution`` then follows the
    missing-document rule of the fusion.
    """

    rank: int | None
    score: float | None
    contribution: float

    def to_dict(self) -> dict[str, float | None]:
        """Return the three as JSON values."""
        return {"rank": self.rank, "score": self.score, "contribution": self.contribution}


@dataclass(frozen=True, slots=True)
class Weighing:
    """The weights of the lists for a question, and the coverage behind them.

    ``coverage`` is the share of the question that a list's best hit covers, 0 to 1, for the lists that measure it.
    """

    weights: Mapping[str, float]
    coverage: Mapping[str, float]

    def to_dict(self) -> dict[str, object]:
        """Return the weights and coverages as JSON values."""
        return {"weights": dict(self.weights), "coverage": dict(self.coverage)}


@dataclass(frozen=True, slots=True)
class PassageWindow:
    """The window ``passage.text[start:end]`` of a long passage, which has its own vector."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class FirstStage:
    """Rank and score of a hit before reranking, and the reranker's score; None for a hit beyond the rerank depth."""

    rank: int
    score: float
    reranker_score: float | None


@dataclass(frozen=True, slots=True, repr=False)
class Hit:
    """One retrieved passage, with its rank and score in every list.

    ``weighing`` is the question's, the same for all of its hits; None without fusion. ``window`` is the window of a
    long passage that the dense list matched; None without a match. ``first_stage`` is None without reranking; with it,
    the contributions of the lists add up to the first-stage score. ``passage`` is set by `dpr.pipeline.QA`; a retriever
    only sets its ``row``.
    """

    row: int
    passage_id: str
    rank: int
    score: float
    lists: Mapping[str, ListScore]
    weighing: Weighing | None = None
    window: PassageWindow | None = None
    passage: Passage | None = None
    first_stage: FirstStage | None = None

    @property
    def text(self) -> str:
        """The passage's text; empty in a retriever's hit, which has no passage."""
        return self.passage.text if self.passage else ""

    @property
    def title(self) -> str:
        """The passage's title; empty if it has none."""
        return self.passage.title if self.passage else ""

    def __repr__(self) -> str:
        text = {"text": self.text} if self.passage else {}
        return one_line("Hit", rank=self.rank, score=self.score, passage_id=self.passage_id, **text)

    def to_dict(self) -> dict[str, object]:
        """Return the hit as JSON values, without the weighing, which belongs to the question."""
        return {
            "rank": self.rank,
            "score": self.score,
            "passage": self.passage.to_dict() if self.passage else {"id": self.passage_id},
            "lists": {name: score.to_dict() for name, score in self.lists.items()},
            "window": {"start": self.window.start, "end": self.window.end} if self.window else None,
            "first_stage": asdict(self.first_stage) if self.first_stage else None,
        }


@dataclass(frozen=True, slots=True, repr=False)
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

    def __repr__(self) -> str:
        return one_line(
            "Answer", text=self.text, passage_id=self.passage_id, start=self.start, end=self.end, score=self.score
        )

    def to_dict(self) -> dict[str, object]:
        """Return the answer as JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True, repr=False)
class Reading:
    """A reader's result for one question: its best answers, best first, and whether it accepts the best one.

    ``no_answer_score`` is SQuAD 2.0's difference of null score and span score, of the best answer and in its passage;
    above the reader's threshold, ``is_answered`` is false. ``probability`` is the calibrated probability that the best
    answer is right or nearly right; None if the reader is not calibrated, or read nothing. ``evidence`` has the
    features that the probability is computed from, by name.

    ``text`` is the text of a generative reader, which cites the n-th passage as ``[n]``; ``cited`` holds the ids of the
    cited passages, in the order of their first citation. Both are empty for an extractive reading. ``note`` explains
    what is unusual: why another reader answered, what is wrong with the text, or that the question was not read whole.
    """

    answers: tuple[Answer, ...] = ()
    is_answered: bool = False
    no_answer_score: float = field(default=float("inf"))
    probability: float | None = None
    text: str = ""
    cited: tuple[str, ...] = ()
    note: str = ""
    evidence: Mapping[str, float] = field(default_factory=dict)

    def __repr__(self) -> str:
        return one_line("Reading", **self.summary())

    def summary(self) -> dict[str, object]:
        """Return the values of the ``repr``."""
        text = {"text": self.text} if self.text else {}
        answers = [answer.text for answer in self.answers]
        return {**text, "answers": answers, "is_answered": self.is_answered, "probability": self.probability}


@dataclass(frozen=True, slots=True)
class Timings:
    """Wall times of one call, in milliseconds, shared by all of its questions."""

    retrieve_ms: float
    read_ms: float
    total_ms: float


@dataclass(frozen=True, slots=True, repr=False)
class Answered:
    """The result of one question: its hits, their passages in the same order, and the reading.

    ``error`` is why a server could not read this question of several, whose reading is then empty; None otherwise.
    """

    question: str
    hits: tuple[Hit, ...]
    passages: tuple[Passage, ...]
    reading: Reading
    timings: Timings
    generation: str
    error: Exception | None = None

    @property
    def answers(self) -> tuple[Answer, ...]:
        """The reader's best answers, best first; its best guesses if it accepts none of them."""
        return self.reading.answers

    @property
    def is_answered(self) -> bool:
        """Whether the reader accepts its best answer."""
        return self.reading.is_answered

    @property
    def probability(self) -> float | None:
        """The calibrated probability that the best answer is right or nearly right; None without one."""
        return self.reading.probability

    def __repr__(self) -> str:
        return one_line("Answered", question=self.question, **self.reading.summary())

    def to_dict(self) -> dict[str, object]:
        """Return the result as JSON values, as ``/v1/query`` does."""
        passages, reading = {passage.id: passage for passage in self.passages}, self.reading
        weighing = self.hits[0].weighing if self.hits else None
        evidence_ids = dict.fromkeys([*(answer.passage_id for answer in reading.answers), *reading.cited])
        return {
            "question": self.question,
            "hits": [hit.to_dict() for hit in self.hits],
            "weighing": weighing.to_dict() if weighing else None,
            "is_answered": reading.is_answered,
            "no_answer_score": reading.no_answer_score if math.isfinite(reading.no_answer_score) else None,
            "probability": reading.probability,
            "answers": [_answer_dict(answer, passages[answer.passage_id]) for answer in reading.answers],
            "evidence": [passages[passage_id].to_dict() for passage_id in evidence_ids],
            "text": reading.text or None,
            "cited": list(reading.cited),
            "note": reading.note or None,
            "error": _error_dict(self.error) if self.error else None,
        }


def _error_dict(error: Exception) -> dict[str, object]:
    code = getattr(error, "code", None) or type(error).__name__
    return {"code": code, "message": str(error), "field": getattr(error, "field", None) or None}


def _answer_dict(answer: Answer, passage: Passage) -> dict[str, object]:
    return {
        **answer.to_dict(),
        "document_id": passage.document_id,
        "document_start": passage.start + answer.start,
        "document_end": passage.start + answer.end,
    }
