"""The files of a source: a file, a folder with all that is below it, or a pattern; and the name of each in an index."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from dpr.data.files import PACKED_ENDINGS
from dpr.data.intake import UTF8_RULES, ReadRules, listed_others
from dpr.data.rows import listed_formats, row_format
from dpr.documents.formats import FORMATS as DOCUMENT_FORMATS
from dpr.errors import DataError
from dpr.unicode_form import as_on_disk, composed, is_there, name_of_file

_DEVICE = "pipes or devices"

_PATTERN_CHARACTERS = frozenset("*?[")

_DOCUMENT_ENDING = re.compile(
    f"({'|'.join(map(re.escape, DOCUMENT_FORMATS))})(?:{'|'.join(map(re.escape, PACKED_ENDINGS))})?\\Z"
)
"""The ending of a document's name in lower case, with that of compression if there is one."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file, and its name in an index: that of its folder and the path in it, wherever the folder is."""

    path: Path
    name: str

    @property
    def document_ending(self) -> str:
        """The ending of a document, without that of compression; empty for a file of rows, and for other files."""
        ending = _DOCUMENT_ENDING.search(self.path.name.lower())
        return ending[1] if ending else ""


def is_read(path: str, rules: ReadRules, other_files: Counter[str]) -> bool:
    """Tell whether the file of a path below a folder is read; an admitted one that no format reads is counted.

    It is admitted if a pattern includes it (without any, all), and none excludes it. What begins with a dot, or with
    the ``~$`` of an office program's lock, is not the user's.
    """
    names = path.split("/")
    if any(map(_is_hidden, names)):
        return False
    if (rules.include and not _matches(names, rules.include)) or _matches(names, rules.exclude):
        return False
    if _DOCUMENT_ENDING.search(names[-1].lower()) or row_format(Path(names[-1])):
        return True
    other_files[PurePosixPath(names[-1]).suffix.lower() or "no ending"] += 1
    return False


def is_pattern(name: str) -> bool:
    """Tell whether a name has one of ``*?[``, by which it may be a pattern of names."""
    return not _PATTERN_CHARACTERS.isdisjoint(name)


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "~$"))


def _matches(names: Sequence[str], patterns: Sequence[str]) -> bool:
    """Tell whether the names of a path match a pattern; either may be composed or decomposed."""
    if not patterns:
        return False
    names = tuple(map(name_of_file, names))
    path = "/".join(names)
    return any(
        fnmatchcase(path, pattern) if "/" in pattern else any(fnmatchcase(name, pattern) for name in names)
        for pattern in map(composed, patterns)
    )


def source_files(
    path: Path, rules: ReadRules = UTF8_RULES, other_files: Counter[str] | None = None
) -> list[SourceFile]:
    """Return the files of a path, sorted; count by their ending the ``other_files`` of a folder, which no format reads.

    A path that does not exist and has one of ``*?[`` is a pattern, in which ``**`` are folders of any depth.

    A pipe or a device that has the name of a file of rows is counted with them; one of a document is a bad document.

    Raises:
        DataError: a folder has, or a pattern matches, no file that can be read; or a folder in it cannot be read.
    """
    counts: Counter[str] = Counter() if other_files is None else other_files
    if path.is_dir():
        root, below = path, _below(path, rules)
    elif not is_there(path) and is_pattern(str(path)):
        root = as_on_disk(_fixed_part(path))
        matches = _matching(root, str(path.relative_to(_fixed_part(path))))
        below = (match.relative_to(root).as_posix() for match in matches)
    else:
        return [SourceFile(path, name_of_file(path.name))]
    folder = root.resolve().name
    files = [
        SourceFile(root / name, name_of_file(f"{folder}/{name}" if folder else name))
        for name in below
        if is_read(name, rules, counts)
    ]
    files = [file for file in files if file.document_ending or not _is_endless(file.path, counts)]
    if not files:
        raise DataError.at(path, None, without_files(rules, counts, is_folder=path.is_dir()))
    return files


def _below(folder: Path, rules: ReadRules) -> Iterator[str]:
    """Yield the path from a folder of each file below it, sorted; links to folders, which may circle, are left out.

    Folders that are hidden, or excluded by their name, are not looked into.
    """

    def refuse(error: OSError) -> None:
        if not _matches(Path(error.filename).relative_to(folder).parts, rules.exclude):
            cause = f"the folder cannot be read ({error.strerror}), and what is in it would be missing"
            raise DataError.at(error.filename, None, f"{cause}; allow it, or leave it out (--exclude)")

    by_name = tuple(pattern for pattern in rules.exclude if "/" not in pattern)
    for parent, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not _is_hidden(name) and not _matches((name,), by_name))
        between = Path(parent).relative_to(folder).parts
        yield from ("/".join((*between, name)) for name in sorted(names))


def _matching(root: Path, pattern: str) -> list[Path]:
    """Return the files below a folder that match a pattern, sorted, whichever Unicode form their names have."""
    forms = {pattern, *(unicodedata.normalize(form, pattern) for form in ("NFC", "NFD"))}
    return sorted({match for form in forms for match in root.glob(form) if match.is_file()})


def _is_endless(path: Path, counts: Counter[str]) -> bool:
    """Tell whether a file of rows is a pipe or a device, and count it; the converters look at documents themselves."""
    if not path.exists() or path.is_file():
        return False
    counts[_DEVICE] += 1
    return True


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
