"""Sources: where passages and questions come from, named by one string.

A source is a FILE (``.jsonl``, ``.tsv``, each also with ``.gz`` or ``.zst``, or ``.parquet``), a folder of such files,
or ``kind:PATH``: the passages, and the questions, of a question-answering data set. ``kind:PATH@FIRST:LAST`` names the
questions of some of its articles, by their order: ``squad:train.json@:40`` the first forty, ``@40:`` the others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dpr.data.beir import read_beir, read_beir_corpus
from dpr.data.boolq import read_boolq
from dpr.data.dpr_json import read_dpr_json
from dpr.data.examples import Examples
from dpr.data.files import Place, as_on_disk
from dpr.data.identity import UniquePassages
from dpr.data.pairs import read_pairs
from dpr.data.qed import read_qed
from dpr.data.rows import passage_of, read_rows, row_format
from dpr.data.squad import read_squad, read_squad_passages
from dpr.errors import DataError
from dpr.types import Example, Passage

Located = Iterator[tuple[Place, Passage]]


@dataclass(frozen=True, slots=True)
class Kind:
    """How to read a data set as questions and as passages, as they are.

    The same passage may come more than once, and a passage or a question without text stands for one that the data set
    names but does not hold: `Examples` and `UniquePassages` leave these out and count them.
    """

    examples: Callable[[Path], Iterator[Example]]
    passages: Callable[[Path], Located]


def _squad_passages(path: Path) -> Located:
    return ((Place(path), passage) for passage in read_squad_passages(path))


def _labelled_passages(examples: Callable[[Path], Iterator[Example]]) -> Callable[[Path], Located]:
    """Read the passages of a format whose passages stand beside its questions."""

    def passages(path: Path) -> Located:
        for example in examples(path):
            for passage in (*example.positives, *example.negatives):
                yield Place(path), passage

    return passages


_SQUAD = Kind(read_squad, _squad_passages)

KINDS: Mapping[str, Kind] = {
    "squad": _SQUAD,
    "korquad": _SQUAD,
    "klue": _SQUAD,
    "beir": Kind(read_beir, read_beir_corpus),
    "dpr": Kind(read_dpr_json, _labelled_passages(read_dpr_json)),
    "qed": Kind(read_qed, _labelled_passages(read_qed)),
    "boolq": Kind(read_boolq, _labelled_passages(read_boolq)),
    "pairs": Kind(read_pairs, _labelled_passages(read_pairs)),
}
"""What may stand before the colon of ``kind:PATH``."""

_ARTICLES = re.compile(r"(.+)@(-?\d*):(-?\d*)")
_KIND_AND_PATH = re.compile(r"([A-Za-z][\w.-]*):(.+)")


def read_passages(source: str) -> Iterator[Passage]:
    """Yield a source's passages as a stream, in order; those of a ``kind:PATH`` without repeats.

    Raises:
        DataError: the source cannot be read, or holds no passages; a row cannot be read, has no text, or is not UTF-8.
    """
    kind, _ = _parse(source)
    return (passage for _, passage in _located(source)) if kind is None else read_corpus([source])


def read_corpus(sources: Iterable[str]) -> UniquePassages:
    """Return the passages of all sources as one stream without repeats.

    Raises:
        DataError: while iterating, as `read_passages`; also where an id comes again with another title or text.
    """
    return UniquePassages(located for source in sources for located in _located(source))


def read_examples(source: str) -> Examples:
    """Return the questions of ``kind:PATH`` or ``kind:PATH@FIRST:LAST`` with their labelled passages, in order.

    Raises:
        DataError: the source cannot be read or holds no questions; a question cannot be read, its answers do not stand
            where they are said to, or its id comes again with another question.
    """
    whole, first, last = _articles(source)
    kind, path = _parse(whole)
    if kind is None:
        known = ", ".join(f"{name}:" for name in KINDS)
        raise DataError(f"{source}: is not a source of questions; name its kind, one of {known}")
    return Examples(kind.examples(path), path, None if whole == source else (first, last))


def files_of(source: str) -> list[Path]:
    """Return the files that a source's passages are read from.

    Raises:
        DataError: a kind is unknown, or a folder holds no file of passages.
    """
    kind, path = _parse(source)
    if kind is None:
        return _files(path)
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def _articles(source: str) -> tuple[str, int | None, int | None]:
    """Return a source without its articles, and the first and the last (excluded) of them."""
    match = _ARTICLES.fullmatch(source)
    if match is None:
        return source, None, None
    whole, *ends = match.groups()
    first, last = (int(end) if end else None for end in ends)
    return whole, first, last


def _parse(source: str) -> tuple[Kind | None, Path]:
    match = _KIND_AND_PATH.fullmatch(source)
    if match is None or as_on_disk(Path(source)).exists():
        return None, as_on_disk(Path(source))
    name, path = match.groups()
    if name not in KINDS:
        raise DataError(f"{source}: unknown kind {name!r}; use one of {', '.join(KINDS)}, or the path of a file alone")
    return KINDS[name], as_on_disk(Path(path))


def _located(source: str) -> Located:
    kind, path = _parse(source)
    is_empty = True
    for place, passage in kind.passages(path) if kind else _file_passages(path):
        is_empty = is_empty and not passage.text.strip()
        yield place, passage
    if is_empty:
        raise DataError.at(path, None, "the corpus is empty; it holds no passage to index")


def _file_passages(path: Path) -> Located:
    for file in _files(path):
        for record in read_rows(file):
            yield record.place, passage_of(record)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.iterdir() if file.is_file() and row_format(file))
    if not files:
        raise DataError.at(path, None, "the folder holds no .jsonl, .tsv or .parquet file")
    return files
