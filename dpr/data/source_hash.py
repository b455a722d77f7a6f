"""The hash of a set of questions, by which a training's record names what it was trained on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from dpr.types import Example


def source_hash(examples: Iterable[Example]) -> str:
    """Return a hash of questions, answers, answer offsets, and the ids of passages and excluded passages."""
    digest = hashlib.sha256()
    for example in examples:
        passages = " ".join(passage.id for passage in (*example.positives, *example.negatives))
        question = (example.question.id, example.question.text, *example.question.answers, *example.answer_starts)
        excluded = "".join(f"\t-{identity}" for identity in example.excluded_ids)
        digest.update(("\t".join(map(str, question)) + f"\t{passages}{excluded}\n").encode())
    return digest.hexdigest()
