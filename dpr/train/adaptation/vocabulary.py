"""Add WordPieces of a script to a BERT tokenizer that splits it badly; the old pieces keep their ids.

An uncased BERT strips accents by decomposing letters, which also splits Hangul syllables into two or three conjoining
letters: ``한국`` is six pieces. Composing them again would spoil the offsets of text in decomposed form. So the new
pieces are stored in the decomposed form that the tokenizer sees, with a mark after each syllable without a final
letter: no piece that ends in ``하`` matches the beginning of ``한``. Syllables without a piece fall back to their
letters, which are all in the vocabulary. Text without Hangul is unchanged.
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
"""Marks a syllable without a final letter. BERT's normalizer removes this character from texts."""

_INITIALS = [chr(code) for code in range(0x1100, 0x1113)]
_VOWELS = [chr(code) for code in range(0x1161, 0x1176)]
_FINALS = [chr(code) for code in range(0x11A8, 0x11C3)]
_LONE_LETTERS = [chr(code) for code in range(0x3131, 0x3164)]
_OPEN_SYLLABLE = "(?<=[\u1160-\u11a7])(?![\u1160-\u11ff])"


def extend_vocabulary(
    tokenizer: Any,
    texts: Iterable[str],
    counts: PieceCounts,
    script: str = "hangul",
    bounds: Bounds = no_bounds,
) -> tuple[Any, list[str]]:
    """Return a tokenizer with ``counts.size`` more pieces, or fewer if the texts have no more, and these pieces.

    Old pieces keep their ids, and so do texts without a letter of the script. The new pieces are returned in composed
    form, in the order of their ids. No piece crosses the ``bounds`` of a text in composed form.

    Raises:
        ConfigError: the script is not known.
        DataError: the texts have no word of the script.
        ModelError: the tokenizer has no fast version, or is no WordPiece.
    """
    old = _wordpiece(tokenizer)
    normalizer = _marking(old.normalizer) if script == "hangul" else old.normalizer
    as_seen = normalizer.normalize_str if normalizer is not None else str
    old_pieces = old.get_vocab()
    letters = [piece for piece in _letters(as_seen) if piece not in old_pieces] if script == "hangul" else []
    learned = _learn(texts, old, as_seen, script, counts, bounds)
    added: dict[str, str] = {piece: piece for piece in letters[: counts.size]}
    for piece in learned:
        added.setdefault(_stored(piece, as_seen), piece)
    pieces = [stored for stored in added if stored not in old_pieces][: counts.size]
    return _rebuild(tokenizer, old, normalizer, pieces), [added[stored] for stored in pieces]


def resize_embeddings(model: Any, old_tokenizer: Any, new_tokenizer: Any) -> int:
    """Add word embeddings for the new tokenizer's pieces to a model; return their number.

    A new row is the mean of the rows of the old pieces of the same text (for Hangul, its letters), or the mean of all
    rows if there are none.
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
            rows = list(_old_rows(new_tokenizer.convert_ids_to_tokens(row), vocabulary))
            weight[row] = old[rows].mean(0) if rows else everything
    return new_size - old_size


def _wordpiece(tokenizer: Any) -> Tokenizer:
    """Return a copy of the fast tokenizer without its padding and truncation."""
    if not getattr(tokenizer, "is_fast", False):
        raise ModelError(f"the tokenizer {type(tokenizer).__name__} has no fast version to extend; convert it first")
    serialized = json.loads(tokenizer.backend_tokenizer.to_str())
    kind = serialized["model"].get("type")
    if kind != "WordPiece" or serialized["model"]["continuing_subword_prefix"] != PREFIX:
        raise ModelError(
            f"the base has a {kind} vocabulary, but new pieces need a WordPiece vocabulary with {PREFIX}; "
            f"omit --vocabulary-size, or choose a base such as {OFFLINE_BASE}"
        )
    return Tokenizer.from_str(json.dumps(serialized | {"truncation": None, "padding": None}))


def _marking(normalizer: Any) -> Any:
    """Return the normalizer; one that decomposes Hangul also marks the ends of open syllables."""
    if normalizer is None or normalizer.normalize_str("가") != unicodedata.normalize("NFD", "가"):
        return normalizer
    return normalizers.Sequence([normalizer, normalizers.Replace(Regex(_OPEN_SYLLABLE), SYLLABLE_END)])


def _letters(as_seen: Any) -> list[str]:
    """Return all letters of modern Hangul as pieces, at the beginning of a word and within it."""
    if not as_seen("가").endswith(SYLLABLE_END):
        return []
    letters = [*_INITIALS, *_VOWELS, *_FINALS, SYLLABLE_END, *_LONE_LETTERS]
    return [*letters, *(PREFIX + letter for letter in letters)]


def _learn(
    texts: Iterable[str], old: Tokenizer, as_seen: Any, script: str, counts: PieceCounts, bounds: Bounds
) -> list[str]:
    # the composed form has no marks, so words are learned from the text before marking
    before = old.normalizer.normalize_str if old.normalizer is not None else str

    def without_marks(text: str) -> str:
        return before(text).replace(SYLLABLE_END, "")

    old_pieces = old.get_vocab()
    known_pieces = frozenset(_composed(piece) for piece in old_pieces if _stored(_composed(piece), as_seen) == piece)
    learned = learn_pieces(texts, without_marks, script, counts, known_pieces, bounds)
    if not learned:
        raise DataError(f"no word in {script} is frequent enough in the texts; give more texts of that language")
    return learned


def _composed(piece: str) -> str:
    return unicodedata.normalize("NFC", piece.replace(SYLLABLE_END, ""))


def _stored(piece: str, as_seen: Any) -> str:
    """Return a piece in the form that the tokenizer sees in a text."""
    if piece.startswith(PREFIX):
        return PREFIX + str(as_seen(piece.removeprefix(PREFIX)))
    return str(as_seen(piece))


def _rebuild(tokenizer: Any, old: Tokenizer, normalizer: Any, pieces: list[str]) -> Any:
    from transformers import PreTrainedTokenizerFast

    old.normalizer = normalizer
    serialized = json.loads(old.to_str())
    vocabulary = serialized["model"]["vocab"]
    first = max(len(tokenizer), max(vocabulary.values()) + 1)
    vocabulary.update({piece: first + number for number, piece in enumerate(pieces)})
    # not the base's own class: BertTokenizer builds its normalizer anew from its settings, without the marks
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(serialized)),
        model_max_length=tokenizer.model_max_length,
        model_input_names=tokenizer.model_input_names,
        clean_up_tokenization_spaces=False,
        **tokenizer.special_tokens_map,
    )


def _old_rows(piece: str, vocabulary: Mapping[str, int]) -> Iterator[int]:
    """Yield the rows of the longest old pieces that a new piece consists of; characters without one are skipped."""
    body = piece.removeprefix(PREFIX)
    start = 0
    while start < len(body):
        prefix = PREFIX if start or piece != body else ""
        ends = range(len(body), start, -1)
        end = next((end for end in ends if prefix + body[start:end] in vocabulary), None)
        if end is not None:
            yield vocabulary[prefix + body[start:end]]
        start = end or start + 1
