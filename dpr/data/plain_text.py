"""Plain text to learn a language from: one text a line, or the passages of a source, read as a stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dpr.data.files import read_lines
from dpr.data.identity import unique_passages
from dpr.data.passages import read_examples, read_passages
from dpr.types import Passage

PLAIN_ENDINGS = (".txt", ".txt.gz")


@dataclass(frozen=True, slots=True)
class PlainText(Iterable[str]):
    """The texts of one source; each iteration reads it anew.

    A source is a file of one text a line (``.txt``, ``.txt.gz``; blank lines are left out) or what
    `dpr.data.passages` reads: passage files, folders, ``kind:PATH``, and ``kind:PATH@FIRST:LAST`` for the passages of
    some articles. Of passages only the text counts, not the title.
    """

    source: str

    def __iter__(self) -> Iterator[str]:
        """Yield the texts.

        Raises:
            DataError: the source cannot be read or is not UTF-8.
        """
        if self.source.endswith(PLAIN_ENDINGS):
            return (line.strip() for _, line in read_lines(Path(self.source)))
        return (passage.text for passage in passages_of(self.source))


def passages_of(source: str) -> Iterator[Passage]:
    """Yield the passages of a source, or of some of its articles (``kind:PATH@FIRST:LAST``), each once."""
    if "@" not in source or Path(source).exists():
        return read_passages(source)
    return unique_passages(passage for example in read_examples(source) for passage in example.positives)
