"""A BERT tokenizer with more WordPieces: the pieces of a script that it splits badly, after all that it had.

An uncased BERT takes accents off by decomposing letters, which takes Hangul syllables apart into their two or three
conjoining letters: ``한국`` is six pieces. Composing them again afterwards would spoil the offsets of text that was
typed in decomposed form. Here the new pieces are therefore written in the decomposed form that the tokenizer sees, and
a mark after each syllable without a final letter makes syllables whole: no piece that ends in ``하`` is found at the
head of ``한``. A syllable that no piece has falls back to its letters, which are all in the vocabulary.
Text without Hangul is not touched.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, normalizers

from dpr.config import OFFLINE_BASE
from dpr.errors import DataError, ModelError
from dpr.train.adaptation.wordpieces import PREFIX, Bounds, PieceCounts, learn_pieces, no_bounds

SYLLABLE_END = "\ue000"
"""Stands where a syllable has no final letter. BERT's normalizer removes it from text, so only we can have put it."""

_INITIALS = [chr(code) for code in range(0x1100, 0x1113)]
_VOWELS = [chr(code) for code in range(0x1161, 0x1176)]
_FINALS = [chr(code) for code in range(0x11A8, 0x11C3)]
_LONE_LETTERS = [chr(code) for code in range(0x3131, 0x3164)]
_OPEN_SYLLABLE = "(?<=[\u1160-\u11a7])(?![\u1160-\u11ff])"


def extend_vocabulary(
    tokenizer: Any,
    texts: Iterable[str],
    size: int,
    script: str = "hangul",
    min_frequency: int = 3,
    characters: int = 2500,
    bounds: Bounds = no_bounds,
) -> tuple[Any, list[str]]:
    """Return a new tokenizer with ``size`` more pieces (fewer where the texts give no more), and these pieces.

    The ids of the old pieces stay, and a text without a letter of the script gets the ids that it had. The new pieces
    are returned in composed form, in the order of their ids. ``characters`` bounds those of a single character. No
    piece is learned across the ``bounds`` of a text in composed form.

    Raises:
        ConfigError: a number is below 1, or the script is not known.
        DataError: the texts have no word of the script.
        ModelError: the tokenizer has no fast version, or is no WordPiece.
    """
    counts = PieceCounts(size, characters, min_frequency)
    old = _wordpiece(tokenizer)
    normalizer = _marking(old.normalizer) if script == "hangul" else old.normalizer
    as_seen = normalizer.normalize_str if normalizer is not None else str
    known = old.get_vocab()
    letters = [piece for piece in _letters(as_seen) if piece not in known][:size] if script == "hangul" else []
    learned = _learn(texts, old, as_seen, script, counts, bounds)
    added: dict[str, str] = {piece: piece for piece in letters}
    for piece in learned:
        added.setdefault(_stored(piece, as_seen), piece)
    pieces = [stored for stored in added if stored not in known][:size]
    return _rebuild(tokenizer, old, normalizer, pieces), [added[stored] for stored in pieces]


def resize_embeddings(model: Any, old_tokenizer: Any, new_tokenizer: Any) -> int:
    """Give a model the rows of word embeddings for the new tokenizer's pieces; return how many are new.

    A new row is the mean of the rows of the pieces that the old tokenizer made of it (for Hangul, its letters); for
    what the old one did not know at all, the mean of all rows.
    """
    old_size, new_size = len(old_tokenizer), len(new_tokenizer)
    old = model.get_input_embeddings().weight.detach()[:old_size].clone().float()  # (V, D)
    vocabulary = {piece: row for piece, row in old_tokenizer.get_vocab().items() if row < old_size}
    if model.get_input_embeddings().weight.shape[0] < new_size:
        model.resize_token_embeddings(new_size, mean_resizing=False)
    everything = old.mean(0)
    weight = model.get_input_embeddings().weight
    with torch.no_grad():
        for row in range(old_size, new_size):
            parts = list(_parts(new_tokenizer.convert_ids_to_tokens(row), vocabulary))
            weight[row] = old[parts].mean(0) if parts else everything
    return new_size - old_size


