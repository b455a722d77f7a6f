"""Learn WordPieces of a script from plain text: frequent characters, then the results of byte-pair merges."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from dpr.errors import ConfigError

PREFIX = "##"
"""Prefix of a piece that continues a word."""

Bounds = Callable[[str], Iterable[int]]
"""Returns the positions in a text that no piece may cross."""


def no_bounds(text: str) -> Iterable[int]:
    """Return no positions: pieces may cross any morpheme."""
    del text
    return ()


SCRIPTS: Mapping[str, tuple[tuple[int, int], ...]] = {
    "hangul": ((0xAC00, 0xD7A3), (0x3131, 0x318E)),
    "cyrillic": ((0x0400, 0x0481), (0x048A, 0x052F)),
    "greek": ((0x0370, 0x03FF), (0x1F00, 0x1FFF)),
    "armenian": ((0x0531, 0x0587),),
    "georgian": ((0x10A0, 0x10FF), (0x1C90, 0x1CBF)),
    "hebrew": ((0x05D0, 0x05F2),),
    "arabic": ((0x0620, 0x064A), (0x066E, 0x06D3)),
    "kana": ((0x3041, 0x3096), (0x30A1, 0x30FC)),
}
"""The letters of each script as ranges of code points; Hangul has composed syllables and compatibility letters."""

_IDEOGRAPHS = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"


@dataclass(frozen=True, slots=True)
class PieceCounts:
    """The number of pieces to learn: ``size``, at most ``characters`` of them single characters.

    A piece occurs ``min_frequency`` times or more.

    Raises:
        ConfigError: a number is below 1.
    """

    size: int
    characters: int = 2500
    min_frequency: int = 3

    def __post_init__(self) -> None:
        for name in ("size", "characters", "min_frequency"):
            if getattr(self, name) < 1:
                raise ConfigError(f"the vocabulary's {name} is {getattr(self, name)}; it must be at least 1")


def letters_of(script: str) -> list[str]:
    """Return a script's letters, in the order of their code points.

    Raises:
        ConfigError: the script is not known.
    """
    if script not in SCRIPTS:
        raise ConfigError(f"unknown script {script!r}; choose {', '.join(SCRIPTS)}")
    return [chr(code) for first, last in SCRIPTS[script] for code in range(first, last + 1)]


def learn_pieces(
    texts: Iterable[str],
    normalize: Callable[[str], str],
    script: str,
    counts: PieceCounts,
    known_pieces: frozenset[str],
    bounds: Bounds = no_bounds,
) -> list[str]:
    """Return the pieces of a script that texts are made of, in composed form, at most ``counts.size`` of them.

    ``normalize`` is what the tokenizer does to a text; pieces of ``known_pieces`` are left out. Single characters come
    first, the most frequent first, then longer pieces in the order of their merges. No piece crosses the ``bounds`` of
    a text in composed form. The same texts give the same pieces.
    """
    letters = letters_of(script)
    word_counts: Counter[str] = Counter()
    # The alphabet is complete and ordered. Otherwise the trainer numbers it in the order of its hash table, and merges
    # of equal frequency differ between processes. The trainer drops characters outside the alphabet from words.
    trainer = trainers.WordPieceTrainer(
        vocab_size=2 * len(letters) + counts.size + len(known_pieces),
        min_frequency=counts.min_frequency,
        special_tokens=[PREFIX + letter for letter in letters],
        initial_alphabet=letters,
        limit_alphabet=len(letters),
        show_progress=False,
    )
    learner = Tokenizer(models.WordPiece())
    learner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    learner.train_from_iterator(_counted(texts, normalize, script, word_counts, bounds), trainer)
    vocabulary = learner.get_vocab()
    merged = [piece for piece in sorted(vocabulary, key=vocabulary.__getitem__) if len(piece.removeprefix(PREFIX)) > 1]
    characters = [form for form in _characters(word_counts, counts.min_frequency) if form not in known_pieces]
    longer = [piece for piece in merged if piece not in known_pieces]
    return [*characters[: counts.characters], *longer][: counts.size]


def _counted(
    texts: Iterable[str], normalize: Callable[[str], str], script: str, word_counts: Counter[str], bounds: Bounds
) -> Iterator[str]:
    """Yield the words of each text, cut at the bounds, and count them."""
    letters = "".join(f"{chr(first)}-{chr(last)}" for first, last in SCRIPTS[script])
    # a run of the script, and the letter or digit before it, if any: the run then continues a word, as in KBS는
    run = re.compile(rf"([^\W_{letters}{_IDEOGRAPHS}]?)([{letters}]+)")
    for text in texts:
        composed = unicodedata.normalize("NFC", normalize(text))
        cuts = sorted(bounds(composed))
        words = [word for match in run.finditer(composed) for word in _cut(match, cuts)]
        word_counts.update(words)
        if words:
            yield " ".join(words)


def _cut(run: re.Match[str], cuts: Sequence[int]) -> Iterator[str]:
    """Yield the pieces of a run of letters between the sorted cuts; those within a word are marked."""
    start, end = run.span(2)
    inside = cuts[bisect_right(cuts, start) : bisect_left(cuts, end)]
    for first, last in pairwise([start, *inside, end]):
        goes_on = first > start or bool(run[1])
        yield "_" * goes_on + run.string[first:last]


def _characters(word_counts: Mapping[str, int], min_frequency: int) -> list[str]:
    """Return characters at the beginning of words and, with a prefix, within words; the most frequent first."""
    forms: Counter[str] = Counter()
    for word, count in word_counts.items():
        for position, character in enumerate(word):
            forms[PREFIX + character if position else character] += count
    del forms["_"]
    frequent = [(form, count) for form, count in forms.items() if count >= min_frequency]
    return [form for form, _ in sorted(frequent, key=lambda item: (-item[1], item[0]))]
