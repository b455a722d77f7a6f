"""Make questions that ask for a phrase of a passage: the words around it, with a question word in its place.

This is unsupervised question answering by clozes (Lewis et al. 2019, "Unsupervised Question Answering by Cloze
Translation") without the translation. It teaches a reader to find the sentence of a question and the missing phrase.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from dpr.data.korean_words import EDGES, PARTICLE

_NOUN_PARTICLE = re.compile(
    r"(?:(?<=[\uac00-\ud7a3]{2})|(?<=\d[\uac00-\ud7a3]))"
    r"(?:은|는|이|가|을|를|의|에|에서|에게|으로|로|와|과|도|만|까지|부터|에는|에서는|에서도|이다|이었다|였다)$"
)
_COUNTED = re.compile(r"\d[\uac00-\ud7a3]$")
_WORD = re.compile(r"\S+")
_HANGUL = re.compile(r"[\uac00-\ud7a3]")
_DATE = re.compile(r"\d[년월일]|\b(?:1[0-9]|20)\d\d\b")
_LENGTHS, _LENGTH_SHARES = (1, 2, 3, 4), (4, 3, 2, 1)
_MOST_AROUND = 14
_LEAST_AROUND = 3
_QUESTION_WORDS = {
    # (has Hangul, is a date, has a digit): question words for such a phrase
    (True, True, True): ("언제", "몇 년", "며칠"),
    (True, False, True): ("몇", "얼마나", "무엇"),
    (True, False, False): ("무엇", "누구", "어디", "어떤 것", "무엇인가", "누구인가", "어디인가"),
    (False, True, True): ("when", "what year", "on what date"),
    (False, False, True): ("how many", "how much", "what"),
    (False, False, False): ("what", "who", "where", "which", "what kind of"),
}


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a text without punctuation around it: characters ``[start, end)``."""

    text: str
    start: int

    @property
    def end(self) -> int:
        """The end of the word, exclusive."""
        return self.start + len(self.text)


@dataclass(frozen=True, slots=True)
class PhraseQuestion:
    """A question, and the phrase of the text that answers it."""

    question: str
    answer: str
    start: int


def words_of(text: str, start: int, end: int) -> list[Word]:
    """Return the words of a text between two offsets."""
    words = []
    for match in _WORD.finditer(text, start, end):
        bare = match.group().lstrip(EDGES)
        if word := bare.rstrip(EDGES):
            words.append(Word(word, match.end() - len(bare)))
    return words


def ask_for_phrase(
    text: str, words: Sequence[Word], shares: tuple[float, float], bare: float, choice: random.Random
) -> PhraseQuestion | None:
    """Return a question for a phrase of a sentence; None if the sentence is too short.

    Args:
        text: the text.
        words: the words of the sentence.
        shares: the least and the largest share of the words around the phrase that the question has.
        bare: the share of Korean words that lose their particle.
        choice: the random number generator.
    """
    [length] = choice.choices(_LENGTHS, _LENGTH_SHARES)
    if len(words) < length + _LEAST_AROUND:
        return None
    first = choice.randrange(len(words) - length + 1)
    phrase = words[first : first + length]
    start, end = phrase[0].start, phrase[-1].end
    is_korean = _HANGUL.search(text[words[0].start : words[-1].end]) is not None
    answer = _noun(text[start:end])
    if answer is None:
        return None
    before, after = words[max(0, first - _MOST_AROUND // 2) : first], words[first + length :][: _MOST_AROUND // 2]
    share = choice.uniform(*shares)
    around = [
        [
            PARTICLE.sub("", word.text) if choice.random() < bare else word.text
            for word in side
            if choice.random() < share
        ]
        for side in (before, after)
    ]
    if sum(map(len, around)) < _LEAST_AROUND - 1:
        return None
    kind = (is_korean, _DATE.search(answer) is not None, any(map(str.isdigit, answer)))
    asking = choice.choice(_QUESTION_WORDS.get(kind, _QUESTION_WORDS[is_korean, False, False]))
    # the position of the question word: the gap, the end (Korean), or the beginning (English)
    question_words = [*around[0], asking, *around[1]]
    if choice.random() < 0.5:
        question_words = [*around[0], *around[1], asking] if is_korean else [asking, *around[0], *around[1]]
    return PhraseQuestion(" ".join(question_words) + "?", answer, start)


def _noun(phrase: str) -> str | None:
    """Return a phrase as an answer, a Korean one without its particle; None unless it is a name, noun or number."""
    answer = _NOUN_PARTICLE.sub("", phrase)
    if _HANGUL.match(answer[-1:]):
        return answer if answer != phrase or _COUNTED.search(answer) else None
    is_naming = any(letter.isupper() or letter.isdigit() for letter in answer)
    return answer if is_naming or (" " in answer and answer.islower()) else None