def _wordpiece(tokenizer: Any) -> Tokenizer:
    """Return a copy of the tokenizer's fast part, without the padding and cutting that it was saved with."""
    if not getattr(tokenizer, "is_fast", False):
        raise ModelError(f"the tokenizer {type(tokenizer).__name__} has no fast version to extend; convert it first")
    described = json.loads(tokenizer.backend_tokenizer.to_str())
    kind = described["model"].get("type")
    if kind != "WordPiece" or described["model"]["continuing_subword_prefix"] != PREFIX:
        raise ModelError(
            f"the base has a vocabulary of kind {kind}, and new pieces fit a WordPiece vocabulary with {PREFIX} alone; "
            f"leave --vocabulary-size out, or choose a base such as {OFFLINE_BASE}"
        )
    return Tokenizer.from_str(json.dumps(described | {"truncation": None, "padding": None}))


def _marking(normalizer: Any) -> Any:
    """Return the normalizer that also marks the ends of open syllables, where it decomposes Hangul at all."""
    if normalizer is None or normalizer.normalize_str("가") != unicodedata.normalize("NFD", "가"):
        return normalizer
    return normalizers.Sequence([normalizer, normalizers.Replace(Regex(_OPEN_SYLLABLE), SYLLABLE_END)])


def _letters(as_seen: Any) -> list[str]:
    """Return the pieces that spell anything in modern Hangul: all letters, at the head of a word and within."""
    if not as_seen("가").endswith(SYLLABLE_END):
        return []
    letters = [*_INITIALS, *_VOWELS, *_FINALS, SYLLABLE_END, *_LONE_LETTERS]
    return [*letters, *(PREFIX + letter for letter in letters)]


def _learn(
    texts: Iterable[str], old: Tokenizer, as_seen: Any, script: str, counts: PieceCounts, bounds: Bounds
) -> list[str]:
    # marks have no place in composed form, so words are learned from the form before them
    before = old.normalizer.normalize_str if old.normalizer is not None else str

    def without_marks(text: str) -> str:
        return before(text).replace(SYLLABLE_END, "")

    known = frozenset(_composed(piece) for piece in old.get_vocab() if _stored(_composed(piece), as_seen) == piece)
    learned = learn_pieces(texts, without_marks, script, counts, known, bounds)
    if not learned:
        raise DataError(f"the texts have no word in {script} often enough to learn; give texts of that language")
    return learned


def _composed(piece: str) -> str:
    return unicodedata.normalize("NFC", piece.replace(SYLLABLE_END, ""))


def _stored(piece: str, as_seen: Any) -> str:
    """Return a piece as the tokenizer sees it in a text."""
    if piece.startswith(PREFIX):
        return PREFIX + str(as_seen(piece.removeprefix(PREFIX)))
    return str(as_seen(piece))


def _rebuild(tokenizer: Any, old: Tokenizer, normalizer: Any, pieces: list[str]) -> Any:
    from transformers import PreTrainedTokenizerFast

    old.normalizer = normalizer
    described = json.loads(old.to_str())
    vocabulary = described["model"]["vocab"]
    first = max(len(tokenizer), max(vocabulary.values()) + 1)
    vocabulary.update({piece: first + number for number, piece in enumerate(pieces)})
    # not the base's own class: BertTokenizer builds its normalizer anew from its settings, without the marks
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(described)),
        model_max_length=tokenizer.model_max_length,
        model_input_names=tokenizer.model_input_names,
        clean_up_tokenization_spaces=False,
        **tokenizer.special_tokens_map,
    )


def _parts(piece: str, vocabulary: Mapping[str, int]) -> Iterator[int]:
    """Yield the rows of the longest old pieces that a new one begins with, and so on; what none begins is left out."""
    body = piece.removeprefix(PREFIX)
    start = 0
    while start < len(body):
        prefix = PREFIX if start or piece != body else ""
        ends = range(len(body), start, -1)
        end = next((end for end in ends if prefix + body[start:end] in vocabulary), None)
        if end is not None:
            yield vocabulary[prefix + body[start:end]]
        start = end or start + 1
