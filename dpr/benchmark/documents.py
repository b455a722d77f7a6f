"""The documents of questions. Questions about one document are not independent: documents are drawn as a whole."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dpr.data.split import article_of
from dpr.types import Example, IntArray


def document_of(example: Example) -> str:
    """Return the document of a question's first gold passage; empty if the data set has no gold passage of it."""
    return article_of(example.positives[0]) if example.positives else ""


def document_names(examples: Sequence[Example]) -> list[str]:
    """Return the document of each question; a question without a gold passage is one of its own."""
    return [document_of(example) or example.question.id for example in examples]


def document_groups(examples: Sequence[Example]) -> IntArray | None:
    """Number the documents of questions, (Q,); None if each question has its own, or all share one."""
    return document_numbers(document_names(examples))


def document_numbers(names: Sequence[str]) -> IntArray | None:
    """Number the documents of questions by their names, (Q,); None if each question has its own, or all share one."""
    numbers: IntArray = np.unique(names, return_inverse=True)[1].astype(np.int64)
    return numbers if len(names) and 1 < numbers.max() + 1 < len(names) else None
