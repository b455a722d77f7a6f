"""Questions made of passages: a sentence's words, as what finds the passage that it stands in.

The inverse cloze task (Lee et al. 2019, "Latent retrieval for weakly supervised open domain question answering",
section 4) for a language or a domain that has text but few questions. The sentence stays in its passage, as most words
of a real question do, but the question keeps only some of its words, bare of many of their particles.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dpr.data.chunk import chunk
from dpr.data.identity import content_id
from dpr.data.sentences import sentence_spans
from dpr.errors import ConfigError
from dpr.types import Example, Passage, Question

_PARTICLE = re.compile(
    r"(?<=[\uac00-\ud7a3]{2})(?:은|는|이|가|을|를|의|에|에서|에게|으로|로|와|과|도|만|까지|부터|이다|하다|한다|했다|하였다)$"
)
_MAX_WORDS = 14
_MIN_WORDS = 3


@dataclass(frozen=True, slots=True)
class Cloze:
    """How questions are made.

    A passage is cut into windows of at most ``window`` characters (0: it stays whole), and each gives ``questions``. A
    question keeps a random share of a sentence's words, between ``least_kept`` and ``most_kept``; a kept Korean word
    loses its particle in a share ``bare`` of cases; ``shuffled`` of the questions lose their word order, and ``titled``
    of them begin with the passage's title.
    """

    window: int = 300
    questions: int = 2
    least_kept: float = 0.35
    most_kept: float = 0.95
    bare: float = 0.4
    shuffled: float = 0.3
    titled: float = 0.2
    seed: int = 1

    def __post_init__(self) -> None:
        if self.questions < 1 or self.window < 0:
            raise ConfigError("questions must be at least 1 and window at least 0")
        shares = (self.least_kept, self.most_kept, self.bare, self.shuffled, self.titled)
        if not all(0 <= share <= 1 for share in shares) or self.least_kept > self.most_kept:
            raise ConfigError("least_kept, most_kept, bare, shuffled and titled are shares between 0 and 1, in order")


def cloze_examples(passages: Iterable[Passage], cloze: Cloze) -> Iterator[Example]:
    """Yield questions made of passages, the same for the same seed; a window of too few words gives none.

    A window is a passage of its own: its id is made from its text, its document is the passage that it is of.
    """
    choice = random.Random(cloze.seed)  # noqa: S311 - sampling, not secrets
    for passage in passages:
        for window in _windows(passage, cloze.window):
            for number in range(cloze.questions):
                question = _question(window, cloze, choice)
                if question:
                    yield Example(Question(f"{window.id}-{number}", question), (window,))


def _windows(passage: Passage, size: int) -> Iterator[Passage]:
    if not size or len(passage.text) <= size:
        yield passage
        return
    for piece in chunk(passage, size, 0, len):
        yield Passage(content_id(piece.text), piece.text, piece.title, passage.document_id or passage.id, piece.start)


def _question(window: Passage, cloze: Cloze, choice: random.Random) -> str:
    sentences = [window.text[start:end] for start, end in sentence_spans(window.text)]
    words = choice.choice(sentences).split() if sentences else []
    if len(words) < _MIN_WORDS:
        return ""
    first = choice.randrange(max(1, len(words) - _MAX_WORDS + 1))
    words = words[first : first + _MAX_WORDS]
    share = choice.uniform(cloze.least_kept, cloze.most_kept)
    kept = [word for word in words if choice.random() < share]
    if len(kept) < _MIN_WORDS:
        kept = words[:_MIN_WORDS]
    asked = [_PARTICLE.sub("", word) if choice.random() < cloze.bare else word for word in kept]
    if choice.random() < cloze.shuffled:
        choice.shuffle(asked)
    if window.title and choice.random() < cloze.titled:
        asked.insert(0, window.title)
    return " ".join(asked)


def joined_lines(lines: Iterable[str], size: int) -> Iterator[Passage]:
    """Yield passages of consecutive lines, each of at least ``size`` characters except the last."""
    held: list[str] = []
    for line in lines:
        held.append(line)
        if sum(map(len, held)) >= size:
            yield _joined(held)
            held = []
    if held:
        yield _joined(held)


def _joined(lines: list[str]) -> Passage:
    text = " ".join(lines)
    return Passage(content_id(text), text)
