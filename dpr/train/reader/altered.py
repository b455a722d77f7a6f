"""Altered questions: a name or a number is replaced, so that the passage only seems to answer the question.

"Which team won Super Bowl 50?" becomes "Which team won Super Bowl 49?" with the same passage. The authors of SQuAD 2.0
did the same by hand (Rajpurkar et al. 2018, "Know What You Don't Know", table 2: entity swap).
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from dpr.data.cloze_answers import words_of
from dpr.data.korean_words import PARTICLE
from dpr.types import Example

_DIGITS = re.compile(r"\d+")
_VERB_ENDS = ("하", "되", "있", "없", "않", "시키", "당하")
_TRIES = 8


@dataclass(frozen=True, slots=True)
class Name:
    """A name, noun or number of a question, from character ``start`` on; names of one ``kind`` replace each other."""

    text: str
    start: int
    kind: str

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.start + len(self.text)


def names_of(question: str) -> Iterator[Name]:
    """Yield the names of a question: numbers, runs of capitalized words after the first word, Korean stems.

    Numbers with the same characters around the digits (``0년에``) are of one kind, and so are Korean stems with the
    same particle, so that an altered question stays grammatical.
    """
    words = words_of(question, 0, len(question))
    for is_capitalized, group in itertools.groupby(words[1:], lambda word: word.text[0].isupper()):
        run = list(group)
        if is_capitalized:
            yield Name(question[run[0].start : run[-1].end], run[0].start, "capitalized")
    for word in words:
        stem = PARTICLE.sub("", word.text)
        if _DIGITS.search(word.text):
            yield Name(word.text, word.start, _DIGITS.sub("0", word.text))
        elif len(stem) < len(word.text) and not stem.endswith(_VERB_ENDS):
            yield Name(stem, word.start, word.text[len(stem) :])


def alter_questions(examples: Sequence[Example], share: float, seed: int) -> list[Example]:
    """Return a share of the questions, each with one name replaced, so that its passage no longer answers it.

    The name occurs in the passage and not in the answer. Its replacement is of the same kind, comes from a question and
    passage of the same document, and does not occur in this passage. Questions without such a name are dropped.
    """
    chooser = random.Random(seed)  # noqa: S311 - sampling, not secrets
    sampled = [example for example in examples if chooser.random() < share and example.question.answers]
    names_by_kind: dict[tuple[str, str], dict[str, None]] = {}
    for example in examples:
        for name in names_in_passage(example):
            names_by_kind.setdefault((example.positives[0].document_id, name.kind), {})[name.text] = None
    pools = {kind: list(texts) for kind, texts in names_by_kind.items()}
    altered = []
    for example in sampled:
        passage = example.positives[0]
        answers = example.question.answers
        names = [name for name in names_in_passage(example) if not any(name.text in answer for answer in answers)]
        chooser.shuffle(names)
        for name in names:
            pool = pools[passage.document_id, name.kind]
            candidates = (chooser.choice(pool) for _ in range(_TRIES))
            replacement = next((text for text in candidates if text not in passage.text), None)
            if replacement is not None:
                text = example.question.text
                text = text[: name.start] + replacement + text[name.end :]
                question = replace(example.question, text=text, answers=())
                altered.append(Example(question, (passage,), is_impossible=True))
                break
    return altered


def names_in_passage(example: Example) -> list[Name]:
    """Return the names of an example's question that occur in its passage."""
    return [name for name in names_of(example.question.text) if name.text in example.positives[0].text]
