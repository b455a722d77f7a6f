"""A text as runs of one script each: where ``KBS는`` is an English word with a Korean particle."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dpr.text.normalize import fold, normalize

HANGUL = "\uac00-\ud7a3"
_IDEOGRAPHS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"

_RUN = re.compile(
    rf"""
      (?P<hangul> [{HANGUL}]+ )
    | (?P<ideographs> [{_IDEOGRAPHS}]+ )
    | (?P<words> \d{{1,3}}(?:,\d{{3}})+(?:\.\d+)?(?!\d) | \d+\.\d+ | [^\W_{HANGUL}{_IDEOGRAPHS}]+ )
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Runs:
    """The runs of a text by script, each kind in order; ``words`` are folded, their thousands without commas."""

    hangul: list[str]
    ideographs: list[str]
    words: list[str]


def runs_of(text: str) -> Runs:
    """Split a normalized text into runs of Hangul, of ideographs and kana, and into the words of all other scripts.

    A decimal number is one word; anything that is neither letter nor digit divides.
    """
    runs = Runs([], [], [])
    for match in _RUN.finditer(text):
        run = match[0]
        if match.lastgroup == "words":
            runs.words.append(fold(run).replace(",", ""))
        elif match.lastgroup == "hangul":
            runs.hangul.append(run)
        else:
            runs.ideographs.append(run)
    return runs


def has_hangul(text: str) -> bool:
    """Tell whether a text, normalized or not, has a syllable of Hangul."""
    return bool(runs_of(normalize(text)).hangul)


def bigrams(run: str) -> list[str]:
    """Return each two neighbouring characters of a run, or the run itself where it is a single character."""
    return [run[index : index + 2] for index in range(len(run) - 1)] or [run]


def ideograph_terms(runs: Runs) -> list[str]:
    """Return the bigrams of the ideographs: Hanja, kanji and kana are written without blanks between words."""
    return [pair for run in runs.ideographs for pair in bigrams(run)]
