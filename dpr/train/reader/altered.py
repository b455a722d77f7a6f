"""Questions that a passage only seems to answer: a name or a number of the question is exchanged for another.

"Which team won Super Bowl 50?" becomes "Which team won Super Bowl 49?", over the same passage. SQuAD 2.0's writers did
the same by hand (Rajpurkar et al. 2018, "Know What You Don't Know", table 2: entity swap).
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
    """A name, noun or number of a question: characters ``[start, end)``, and the kind that it is exchanged within."""

    text: str
    start: int
    kind: str

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.start + len(self.text)


def names_of(question: str) -> Iterator[Name]:
    """Yield what a question can be altered by: numbers, runs of capitalized words after the first, Korean stems.

    Numbers are of one kind where the signs around the digits are the same (``0년에``), Korean stems where the particle
    is, so that the altered question stays grammatical.
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
    """Return a share of the questions, each with one name exchanged, so that its passage no longer answers it.

    The name stands in the passage, and is no part of the answer. The other name is of the same kind, from a question
    and passage of the same document, and does not stand in this passage. A question without one is left out.
    """
    chooser = random.Random(seed)  # noqa: S311 - sampling, not secrets
    drawn = [example for example in examples if chooser.random() < share and example.question.answers]
    others: dict[tuple[str, str], dict[str, None]] = {}
    for example in examples:
        for name in names_in_passage(example):
            others.setdefault((example.positives[0].document_id, name.kind), {})[name.text] = None
    pools = {kind: list(texts) for kind, texts in others.items()}
    altered = []
    for example in drawn:
        passage = example.positives[0]
        names = [name for name in names_in_passage(example) if not _is_answer(name, example)]
        chooser.shuffle(names)
        for name in names:
            pool = pools[passage.document_id, name.kind]
            tried = (chooser.choice(pool) for _ in range(_TRIES))
            other = next((text for text in tried if text not in passage.text), None)
            if other is not None:
                text = example.question.text
                question = replace(example.question, text=text[: name.start] + other + text[name.end :], answers=())
                altered.append(Example(question, (passage,), is_impossible=True))
                break
    return altered


def names_in_passage(example: Example) -> list[Name]:
    """Return the names of an example's question that also stand in its passage."""
    return [name for name in names_of(example.question.text) if name.text in example.positives[0].text]


def _is_answer(name: Name, example: Example) -> bool:
    return any(name.text in answer for answer in example.question.answers)
