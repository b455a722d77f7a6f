"""Compounds of words, digits and signs without a blank: ``wi-fi``, ``GPT-4``, ``SM-G991N``, ``C++``, ``$100``.

People write a compound apart, joined or with another sign. Its terms are therefore its units (letters, or a number),
each word between signs that has letters and digits, and all of it joined. Signs are dropped, except between digits:
``wi-fi`` is ``wifi``, and ``1/2`` is not ``12``. A sign at an edge that changes the word gives one more term: ``c++``.
"""

from __future__ import annotations

import re

from dpr.text.normalize import fold


def compound_pattern(letters: str) -> str:
    """Return the pattern of a word or a compound; ``letters`` is the class of the characters of words."""
    connected = r"(?:[-_./&+@:·*]|'(?![sS](?!\w))|(?<=\d),(?=\d{3}(?!\d)))"  # the s of a possessive is no part of it
    before = r"""(?:(?<![^\s(\[{"'])(?:[.@#](?=[^\W\d_])|[-@#$€£¥₩](?=\d)))?"""
    after = rf"(?:(?<=[^\W\d_])(?:\+\+|[+#](?!{letters}))|(?<=\d)[%$€£¥₩](?!{letters}))?"
    return f"{before}{letters}+(?:{connected}{letters}+)*{after}"


_UNIT = re.compile(r"(?<!\d\.)\d+\.\d+(?!\.?\d)|\d+|[^\W\d_]+")


def compound_terms(compound: str) -> tuple[list[str], list[str]]:
    """Return the folded units of a compound, and its other terms, if any.

    Commas of thousands are dropped: ``1,234.5`` is the unit ``1234.5``.
    """
    compound = compound.replace(",", "")
    matches = list(_UNIT.finditer(compound))
    units = [fold(match[0]) for match in matches]
    words, joined, end = [""], "", matches[0].start()
    for match, unit in zip(matches, units, strict=True):
        if sign := compound[end : match.start()]:
            words.append("")
            joined += sign if joined[-1].isdigit() and unit[0].isdigit() else ""
        words[-1] += unit
        joined += unit
        end = match.end()
    before, after = compound[: matches[0].start()], compound[end:]
    if after in _CURRENCIES:
        before, after = after, ""
    signed = [before + words[0]] if before else []
    signed += [words[-1] + after] if after else []
    return units, [term for term in dict.fromkeys((*words, joined, *signed)) if term not in units]


_CURRENCIES = frozenset("$€£¥₩")
