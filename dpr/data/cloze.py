"""Make questions from passages: words of a sentence become a question whose positive is the passage.

This is the inverse cloze task (Lee et al. 2019, "Latent retrieval for weakly supervised open domain question
answering", section 4) for a language or a domain with text but few questions. The sentence stays in its passage, like
most words of a real question. The question has only some of its words, many without their particles.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dpr.data.chunk import chunk
from dpr.data.cloze_answers import ask_for_phrase, words_of
from dpr.data.identity import content_id, unique_passages
from dpr.data.korean_words import PARTICLE
from dpr.data.sentences import sentence_spans
from dpr.errors import ConfigError
from dpr.types import Example, Passage, Question

_MAX_WORDS = 14
_MIN_WORDS = 3
_SHARES = ("least_kept", "most_kept", "bare", "shuffled", "titled")


@dataclass(frozen=True, slots=True)
class Cloze:
    """Settings of questions made from passages.

    A passage is cut into windows of at most ``window`` characters (0: not at all). Each gives ``questions``, or fewer
    if some are equal. A question has a random share of the words of a sentence, between ``least_kept`` and
    ``most_kept``. A Korean word loses its particle with probability ``bare``. The share ``shuffled`` of the questions
    has a random word order, and the share ``titled`` begins with the passage's title.

    With ``answers``, a question asks for a phrase of the sentence, which it leaves out and which is its answer, to
    train readers (`dpr.data.cloze_answers`); ``shuffled`` and ``titled`` then have no effect.

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
            raise ConfigError(f"questions is {self.questions}; it must be at least 1")
        if self.window < 0:
            raise ConfigError(f"window is {self.window}; give a number of characters, or 0 for whole passages")
        for name in _SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; choose a share from 0 to 1")
        if self.least_kept > self.most_kept:
            raise ConfigError(f"least_kept is {self.least_kept}; it must be at most most_kept, {self.most_kept}")


def cloze_examples(passages: Iterable[Passage], cloze: Cloze) -> Iterator[Example]:
    """Yield questions made from passages, the same for the same seed; windows without a long sentence give none.

    Each window of a cut passage is a passage of its own, with an id made from its text and its offset in the document.
    Repeated windows are skipped.

    Raises:
        DataError: two passages with different texts share an id.
    """
    choice = random.Random(cloze.seed)  # noqa: S311 - sampling, not secrets
    for window in unique_passages(window for passage in passages for window in _windows(passage, cloze.window)):
        if cloze.answers:
            yield from _asking_examples(window, cloze, choice)
            continue
        questions = [question for _ in range(cloze.questions) if (question := _question(window, cloze, choice))]
        for number, question in enumerate(dict.fromkeys(questions)):
            yield Example(Question(f"{window.id}-{number}", question), (window,))


def _asking_examples(window: Passage, cloze: Cloze, choice: random.Random) -> Iterator[Example]:
    sentences = [words_of(window.text, start, end) for start, end in sentence_spans(window.text)]
    askable = [words for words in sentences if len(words) > _MIN_WORDS]
    if not askable:
        return
    shares = (cloze.least_kept, cloze.most_kept)
    phrases = [
        ask_for_phrase(window.text, choice.choice(askable), shares, cloze.bare, choice) for _ in range(cloze.questions)
    ]
    for number, phrase in enumerate(dict.fromkeys(phrase for phrase in phrases if phrase is not None)):
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
    sentences = [words_of(window.text, start, end) for start, end in sentence_spans(window.text)]
    askable = [words for words in sentences if len(words) >= _MIN_WORDS]
    if not askable:
        return ""
    words = [word.text for word in choice.choice(askable)]
    first = choice.randrange(max(1, len(words) - _MAX_WORDS + 1))
    words = words[first : first + _MAX_WORDS]
    share = choice.uniform(cloze.least_kept, cloze.most_kept)
    kept_words = [word for word in words if choice.random() < share]
    if len(kept_words) < _MIN_WORDS:
        kept_words = [words[index] for index in sorted(choice.sample(range(len(words)), _MIN_WORDS))]
    question_words = [PARTICLE.sub("", word) if choice.random() < cloze.bare else word for word in kept_words]
    if choice.random() < cloze.shuffled:
        choice.shuffle(question_words)
    if window.title and choice.random() < cloze.titled:
        question_words.insert(0, window.title)
    return " ".join(question_words)


def joined_lines(lines: Iterable[str], size: int) -> Iterator[Passage]:
    """Yield passages of as many consecutive lines as fit into ``size`` characters; a longer line is a passage."""
    open_lines: list[str] = []
    length = 0
    for line in lines:
        if open_lines and length + 1 + len(line) > size:
            yield _joined(open_lines)
            open_lines, length = [], 0
        length += bool(open_lines) + len(line)
        open_lines.append(line)
    if open_lines:
        yield _joined(open_lines)


def _joined(lines: list[str]) -> Passage:
    text = "\n".join(lines)  # a line ends a sentence
    return Passage(content_id(text), text)
