"""The texts that are encoded: passages, or windows of long passages; and the rule for what is long."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Protocol

import numpy as np

from dpr.array_files import open_array
from dpr.errors import ConfigError
from dpr.store.passages import PassageStore, first_alike
from dpr.types import IntArray, Passage, WindowArray
from dpr.value_types import check_fields

SLACK = 1.25
"""A passage of up to SLACK times the tokens of a window stays one vector."""

LEAST_WINDOW = 8
"""Smallest number of tokens of a window."""


@dataclass(frozen=True, slots=True)
class WindowRule:
    """How long passages are cut into windows: ``tokens`` each, ``overlap`` of them shared with the window before.

    A passage is long if its text has more than `SLACK` times ``tokens``, or more than the encoder reads of it. A window
    has as many tokens as the encoder reads beside the title, if that is fewer.
    """

    tokens: int = 100
    overlap: int = 25

    def __post_init__(self) -> None:
        check_fields(self)
        if self.tokens < LEAST_WINDOW:
            raise ConfigError(f"a window of {self.tokens} tokens is too short; choose at least {LEAST_WINDOW}")
        if not 0 <= self.overlap < self.tokens:
            raise ConfigError(
                f"the overlap of windows is {self.overlap} tokens; choose 0 or more, and fewer than the {self.tokens} "
                "of a window"
            )


DEFAULT_WINDOWS = WindowRule()
"""The default rule. It is compared by identity, so that an equal rule that the user chose differs from it."""


class EncodedTexts(Protocol):
    """The texts of a segment's vectors, in the order of the vectors."""

    def __len__(self) -> int:
        """Return the number of texts, which is that of the vectors."""

    def get(self, rows: Sequence[int]) -> list[Passage]:
        """Return the texts of some vectors."""

    def id(self, row: int) -> str:
        """Return the id of the passage of a vector."""

    def first_alike(self) -> IntArray:
        """Return the first vector whose text has the same title and the same text, for each vector, (V,)."""

    def beginnings(self) -> IntArray:
        """Return the first vector of each passage, (P,)."""


class WindowTexts:
    """The windows of passages, each with the id and the title of its passage; `EncodedTexts`."""

    def __init__(self, passages: PassageStore, windows: WindowArray) -> None:
        """Serve windows (V, 3) of passages, none of which is deleted."""
        self._passages = passages
        self._windows = windows

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self._windows)

    def get(self, rows: Sequence[int]) -> list[Passage]:
        """Return some windows, in the order of ``rows``."""
        return list(self._texts(self._windows[rows]))

    def id(self, row: int) -> str:
        """Return the id of the passage of a window."""
        return self._passages.id(int(self._windows[row, 0]))

    def first_alike(self) -> IntArray:
        """Return the first window of the same title and the same text, for each window, (V,)."""
        texts = self._texts(self._windows)
        return first_alike(((window.title, window.text) for window in texts), len(self))

    def beginnings(self) -> IntArray:
        """Return the first window of each passage, (P,)."""
        first: IntArray = np.unique(self._windows[:, 0], return_index=True)[1]
        return first

    def _texts(self, windows: WindowArray) -> Iterator[Passage]:
        for row, of_passage in groupby(windows.tolist(), key=lambda window: int(window[0])):
            passage = self._passages[row]
            for _, start, end in of_passage:
                yield replace(passage, text=passage.text[start:end], start=passage.start + start)


def open_windows(path: Path, vectors: int) -> WindowArray:
    """Map the windows of a segment, (V, 3) int32, read-only.

    Raises:
        IndexFormatError: the file is absent, damaged, or of another shape or type.
    """
    return open_array(path, np.int32, (vectors, 3))
