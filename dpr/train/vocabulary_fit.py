"""Check whether a tokenizer's vocabulary fits the texts: the number of pieces per character of each script.

A vocabulary with words of a script needs about a quarter of a piece for a letter, and two thirds of one for a syllable
of Hangul. A vocabulary without them splits words into letters or bytes, or has only unknown tokens for them. The model
then reads a fraction of a text, in pieces without meaning.
"""

from __future__ import annotations

import logging
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from dpr.train.batches import Source, evenly

logger = logging.getLogger(__name__)

_EDGES = re.compile(r"(?<!\w)[^\w\s]+|[^\w\s]+(?!\w)")  # signs before and after a word, not within

TEXTS, CHARACTERS = 400, 500
"""Number of texts in a sample, and of characters of each."""

LIMITS = {"HANGUL": 1.0, "CJK": 1.5, "HIRAGANA": 1.5, "KATAKANA": 1.5}
"""Pieces per character above which a script is split badly; a syllable or an ideograph is much of a word."""

LETTER_LIMIT = 0.7
"""The same for scripts of letters: English has 0.25 in its own vocabulary, and German 0.35 in that of English."""

UNKNOWN_LIMIT = 0.1
"""Share of unknown characters above which the vocabulary does not know the script."""

_UNSPACED = {"CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR"}
"""Scripts without spaces between words: an unknown token stands for one character, not for a whole word."""

_LEAST_SHARE = 0.1
"""Scripts with a smaller share of the characters are ignored."""


@dataclass(frozen=True, slots=True)
class Split:
    """How a tokenizer splits the words of a script: pieces per known character, and share of unknown characters."""

    script: str
    pieces_per_character: float
    unknown: float

    @property
    def is_bad(self) -> bool:
        """Whether words of the script are split into letters, or unknown."""
        return self.pieces_per_character > self.limit or self.unknown > UNKNOWN_LIMIT

    @property
    def limit(self) -> float:
        """The largest number of pieces per character of a vocabulary with words of the script."""
        return LIMITS.get(self.script, LETTER_LIMIT)


def splits(tokenizer: Any, texts: Iterable[str]) -> list[Split]:
    """Return how words are split, for each script with at least a tenth of the characters of the texts."""
    words = defaultdict(list)
    for text in texts:
        for bare in _EDGES.sub(" ", unicodedata.normalize("NFC", text[:CHARACTERS])).split():
            words[_script_of(bare)].append(bare)
    words.pop("", None)
    sizes = {script: sum(map(len, of_script)) for script, of_script in words.items()}
    return [
        _split(tokenizer, script, of_script)
        for script, of_script in words.items()
        if sizes[script] >= _LEAST_SHARE * sum(sizes.values())
    ]


def warn_of_splits(tokenizer: Any, texts: Iterable[str], base: str) -> None:
    """Log a warning for each script of the texts that a base's vocabulary splits badly."""
    for split in splits(tokenizer, texts):
        if split.is_bad:
            logger.warning(
                "the vocabulary of %s makes %.1f pieces of a %s character and does not know %.0f %% of them; "
                "a vocabulary with words of that script makes at most %.1f; choose a base that knows the script, or "
                "add WordPieces (dpr adapt --vocabulary-size)",
                base,
                split.pieces_per_character,
                split.script if split.script == "CJK" else split.script.capitalize(),
                100 * split.unknown,
                split.limit,
            )


def texts_of(sources: Sequence[Source]) -> list[str]:
    """Return a sample of the texts of training sets: as many questions as passages."""
    share = max(1, TEXTS // (2 * len(sources)))
    sample = [example for source in sources for example in evenly(source.examples, share)]
    passages = [passage.text for example in sample for passage in example.positives[:1]]
    return [*(example.question.text for example in sample), *passages]


def _script_of(word: str) -> str:
    """Return the script of most letters of a word, by their Unicode names; empty for a word without letters."""
    scripts = [unicodedata.name(letter, "").partition(" ")[0] for letter in word if letter.isalpha()]
    return max(set(scripts), key=scripts.count) if scripts else ""


def _split(tokenizer: Any, script: str, words: Sequence[str]) -> Split:
    encoded = tokenizer(list(words), add_special_tokens=False, verbose=False)["input_ids"]
    pieces = known_characters = 0
    for word, ids in zip(words, encoded, strict=True):
        unknown = ids.count(tokenizer.unk_token_id)
        if not unknown or script in _UNSPACED:
            pieces += len(ids) - unknown
            known_characters += max(0, len(word) - unknown)
    return Split(script, pieces / max(1, known_characters), 1 - known_characters / sum(map(len, words)))
