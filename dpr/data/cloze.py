"""Questions made of passages: a sentence's words, as what finds the passage that it stands in.

The inverse cloze task (Lee et al. 2019, "Latent retrieval for weakly supervised open domain question answering",
section 4) for a language or a domain that has text but few questions. The sentence stays in its passage, as most words
of a real question do, but the question keeps only some of its words, bare of many of their particles.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dpr.data.chunk import chunk
from dpr.data.cloze_answers import ask_for_phrase, words_of
from dpr.data.identity import content_id, unique_passages
from dpr.data.korean_words import EDGES, PARTICLE
from dpr.data.sentences import sentence_spans
from dpr.errors import ConfigError
from dpr.types import Example, Passage, Question

_MAX_WORDS = 14
_MIN_WORDS = 3
_SHARES = ("least_kept", "most_kept", "bare", "shuffled", "titled")


@dataclass(frozen=True, slots=True)
class Cloze:
    """How questions are made.

    A passage is cut into windows of at most ``window`` characters (0: it stays whole), and each gives ``questions``,
    fewer where they come out alike. A question keeps a random share of a sentence's words, between ``least_kept`` and
    ``most_kept``; a kept Korean word loses its particle in a share ``bare`` of cases; ``shuffled`` of the questions
    lose their word order, and ``titled`` of them begin with the passage's title.

    With ``answers``, a question asks for a phrase of the sentence, which it lacks and which is its answer, for the
    training of readers (`dpr.data.cloze_answers`); ``shuffled`` and ``titled`` then do nothing.

    Raises:
        ConfigError: a number is out of range.
    """

    window: int = 300
    questions: int = 2
    least_kept: float = 0.35
    most_kept: float = 0.95
    bare: float = 0.4
    shuffled: float = 0.3
    titled: float = 0.2
    answers: bool = False
    seed: int = 1

    def __post_init__(self) -> None:
        if self.questions < 1:
            raise ConfigError(f"questions is {self.questions}; make at least 1 of each window")
        if self.window < 0:
            raise ConfigError(f"window is {self.window}; give a number of characters, or 0 for whole passages")
        for name in _SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it is a share, from 0 to 1")
        if self.least_kept > self.most_kept:
            raise ConfigError(f"least_kept is {self.least_kept}; it must not be above most_kept, {self.most_kept}")


def cloze_examples(passages: Iterable[Passage], cloze: Cloze) -> Iterator[Example]:
    """Yield questions made of passages, the same for the same seed; a window without a long enough sentence gives none.

    A passage that is cut becomes windows that are passages of their own: each has an id made from its text, and knows
    its place in the document. A window that was seen before is left out.

    Raises:
        DataError: an id comes again with another text.
    """
    choice = random.Random(cloze.seed)  # noqa: S311 - sampling, not secrets
    for window in unique_passages(window for passage in passages for window in _windows(passage, cloze.window)):
        if cloze.answers:
            yield from _asking_examples(window, cloze, choice)
            continue
        asked = [question for _ in range(cloze.questions) if (question := _question(window, cloze, choice))]
        for number, question in enumerate(dict.fromkeys(asked)):
            yield Example(Question(f"{window.id}-{number}", question), (window,))


def _asking_examples(window: Passage, cloze: Cloze, choice: random.Random) -> Iterator[Example]:
    sentences = [words_of(window.text, start, end) for start, end in sentence_spans(window.text)]
    askable = [words for words in sentences if len(words) > _MIN_WORDS]
    if not askable:
        return
    kept = (cloze.least_kept, cloze.most_kept)
    asked = [
        ask_for_phrase(window.text, choice.choice(askable), kept, cloze.bare, choice) for _ in range(cloze.questions)
    ]
    for number, phrase in enumerate(dict.fromkeys(phrase for phrase in asked if phrase is not None)):
        question = Question(f"{window.id}-a{number}", phrase.question, (phrase.answer,))
        yield Example(question, (window,), answer_starts=(phrase.start,))


def _windows(passage: Passage, size: int) -> Iterator[Passage]:
    if not size or len(passage.text) <= size:
        yield passage
        return
    for piece in chunk(passage, size, 0, len):
        document = passage.document_id or passage.id
        yield Passage(content_id(piece.text), piece.text, piece.title, document, passage.start + piece.start)


def _question(window: Passage, cloze: Cloze, choice: random.Random) -> str:
    sentences = [_words(window.text[start:end]) for start, end in sentence_spans(window.text)]
    askable = [words for words in sentences if len(words) >= _MIN_WORDS]
    if not askable:
        return ""
    words = choice.choice(askable)
    first = choice.randrange(max(1, len(words) - _MAX_WORDS + 1))
    words = words[first : first + _MAX_WORDS]
    share = choice.uniform(cloze.least_kept, cloze.most_kept)
    kept = [word for word in words if choice.random() < share]
    if len(kept) < _MIN_WORDS:
        kept = [words[place] for place in sorted(choice.sample(range(len(words)), _MIN_WORDS))]
    asked = [PARTICLE.sub("", word) if choice.random() < cloze.bare else word for word in kept]
    if choice.random() < cloze.shuffled:
        choice.shuffle(asked)
    if window.title and choice.random() < cloze.titled:
        asked.insert(0, window.title)
    return " ".join(asked)


def _words(sentence: str) -> list[str]:
    return [word for token in sentence.split() if (word := token.strip(EDGES))]


def joined_lines(lines: Iterable[str], size: int) -> Iterator[Passage]:
    """Yield passages of as many consecutive lines as ``size`` characters hold; a longer line is one of its own."""
    held: list[str] = []
    length = 0
    for line in lines:
        if held and length + 1 + len(line) > size:
            yield _joined(held)
            held, length = [], 0
        length += bool(held) + len(line)
        held.append(line)
    if held:
        yield _joined(held)


def _joined(lines: list[str]) -> Passage:
    text = "\n".join(lines)  # a line's end is the end of a sentence
    return Passage(content_id(text), text)
