"""Inspection of an encoder: a text's tokens, similarities, and the ranks of gold passages.

Two encoders, before and after training, can be compared on the same questions and passages.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from dpr.errors import ConfigError, DataError
from dpr.evaluation.ranks import gold_ranks, rank_metrics
from dpr.types import Encoder, Example, FloatArray, Passage, Progress, Question, no_progress

MAX_QUESTIONS = 50


@dataclass(frozen=True, slots=True)
class Token:
    """A token of a text; it is unknown if the vocabulary lacks it."""

    text: str
    id: int
    is_unknown: bool


def tokens_of(tokenizer: Any, text: str) -> tuple[Token, ...]:
    """Return all tokens of a text as BERT_q sees them, special tokens included, not cut to a length."""
    ids = tokenizer(text, verbose=False)["input_ids"]
    pieces = tokenizer.convert_ids_to_tokens(ids)
    return tuple(Token(piece, id_, id_ == tokenizer.unk_token_id) for piece, id_ in zip(pieces, ids, strict=True))


@dataclass(frozen=True, slots=True)
class Sample:
    """N questions and the pool of P passages; ``golds`` are the rows of each question's gold passages.

    ``excluded`` are the rows that count neither as right nor as wrong for it (``excluded_ids`` of `Example`).
    """

    questions: tuple[Question, ...]
    pool: tuple[Passage, ...]
    golds: tuple[tuple[int, ...], ...]
    excluded: tuple[tuple[int, ...], ...] = ()

    def gold(self, number: int) -> Passage:
        """Return the first gold passage of a question."""
        return self.pool[self.golds[number][0]]

    @classmethod
    def from_texts(cls, texts: Sequence[str]) -> Sample:
        """Use each text as a question and as its own gold passage."""
        names = [str(number) for number in range(1, len(texts) + 1)]
        return cls(
            questions=tuple(Question(name, text) for name, text in zip(names, texts, strict=True)),
            pool=tuple(Passage(name, text) for name, text in zip(names, texts, strict=True)),
            golds=tuple((row,) for row in range(len(texts))),
        )

    @classmethod
    def from_examples(cls, examples: Iterable[Example], count: int, pool: int) -> Sample:
        """Use the first ``pool`` passages of the examples, and questions spread evenly over them.

        Only the first question of each gold passage is used.

        Raises:
            ConfigError: ``count`` or ``pool`` is out of range.
            DataError: no question has a gold passage.
        """
        if not 1 <= count <= MAX_QUESTIONS or pool < count:
            raise ConfigError(
                f"{count} questions and a pool of {pool} passages are requested; choose 1 to {MAX_QUESTIONS} questions "
                "and at least as many passages"
            )
        candidates, passages = _within_pool(examples, pool)
        if not candidates:
            raise DataError("no question has a gold passage; choose a source of questions with gold passages")
        row_of = {passage_id: row for row, passage_id in enumerate(passages)}
        sample = [
            candidates[number]
            for number in np.linspace(0, len(candidates) - 1, min(count, len(candidates))).round().astype(int)
        ]
        return cls(
            questions=tuple(example.question for example in sample),
            pool=tuple(passages.values()),
            golds=tuple(
                tuple(row_of[passage.id] for passage in example.positives if passage.id in row_of) for example in sample
            ),
            excluded=tuple(
                tuple(row_of[name] for name in example.excluded_ids if name in row_of) for example in sample
            ),
        )


def _within_pool(examples: Iterable[Example], size: int) -> tuple[list[Example], dict[str, Passage]]:
    """Read until the pool is full; return the first question of each gold passage in it, and the pool by id."""
    first: dict[str, Example] = {}
    pool: dict[str, Passage] = {}
    for example in examples:
        for passage in (*example.positives, *example.negatives):
            if len(pool) < size:
                pool.setdefault(passage.id, passage)
        if example.positives and not example.is_impossible and example.positives[0].id in pool:
            first.setdefault(example.positives[0].id, example)
        if len(pool) == size:
            break
    return list(first.values()), pool


@dataclass(frozen=True, slots=True)
class Judgement:
    """One encoder's inner products and cosines (N, N) with the gold passages, and the gold ranks."""

    encoder: str
    products: FloatArray
    cosines: FloatArray
    ranks: tuple[int, ...]
    is_normalized: bool


def judge(encoder: Encoder, sample: Sample, progress: Progress = no_progress) -> Judgement:
    """Encode a sample and return its similarities and ranks.

    A rank counts from 1 over the whole pool, a tie against the gold passage.
    """
    questions = encoder.encode_questions([question.text for question in sample.questions])  # (N, D)
    pool = encoder.encode_passages(sample.pool, progress)  # (P, D)
    golds = pool[[rows[0] for rows in sample.golds]]  # (N, D)
    lengths = [np.linalg.norm(vectors, axis=1) for vectors in (questions, golds)]
    products = questions @ golds.T  # (N, N)
    return Judgement(
        encoder=encoder.name,
        products=products,
        cosines=(products / np.maximum(np.outer(*lengths), np.finfo(np.float32).tiny)).astype(np.float32),
        ranks=tuple(gold_ranks(questions, pool, sample.golds, excluded=sample.excluded).tolist()),
        is_normalized=all(np.allclose(length, 1, atol=1e-2) for length in lengths),
    )


@dataclass(frozen=True, slots=True)
class Inspection:
    """A sample with the judgement of one encoder, or of two: before and after training."""

    sample: Sample
    judgements: dict[str, Judgement]

    @property
    def measure(self) -> str:
        """The measure of the similarities: inner product if no encoder normalizes, else cosine."""
        normalizations = {judgement.is_normalized for judgement in self.judgements.values()}
        return "inner product" if normalizations == {False} else "cosine"

    def similarities(self, when: str) -> FloatArray:
        """Return the matrix (N, N), question by gold passage, of ``before`` or ``after``."""
        judgement = self.judgements[when]
        return judgement.products if self.measure == "inner product" else judgement.cosines

    def gain(self, number: int) -> int | None:
        """Return by how many ranks a question's gold passage rose; None with one encoder."""
        if "before" not in self.judgements:
            return None
        return self.judgements["before"].ranks[number] - self.judgements["after"].ranks[number]

    def as_json(self) -> dict[str, object]:
        """Return everything as dicts, lists, numbers and strings."""
        return {
            "encoders": {when: judgement.encoder for when, judgement in self.judgements.items()},
            "pool": len(self.sample.pool),
            "measure": self.measure,
            "similarities": {
                when: np.round(self.similarities(when).astype(float), 6).tolist() for when in self.judgements
            },
            "metrics": {when: rank_metrics(np.array(judgement.ranks)) for when, judgement in self.judgements.items()},
            "questions": [self._question_json(number) for number in range(len(self.sample.questions))],
        }

    def _question_json(self, number: int) -> dict[str, object]:
        question = self.sample.questions[number]
        return {
            "number": number + 1,
            "id": question.id,
            "question": question.text,
            "gold": asdict(self.sample.gold(number)),
            "ranks": {when: judgement.ranks[number] for when, judgement in self.judgements.items()},
            "gain": self.gain(number),
        }
