from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import unicodedata

import pytest

from dpr.errors import ConfigError
from dpr.train.adaptation.wordpieces import PieceCounts, learn_pieces, letters_of

NOTHING: frozenset[str] = frozenset()


def learn(texts: list[str], size: int = 100, **counts: int) -> list[str]:
    return learn_pieces(texts, str.lower, "hangul", PieceCounts(size, **counts), NOTHING)


def test_characters_by_frequency_then_longer_pieces() -> None:
    found = learn(["나라 나라 나라 나라가"] * 2, min_frequency=2)
    assert found == ["##라", "나", "##가", "나라", "나라가"]
    assert learn(["나라 나라 나라 나라가"] * 2, min_frequency=3) == ["##라", "나", "나라"]
    assert learn(["나라 나라 나라 나라가"] * 2, size=2, min_frequency=2) == ["##라", "나"]
    assert learn(["나라 나라 나라 나라가"] * 2, min_frequency=2, characters=1) == ["##라", "나라", "나라가"]


def test_hangul_behind_other_letters_goes_on_a_word() -> None:
    found = learn(["KBS에서 2020에서 (에서) 漢에서"] * 3)
    assert {"##에", "##서", "에", "에서", "##에서"} == set(found)


def test_other_letters_are_no_part_of_a_piece() -> None:
    assert learn(["가a나가 가b나가"] * 3) == ["##가", "##나", "가", "##나가"]


def test_no_piece_crosses_the_bounds() -> None:
    texts = ["사건의 사건을 KBS사건의"] * 3

    def before_particles(text: str) -> list[int]:
        return [place for place, letter in enumerate(text) if letter in "의을"]

    whole = set(learn(texts))
    parted = set(learn_pieces(texts, str.lower, "hangul", PieceCounts(100), NOTHING, before_particles))
    assert {"사건의", "사건을", "##사건의"} <= whole
    assert parted == {"사", "##사", "##건", "##의", "##을", "사건", "##사건"}


def test_known_pieces_are_not_learned_again() -> None:
    texts = ["나라 나라"] * 3
    assert learn_pieces(texts, str, "hangul", PieceCounts(9), frozenset({"나라", "나"})) == ["##라"]


def test_decomposed_text_is_learned_composed() -> None:
    assert learn([unicodedata.normalize("NFD", "나라 한국")] * 3) == learn(["나라 한국"] * 3)


def test_bad_numbers_and_scripts() -> None:
    with pytest.raises(ConfigError, match="the vocabulary's size is 0"):
        PieceCounts(0)
    with pytest.raises(ConfigError, match="min_frequency is -1"):
        PieceCounts(5, min_frequency=-1)
    with pytest.raises(ConfigError, match="unknown script"):
        letters_of("latin")


def test_the_same_texts_give_the_same_pieces_in_any_process() -> None:
    digests = (hashlib.sha256(str(number).encode()).digest() for number in range(150))
    words = ["".join(chr(0xAC00 + byte % 24) for byte in digest[:4]) for digest in digests]
    program = (
        "import json; from dpr.train.adaptation.wordpieces import PieceCounts, learn_pieces\n"
        f"pieces = learn_pieces({words * 2!r}, str, 'hangul', PieceCounts(120, min_frequency=2), frozenset())\n"
        "print(json.dumps(pieces))"
    )
    found = []
    for _ in range(2):
        run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        found.append(json.loads(run.stdout))
    assert found[0] == found[1] == learn(words * 2, 120, min_frequency=2)
    assert len(found[0]) == 120
    assert len(found[0][-1].removeprefix("##")) > 1
