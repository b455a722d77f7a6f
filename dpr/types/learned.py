"""What the models of learned lists make of texts: weighted terms (learned sparse), or a vector for each token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from dpr.types.arrays import BoolArray, FloatArray, Int32Array, IntArray

if TYPE_CHECKING:
    from dpr.types import Passage

HalfArray = npt.NDArray[np.float16]

Encoded_co = TypeVar("Encoded_co", covariant=True)


@dataclass(frozen=True, slots=True, eq=False)
class TermWeights:
    """The weighted terms of N texts; a term is a number of the model's vocabulary.

    Attributes:
        starts: where the terms of each text start, and where the last one's end, (N + 1,) int64.
        terms: the terms of each text, ascending, (n,) int32.
        weights: their weights, all above 0, (n,) float32.
        is_cut: which texts are longer than the model reads, (N,).
    """

    starts: IntArray
    terms: Int32Array
    weights: FloatArray
    is_cut: BoolArray

    def __len__(self) -> int:
        return len(self.starts) - 1


@dataclass(frozen=True, slots=True, eq=False)
class TokenVectors:
    """The token vectors of N texts.

    Attributes:
        starts: where the vectors of each text start, and where the last one's end, (N + 1,) int64.
        vectors: a vector of length 1 for each token, (n, D).
        is_cut: which texts are longer than the model reads, (N,).
    """

    starts: IntArray
    vectors: FloatArray
    is_cut: BoolArray

    def __len__(self) -> int:
        return len(self.starts) - 1


class QuestionEncoder(Protocol[Encoded_co]):
    """A model that makes of questions what a list is searched with."""

    @property
    def name(self) -> str:
        """Directory or hub name, as recorded in an index."""

    @property
    def fingerprint(self) -> str:
        """Hash of everything that determines what is made of a passage."""

    @property
    def dimension(self) -> int:
        """The length of a vector, or the number of terms of the vocabulary."""

    def encode_questions(self, questions: Sequence[str]) -> Encoded_co:
        """Return what the list is searched with for each question."""


class LearnedEncoder(QuestionEncoder[Encoded_co], Protocol[Encoded_co]):
    """The model of a learned list: it encodes questions and passages for it."""

    def encode_passages(self, passages: Sequence[Passage]) -> Encoded_co:
        """Return what the list holds of each passage, in their order."""
