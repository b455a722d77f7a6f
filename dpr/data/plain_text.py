"""Plain texts for training: one text a line, or the passages of a source, read as a stream."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dpr.data.files import read_lines, with_packed
from dpr.data.intake import UTF8_RULES, BadRows, Intake, ReadRules
from dpr.data.passages import read_passages

logger = logging.getLogger(__name__)

PLAIN_ENDINGS = with_packed((".txt",))


@dataclass(frozen=True, slots=True)
class PlainText(Iterable[str]):
    """The texts of one source; each iteration reads it again.

    A source is a file with one text a line (``.txt``, ``.txt.gz``; blank lines are skipped) or a source of
    `dpr.data.passages`: a file of passages, a folder, ``kind:PATH``, or ``kind:PATH@FIRST:LAST`` for the passages of
    some articles. Titles of passages are not used.
    """

    source: str
    rules: ReadRules = UTF8_RULES

    def __iter__(self) -> Iterator[str]:
        """Yield the texts.

        Raises:
            DataError: the source cannot be read or is not UTF-8.
        """
        if self.source.endswith(PLAIN_ENDINGS):
            return self._lines()
        return (passage.text for passage in read_passages(self.source, self.rules))

    def _lines(self) -> Iterator[str]:
        bad_rows = BadRows(self.rules.skip_bad_rows)
        for _, line in read_lines(Path(self.source), Intake(self.rules.encoding, bad_rows.add)):
            yield line.strip()
        bad_rows.refuse()
        bad_rows.log(logger)
