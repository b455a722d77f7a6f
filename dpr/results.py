"""What questions get: passages, hits, answers. Each shows itself in one line and gives itself as JSON values.

The JSON values of a result are those of the HTTP interface (`service.schemas`) and of ``--json``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

SHOWN_CHARACTERS = 60
"""Characters of a text that a result shows in its one line."""


def one_line(name: str, **values: object) -> str:
    """Return ``name(key=value, …)`` in one line; long texts are cut."""
    return f"{name}({', '.join(f'{key}={_shown(value)}' for key, value in values.items())})"


def _shown(value: object) -> str:
    if isinstance(value, str):
        line = value.replace("\n", " ")
        return repr(line if len(line) <= SHOWN_CHARACTERS else line[: SHOWN_CHARACTERS - 1] + "…")
    return f"{value:.4g}" if isinstance(value, float) else repr(value)


@dataclass(frozen=True, slots=True, repr=False)
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
        }


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

    def to_dict(self) -> dict[str, object]:
        """Return the weights and coverages as JSON values."""
        return {"weights": dict(self.weights), "coverage": dict(self.coverage)}


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


@dataclass(frozen=True, slots=True, repr=False)
class Hit:
    """One retrieved passage, with its rank and score in every list that was asked.

    ``weighing`` is that of the question where lists were fused; all hits of a question have the same. ``window`` is the
    part of a long passage that the dense list matched; None where it matched none. ``first_stage`` is there where hits
    were reranked; what the lists added makes up its score. ``passage`` is there in the hits of `dpr.pipeline.QA`; a
    retriever alone gives the ``row`` of the passage.
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
        """The passage's title; empty where it has none."""
        return self.passage.title if self.passage else ""

    def __repr__(self) -> str:
        text = {"text": self.text} if self.passage else {}
        return one_line("Hit", rank=self.rank, score=self.score, passage_id=self.passage_id, **text)

    def to_dict(self) -> dict[str, object]:
        """Return the hit as JSON values; the weighing, which is the question's, is not among them."""
        return {
            "rank": self.rank,
            "score": self.score,
            "passage": self.passage.to_dict() if self.passage else {"id": self.passage_id},
            "lists": {name: asdict(score) for name, score in self.lists.items()},
            "window": asdict(self.window) if self.window else None,
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

    def __repr__(self) -> str:
        return one_line("Reading", **self.shown())

    def shown(self) -> dict[str, object]:
        """Return the values that a line shows."""
        written = {"text": self.text} if self.text else {}
        answers = [answer.text for answer in self.answers]
        return {**written, "answers": answers, "is_answered": self.is_answered, "probability": self.probability}


@dataclass(frozen=True, slots=True)
class Timings:
    """Wall time in milliseconds of one call, which all of its questions share."""

    retrieve_ms: float
    read_ms: float
    total_ms: float


@dataclass(frozen=True, slots=True, repr=False)
class Answered:
    """All that is known of one question: its hits, their passages in the same order, and the reader's verdict."""

    question: str
    hits: tuple[Hit, ...]
    passages: tuple[Passage, ...]
    reading: Reading
    timings: Timings
    generation: str

    @property
    def answers(self) -> tuple[Answer, ...]:
        """The reader's best answers, best first; its best guesses where it stands by none of them."""
        return self.reading.answers

    @property
    def is_answered(self) -> bool:
        """Whether the reader stands by an answer."""
        return self.reading.is_answered

    @property
    def probability(self) -> float | None:
        """The calibrated probability that the best answer is right or nearly right; None where there is none."""
        return self.reading.probability

    def __repr__(self) -> str:
        return one_line("Answered", question=self.question, **self.reading.shown())

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
        }


def _answer_dict(answer: Answer, passage: Passage) -> dict[str, object]:
    return {
        **answer.to_dict(),
        "document_id": passage.document_id,
        "document_start": passage.start + answer.start,
        "document_end": passage.start + answer.end,
    }
