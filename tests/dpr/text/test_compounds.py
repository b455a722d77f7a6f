from __future__ import annotations

import pytest

from dpr.text.scripts import runs_of


@pytest.mark.parametrize(
    ("text", "words", "compounds"),
    [
        ("wi-fi", ["wi", "fi"], ["wifi"]),
        ("state-of-the-art", ["state", "of", "the", "art"], ["stateoftheart"]),
        ("O'Brien's don't", ["o", "brien", "s", "don", "t"], ["obrien", "dont"]),
        ("U.S.", ["u", "s"], ["us"]),
        ("AT&T TCP/IP", ["at", "t", "tcp", "ip"], ["att", "tcpip"]),
        ("GPT4 GPT-4", ["gpt", "4", "gpt", "4"], ["gpt4", "gpt4"]),
        ("SM-G991N", ["sm", "g", "991", "n"], ["g991n", "smg991n"]),
        ("3.5kg 1990s", ["3.5", "kg", "1990", "s"], ["3.5kg", "1990s"]),
        ("1/2 10:30 1939-1945", ["1", "2", "10", "30", "1939", "1945"], ["1/2", "10:30", "1939-1945"]),
        ("v2.0.1 2024.01.15", ["v", "2", "0", "1", "2024", "01", "15"], ["v2", "v2.0.1", "2024.01.15"]),
        ("a@b.org", ["a", "b", "org"], ["aborg"]),
        ("https://x.org/a", ["https", "x", "org", "a"], ["xorga"]),
        ("C++ (C#) A+ C++11 C++는", ["c", "c", "a", "c", "11", "c"], ["c++", "c#", "a+", "c++", "c++"]),
        (".NET @home #metoo #1", ["net", "home", "metoo", "1"], [".net", "@home", "#metoo", "#1"]),
        (
            "$100 100€ €5 100% -40 $1,000",
            ["100", "100", "5", "100", "40", "1000"],
            ["$100", "€100", "€5", "100%", "-40", "$1000"],
        ),
        ("end.Next ... - a . b", ["end", "next", "a", "b"], ["endnext"]),
        ("5 - 3 e.g.", ["5", "3", "e", "g"], ["eg"]),
    ],
)
def test_a_compound_has_its_units_and_what_they_make_together(
    text: str, words: list[str], compounds: list[str]
) -> None:
    runs = runs_of(text)
    assert (runs.words, runs.compounds) == (words, compounds)
