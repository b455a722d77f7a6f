"""How documents are cut into passages: by their structure, to what the encoder reads; or all texts to some tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import lru_cache
from typing import Protocol, runtime_checkable

from dpr.data.chunk import chunk
from dpr.data.digests import row_digest
from dpr.data.document_chunks import Budget, chunk_document
from dpr.data.documents import Document
from dpr.errors import ConfigError
from dpr.measured import MeasuresPassages, MeasuresTexts
from dpr.store.manifest import Provenance
from dpr.types import Encoder, Passage
from dpr.value_types import check_fields

MOST_DOCUMENT_TOKENS = 512
"""Of a passage of a document, whatever the encoder could read: a passage is also what a person and a reader read."""

DOCUMENT_WORDS = 250
"""Of a passage of a document, without an encoder that counts tokens: Korean words are some two tokens."""

TITLES_AT_A_TIME = 4096
"""Whose room is remembered."""


@dataclass(frozen=True, slots=True)
class ChunkOptions:
    """How texts are cut into passages, of which ``overlap`` tokens are also in the one before.

    With ``tokens``, all texts are cut into passages of at most so many. Without, the documents are, to what the encoder
    reads, and rows of files are passages as they are.

    Raises:
        ConfigError: a number is out of range.
    """

    tokens: int | None = None
    _: KW_ONLY
    overlap: int = 0

    def __post_init__(self) -> None:
        check_fields(self)
        if self.tokens is not None and self.tokens < 1:
            raise ConfigError(f"passages of {self.tokens} tokens are empty; choose at least 1")
        if self.overlap < 0 or (self.tokens is not None and self.overlap >= self.tokens):
            fewer = "" if self.tokens is None else f", and fewer than the {self.tokens} of a passage"
            raise ConfigError(f"the overlap of passages is {self.overlap} tokens; choose 0 or more{fewer}")

    @classmethod
    def from_provenance(cls, provenance: Provenance) -> ChunkOptions | None:
        """Return how the texts of a generation were cut; None if they were not."""
        if provenance.chunk_tokens is None and not provenance.cuts_documents:
            return None
        return cls(provenance.chunk_tokens, overlap=provenance.overlap_tokens)


CUT_DOCUMENTS = ChunkOptions()
"""The default: documents are cut to what the encoder reads."""


@runtime_checkable
class CountsTokens(Protocol):
    """An encoder that counts the tokens of a text."""

    def count_tokens(self, text: str) -> int:
        """Return a text's number of tokens, special tokens not counted."""


def token_counter(encoder: Encoder | None) -> Callable[[str], int]:
    """Return the encoder's token counter, or a counter of words where it has none."""
    return encoder.count_tokens if isinstance(encoder, CountsTokens) else count_words


def count_words(text: str) -> int:
    """Return the number of words between blanks."""
    return len(text.split())


def document_tokens(encoder: object) -> int:
    """Return the size of a document's passages: what the encoder reads, at most `MOST_DOCUMENT_TOKENS`."""
    if not isinstance(encoder, MeasuresPassages) or not isinstance(encoder, CountsTokens):
        return DOCUMENT_WORDS
    return min(encoder.passage_tokens, MOST_DOCUMENT_TOKENS)


class Cutter:
    """Cuts texts into passages as the options say; an encoder counts their tokens, else they are words."""

    def __init__(self, options: ChunkOptions | None, encoder: Encoder | None) -> None:
        self._options = options
        self._count_tokens = token_counter(encoder)
        tokens = None if options is None else options.tokens
        self._budget: Budget = _room_beside_title(encoder) if tokens is None else lambda _: tokens

    def digest(self, text: Passage) -> str:
        """Return the hash of a text that is cut; empty for one that is a passage as it is."""
        if isinstance(text, Document):
            return text.digest
        return row_digest(text) if self._options is not None and self._options.tokens is not None else ""

    def cut(self, text: Passage) -> Sequence[Passage]:
        """Return the passages of a text, or the text itself if texts of its kind are not cut.

        Raises:
            ConfigError: the overlap is too large for the passages, or a character is over their size.
        """
        options = self._options
        if options is None:
            return [text]
        if isinstance(text, Document):
            return chunk_document(text, self._budget, options.overlap, self._count_tokens)
        if options.tokens is None:
            return [text]
        return chunk(text, options.tokens, options.overlap, self._count_tokens)


def _room_beside_title(encoder: object) -> Budget:
    """Return the tokens of a text that the encoder reads beside a title."""
    most = document_tokens(encoder)
    if not isinstance(encoder, MeasuresTexts) or not isinstance(encoder, MeasuresPassages):
        return lambda _: most
    long_text = "a " * encoder.passage_tokens

    @lru_cache(TITLES_AT_A_TIME)
    def room(title: str) -> int:
        (tokens,) = encoder.text_tokens([Passage("", long_text, title)])
        return max(1, min(tokens.read, most))

    return room
