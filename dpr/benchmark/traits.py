"""What kind of question it is: the groups that a report breaks its numbers down by."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from dpr.text.registry import analyzer
from dpr.types import Analyzer, Example

UNKNOWN = "unknown"
HANGUL = "\uac00-\ud7a3"

ENGLISH_WORDS = (
    ("how many / how much", r"\bhow (?:many|much|long|far|old|often|large|big|high|tall)\b"),
    ("how", r"\bhow\b"),
    ("who", r"\bwho(?:se|m)?\b"),
    ("when", r"\bwhen\b|\b(?:what|which) (?:year|date|day|month|century|decade)\b"),
    ("where", r"\bwhere\b|\b(?:what|which) (?:city|country|state|place)\b"),
    ("why", r"\bwhy\b"),
    ("which", r"\bwhich\b"),
    ("what", r"\bwhat\b"),
)
KOREAN_WORDS = (
    ("how many / how much", r"몇(?! ?년| ?월| ?일)|얼마"),
    ("when", r"언제|몇 ?년|몇 ?월|몇 ?일|년도는"),
    ("who", r"누구|누가|누굴|사람은|인물은"),
    ("where", r"어디|장소는|곳은|지역은"),
    ("why", r"왜|이유는"),
    ("how", r"어떻게|어찌"),
    ("which", r"어느|어떤"),
    ("what", r"무엇|무슨|뭐|이름은|것은"),
)
MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
DATE = re.compile(rf"\b(?:1[0-9]|20)\d\d\b|\b(?:{MONTHS})\b|\d+ ?년|\d+ ?월|\d+ ?일|\d+세기|\bcentury\b")
NUMBER = re.compile(
    r"^[^\w]*(?:about |over |nearly |약 ?)?[\d.,]+"
    r"|\b(?:two|three|four|five|six|seven|eight|nine|ten|hundred|thousand|million|billion)\b",
    re.IGNORECASE,
)
OVERLAPS = ((0.25, "0–25 %"), (0.5, "25–50 %"), (0.75, "50–75 %"), (1.01, "75–100 %"))
LENGTHS = ((75, "under 75 words"), (150, "75–149 words"), (300, "150–299 words"), (float("inf"), "300 words and more"))
NO_WORD = "no question word"
SENTENCE_WORDS = 6


def traits_of(example: Example, terms: Analyzer | None = None) -> dict[str, str]:
    """Return the traits of a question by their names, those of `TRAITS`.

    Overlap is the share of the question's different terms that its first gold passage has, with its title; terms are
    words, and in Hangul pairs of syllables. A question without a gold passage in the data set has none.
    """
    terms = terms or analyzer("ngram")
    text, gold = example.question.text, example.positives[0] if example.positives else None
    return {
        "language": language_of(text),
        "question word": question_word(text),
        "answer": answer_type(example.question.answers),
        "overlap": _bin(overlap(text, gold.titled(), terms), OVERLAPS) if gold else UNKNOWN,
        "passage length": _bin(len(gold.text.split()), LENGTHS) if gold else UNKNOWN,
    }


TRAITS = ("language", "question word", "answer", "overlap", "passage length", "trained on")
"""The names of all traits, in the order of a report."""


def language_of(text: str) -> str:
    """Return ``ko`` for a text with 30 % Hangul or more among its letters, ``en`` in ASCII, else ``other``."""
    letters = [character for character in text if character.isalpha()]
    if not letters:
        return "other"
    if len(re.findall(f"[{HANGUL}]", text)) >= 0.3 * len(letters):
        return "ko"
    return "en" if sum(map(str.isascii, letters)) >= 0.9 * len(letters) else "other"


def question_word(text: str) -> str:
    """Return the question word, by English's name for it; of several, the first rule that fits."""
    rules = KOREAN_WORDS if language_of(text) == "ko" else ENGLISH_WORDS
    return next((name for name, pattern in rules if re.search(pattern, text, re.IGNORECASE)), NO_WORD)


def answer_type(answers: Sequence[str]) -> str:
    """Return the type of the first gold answer: a date, a number, a name, a word, some words or a sentence."""
    if not answers:
        return UNKNOWN
    answer = answers[0].strip()
    words = answer.split()
    if DATE.search(answer) and len(words) < SENTENCE_WORDS:
        return "date"
    if NUMBER.search(answer) and len(words) < SENTENCE_WORDS:
        return "number"
    if len(words) >= SENTENCE_WORDS:
        return "sentence"
    if language_of(answer) == "en" and all(word[0].isupper() for word in words if len(word) > 3):
        return "name"
    return "one word" if len(words) == 1 else "some words"


def overlap(question: str, passage: str, terms: Analyzer) -> float:
    """Return the share of a question's different terms that a passage has; 0 for a question without terms."""
    of_question = set(terms.terms(question))
    return len(of_question & set(terms.terms(passage))) / len(of_question) if of_question else 0.0


def _bin(value: float, bins: Sequence[tuple[float, str]]) -> str:
    return next(name for limit, name in bins if value < limit)


TRAINED_BY = "by "
"""How the trait of a question begins that systems were trained on; their names follow."""


def with_training(traits: Mapping[str, str], trained_by: Sequence[str]) -> dict[str, str]:
    """Return traits with whether a system's model was trained on the question, and which system's."""
    return {**traits, "trained on": TRAINED_BY + ", ".join(trained_by) if trained_by else "no"}
