"""Scores of answers: exact match and F1 as SQuAD and KorQuAD define them, and whether a passage contains an answer."""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from dpr.evaluation.particles import HANGUL, end_of_word

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_KOREAN_MARKS = str.maketrans(dict.fromkeys("'\"《》<>〈〉()‘’", " "))
_SEPARATOR = "\x1f"  # a control character, which no token contains
_ENDS_IN_HANGUL = re.compile(f"[{HANGUL}]{_SEPARATOR}$")
_LETTER = rf"[^\W_{HANGUL}]"  # a letter or a number
_SCRIPT_CHANGE = re.compile(f"(?<=[{HANGUL}])(?={_LETTER})|(?<={_LETTER})(?=[{HANGUL}])")


@dataclass(frozen=True, slots=True)
class AnswerRule:
    """A data set's official way to compare an answer with the gold ones.

    ``normalize`` makes texts comparable for exact match, ``units`` gives what F1 counts (words or characters) of a
    normalized text. ``scores_silence`` is SQuAD 2.0's addition: the empty answer is right, and fully so, where there
    is no gold answer, and gold answers that normalize to nothing are ignored beside others.
    """

    normalize: Callable[[str], str]
    units: Callable[[str], list[str]]
    scores_silence: bool = False

    def exact_match(self, prediction: str, golds: Sequence[str]) -> float:
        """Return 1.0 if the prediction equals any gold answer after normalization, else 0.0."""
        predicted = self.normalize(prediction)
        return float(any(predicted == gold for gold in self._normalized(golds)))

    def f1(self, prediction: str, golds: Sequence[str]) -> float:
        """Return the greatest F1 over the gold answers, in [0, 1]; 0 without gold answers.

        F1 = 2PR / (P + R) over the multisets of units: P is the overlap's share of the prediction, R of the gold.
        """
        predicted = self.units(self.normalize(prediction))
        return max((self._overlap(predicted, self.units(gold)) for gold in self._normalized(golds)), default=0.0)

    def _normalized(self, golds: Sequence[str]) -> list[str]:
        normalized = [self.normalize(gold) for gold in golds]
        return [gold for gold in normalized if gold] or [""] if self.scores_silence else normalized

    def _overlap(self, predicted: list[str], gold: list[str]) -> float:
        if self.scores_silence and not (predicted and gold):
            return float(predicted == gold)
        common = (Counter(predicted) & Counter(gold)).total()
        # 2PR / (P + R) with P = common / |predicted| and R = common / |gold|, multiplied out.
        return 2 * common / (len(predicted) + len(gold)) if common else 0.0


def _normalize_english(text: str) -> str:
    bare = text.lower().translate(_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", bare).split())


def _normalize_korean(text: str) -> str:
    return " ".join(text.translate(_KOREAN_MARKS).lower().translate(_PUNCTUATION).split())


def _characters(normalized: str) -> list[str]:
    return list(normalized.replace(" ", ""))


ANSWER_RULES: dict[str, AnswerRule] = {
    "squad-1.1": AnswerRule(_normalize_english, str.split),
    "squad-2.0": AnswerRule(_normalize_english, str.split, scores_silence=True),
    "korquad-1.0": AnswerRule(_normalize_korean, _characters),
}
"""The official evaluation scripts' definitions: Rajpurkar et al. 2016 and 2018, Lim et al. 2019."""


def has_answer(answers: Iterable[str], text: str) -> bool:
    """Return whether a text contains an answer by DPR's rule: the answer's tokens are a sequence of the text's.

    The rule is that of ``has_answer`` with its SimpleTokenizer (Karpukhin et al. 2020, after DrQA): NFD, lower case,
    a token is a run of letters, numbers and marks, or any other single visible character. A Korean particle is then
    part of its word, so 서울 is not found in 서울은: see `has_korean_answer`. No text contains an
    answer without tokens.
    """
    text_tokens = _dpr_tokens(text)
    answer_tokens = map(_dpr_answer_tokens, answers)
    return any(answer != _SEPARATOR and answer in text_tokens for answer in answer_tokens)


def has_korean_answer(answers: Iterable[str], text: str) -> bool:
    """Return whether a text contains an answer by DPR's rule, extended for Korean.

    Two things are added to `has_answer`. An answer that ends in Hangul may have there what Korean writes onto a noun
    (서울 in 서울에서는, not in 서울역: `dpr.evaluation.particles`); and Hangul beside a letter or a number of another
    script is a token of its own (1989 in 1989년, LG in LG전자, 16대 in 제16대). Texts are compared in NFC, where a
    syllable is one character: in NFD 바다 would be the beginning of 바닥.

    Without Hangul this is DPR's rule. What both miss and mistake is measured in
    docs/decisions/0007-korean-answer-rule.md.
    """
    text_tokens = _korean_tokens(text)
    answer_tokens = map(_korean_answer_tokens, answers)
    return any(_contains(answer, text_tokens) for answer in answer_tokens if answer != _SEPARATOR)


def _contains(answer: str, text_tokens: str) -> bool:
    if not _ENDS_IN_HANGUL.search(answer):
        return answer in text_tokens
    stem = answer.removesuffix(_SEPARATOR)
    is_syllable = len(stem) == 2
    position = text_tokens.find(stem)
    while position >= 0:
        end = end_of_word(text_tokens, position + len(stem), is_syllable=is_syllable)
        if end is not None and text_tokens[end] == _SEPARATOR:
            return True
        position = text_tokens.find(stem, position + 1)
    return False


@lru_cache(maxsize=16_384)  # the same passage is found for many questions
def _dpr_tokens(text: str) -> str:
    return _joined_tokens(unicodedata.normalize("NFD", text))


@lru_cache(maxsize=16_384)
def _korean_tokens(text: str) -> str:
    return _SCRIPT_CHANGE.sub(_SEPARATOR, _joined_tokens(unicodedata.normalize("NFC", text)))


# Answers have caches of their own, so that the many answers of a data set do not drive out the passages.
_dpr_answer_tokens = lru_cache(maxsize=1024)(_dpr_tokens.__wrapped__)
_korean_answer_tokens = lru_cache(maxsize=1024)(_korean_tokens.__wrapped__)


def _joined_tokens(text: str) -> str:
    """Return the tokens of a text, each between two separators, so that a sequence of tokens is a substring."""
    tokens = "".join(map(_spaced, text)).split()
    return _SEPARATOR.join(["", *tokens, ""]).lower() if tokens else _SEPARATOR


@lru_cache(maxsize=65536)
def _spaced(character: str) -> str:
    category = unicodedata.category(character)[0]
    if category in "LNM":
        return character
    return " " if category in "ZC" else f" {character} "
