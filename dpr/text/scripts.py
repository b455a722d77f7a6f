"""A text as runs of one script each: where ``KBS는`` is an English word with a Korean particle."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dpr.text.compounds import compound_pattern, compound_terms
from dpr.text.normalize import fold, normalize

HANGUL = "\uac00-\ud7a3"
_IDEOGRAPHS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"

LETTERS = rf"[^\W_{HANGUL}{_IDEOGRAPHS}]"
"""The letters and digits of all other scripts, as a class of characters."""

_RUN = re.compile(
    rf"(?P<hangul>[{HANGUL}]+)"
    rf"|(?P<ideographs>[{_IDEOGRAPHS}]+)"
    rf"|(?P<words>{compound_pattern(LETTERS)})"
)

_OPENING = "([{\"'"
_CLOSING = ".,;:!?)]}\"'"

_NEIGHBOURS = re.compile(rf"(?<!{LETTERS})({LETTERS}+)(?:\s+|-)(?=({LETTERS}+))")


@dataclass(frozen=True, slots=True)
class Runs:
    """The runs of a text by script, each kind in order.

    Attributes:
        hangul: runs of Hangul.
        ideographs: runs of Hanja, kanji and kana.
        words: the words of all other scripts, folded; of a compound, its units.
        compounds: the other terms of compounds: ``gpt4`` beside the units ``gpt`` and ``4``.
    """

    hangul: list[str]
    ideographs: list[str]
    words: list[str]
    compounds: list[str]


def runs_of(text: str) -> Runs:
    """Split a normalized text into runs of Hangul, of ideographs and kana, and into the words of all other scripts.

    A decimal number is one word; letters and digits that touch are two words, and so are letters that a sign divides.
    """
    runs = Runs([], [], [], [])
    is_ascii = text.isascii()
    for piece in (text.lower() if is_ascii else text).split():
        # Most pieces are plain words, which need no pattern.
        word = piece if piece.isalpha() else piece.lstrip(_OPENING).rstrip(_CLOSING)
        if word.isalpha() and (is_ascii or word.isascii()):
            runs.words.append(word if is_ascii else word.lower())
        else:
            _divide(piece, runs)
    return runs


def _divide(piece: str, runs: Runs) -> None:
    """Add the runs of a piece of text without blanks to ``runs``."""
    for match in _RUN.finditer(piece):
        run = match[0]
        if match.lastgroup == "hangul":
            runs.hangul.append(run)
        elif match.lastgroup == "ideographs":
            runs.ideographs.append(run)
        elif run.isalpha() or run.isdecimal():
            runs.words.append(fold(run))
        else:
            units, compounds = compound_terms(run)
            runs.words.extend(units)
            runs.compounds.extend(compounds)


def neighbours_of(text: str) -> list[tuple[str, str]]:
    """Return the folded word pairs of a normalized text with a blank or a hyphen between; no Hangul, no ideographs."""
    return [(fold(first), fold(second)) for first, second in _NEIGHBOURS.findall(text)]


def has_hangul(text: str) -> bool:
    """Tell whether a text, normalized or not, has a syllable of Hangul."""
    return bool(runs_of(normalize(text)).hangul)


def bigrams(run: str) -> list[str]:
    """Return each two neighbouring characters of a run, or the run itself where it is a single character."""
    return [run[index : index + 2] for index in range(len(run) - 1)] or [run]


def ideograph_terms(runs: Runs) -> list[str]:
    """Return the bigrams of the ideographs: Hanja, kanji and kana are written without blanks between words."""
    return [pair for run in runs.ideographs for pair in bigrams(run)]
