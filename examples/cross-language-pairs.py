"""Make training pairs whose question and passage are in different languages, from sentences and their translations.

    python examples/cross-language-pairs.py --lines 6 --output docs.jsonl python-docs-en-ko.tsv.gz
    python examples/cross-language-pairs.py --lines 1 --output sts.jsonl sts-en-ko.tsv.gz

A passage is some neighbouring lines in one language, its questions are two of them in the other. Every second passage
is in the second language, so that a batch has passages of the question's own language too, all of them wrong: else
nothing says that language is no reason to prefer a passage.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

MARKUP = re.compile(r":[a-z:]+:(?=`)|[`*\\]|(?<=\w)_(?=\s|$)|<[^>]*>")
QUESTIONS = 2
LEAST, MOST = 12, 300
"""Characters of a line that can be a question."""

Line = tuple[str, str]
"""A sentence and its translation."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parallel", type=Path, nargs="+", help=".tsv.gz files of a sentence and its translation")
    parser.add_argument("--lines", type=int, default=1, help="neighbouring lines of a passage")
    parser.add_argument("--output", type=Path, required=True, help="the file of pairs, .jsonl")
    options = parser.parse_args()
    with options.output.open("w", encoding="utf-8") as file:
        for path in options.parallel:
            for question, passage in pairs(list(translated(path)), options.lines):
                file.write(json.dumps({"question": question, "passage": passage}, ensure_ascii=False) + "\n")


def translated(path: Path) -> Iterator[Line]:
    """Yield the lines that are different in the two languages, without markup."""
    with gzip.open(path, "rt", encoding="utf-8") as rows:
        for row in rows:
            source, target = (MARKUP.sub("", cell).strip() for cell in row.rstrip("\n").split("\t"))
            if has_hangul(target) and not has_hangul(source):
                yield source, target


def has_hangul(text: str) -> bool:
    """Say whether at least three in ten letters are Hangul."""
    letters = [character for character in text if character.isalpha()]
    return sum("가" <= letter <= "힣" for letter in letters) > 0.3 * len(letters)


def pairs(lines: Sequence[Line], length: int) -> Iterator[tuple[str, str]]:
    """Yield questions and passages, by turns from the first language to the second and back. No line is used twice."""
    used: set[str] = set()
    for number, first in enumerate(range(0, len(lines), length)):
        block = lines[first : first + length]
        question_side, passage_side = (0, 1) if number % 2 else (1, 0)
        passage = "\n".join(line[passage_side] for line in block)
        fit = [line for line in block if LEAST <= len(line[question_side]) <= MOST and line[question_side] not in used]
        for line in sorted(fit, key=lambda line: -len(line[question_side]))[:QUESTIONS]:
            used.update(line)
            yield line[question_side], passage


if __name__ == "__main__":
    main()
