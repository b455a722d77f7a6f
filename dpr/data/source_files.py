"""The files of a source: a file, a folder with all that is below it, or a pattern; and the name of each in an index."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from dpr.data.files import PACKED_ENDINGS
from dpr.data.intake import UTF8_RULES, ReadRules, listed_others
from dpr.data.rows import listed_formats, row_format
from dpr.documents.formats import FORMATS as DOCUMENT_FORMATS
from dpr.errors import DataError
from dpr.unicode_form import as_on_disk, composed, is_there

_PATTERN_CHARACTERS = frozenset("*?[")

DOCUMENT_ENDINGS = tuple(ending + packed for ending in DOCUMENT_FORMATS for packed in ("", *PACKED_ENDINGS))
"""The endings of documents, those of compressed ones included."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file, and its name in an index: that of its folder and the path in it, wherever the folder is."""

    path: Path
    name: str

    @property
    def document_ending(self) -> str:
        """The ending of a document, without that of compression; empty for a file of rows, and for other files."""
        name = self.path.name.lower()
        return next(
            (
                ending
                for ending in DOCUMENT_FORMATS
                if any(name.endswith(ending + packed) for packed in ("", *PACKED_ENDINGS))
            ),
            "",
        )


def is_read(path: PurePosixPath, rules: ReadRules, other_files: Counter[str]) -> bool:
    """Tell whether a file below a folder is read; one that is admitted, but that no format reads, is counted.

    It is admitted if a pattern includes it (without any, all), and none excludes it. What begins with a dot, or with
    the ``~$`` of an office program's lock, is not the user's.
    """
    if any(name.startswith((".", "~$")) for name in path.parts):
        return False
    if (rules.include and not _matches(path, rules.include)) or _matches(path, rules.exclude):
        return False
    if row_format(path) or path.name.lower().endswith(DOCUMENT_ENDINGS):
        return True
    other_files[path.suffix.lower() or "no ending"] += 1
    return False


def is_pattern(name: str) -> bool:
    """Tell whether a name has one of ``*?[``, by which it may be a pattern of names."""
    return not _PATTERN_CHARACTERS.isdisjoint(name)


def _matches(path: PurePosixPath, patterns: Iterable[str]) -> bool:
    return any(
        fnmatchcase(str(path), pattern) if "/" in pattern else any(fnmatchcase(name, pattern) for name in path.parts)
        for pattern in patterns
    )


def source_files(
    path: Path, rules: ReadRules = UTF8_RULES, other_files: Counter[str] | None = None
) -> list[SourceFile]:
    """Return the files of a path, sorted; count by their ending the ``other_files`` of a folder, which no format reads.

    A path that does not exist and has one of ``*?[`` is a pattern, in which ``**`` are folders of any depth.

    Raises:
        DataError: a folder has, or a pattern matches, no file that can be read.
    """
    counts: Counter[str] = Counter() if other_files is None else other_files
    if path.is_dir():
        root = path
        paths: Iterable[Path] = _below(path)
    elif not is_there(path) and is_pattern(str(path)):
        root = as_on_disk(_fixed_part(path))
        paths = sorted(match for match in root.glob(str(path.relative_to(_fixed_part(path)))) if match.is_file())
    else:
        return [SourceFile(path, composed(path.name))]
    files = []
    for file in paths:
        below = PurePosixPath(file.relative_to(root).as_posix())
        if is_read(below, rules, counts):
            files.append(SourceFile(file, composed(str(root.resolve().name / below))))
    if not files:
        raise DataError.at(path, None, without_files(rules, counts, is_folder=path.is_dir()))
    return files


def _below(folder: Path) -> Iterator[Path]:
    """Yield all files below a folder, sorted; links to folders, which may lead in circles, are not followed."""
    for parent, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(parent) / name for name in sorted(names))


def _fixed_part(pattern: Path) -> Path:
    """Return the folders of a pattern before the first one with a special character."""
    parents = [parent for parent in pattern.parents if not is_pattern(str(parent))]
    return parents[0]


def without_files(rules: ReadRules, other_files: Mapping[str, int], *, is_folder: bool) -> str:
    """Return why a folder or a pattern is no source: it has no file that can be read."""
    subject = "the folder has no" if is_folder else "the pattern matches no"
    limits = " that --include and --exclude leave" if rules.include or rules.exclude else ""
    has = f"; it has {listed_others(other_files)}" if other_files else ""
    return f"{subject} {listed_formats()} file and no document ({', '.join(DOCUMENT_FORMATS)}){limits}{has}"
