from __future__ import annotations

import logging
import unicodedata
from pathlib import Path

import pytest

from dpr.config import DEFAULT_BASE, OFFLINE_BASE
from dpr.data.passages import read_examples
from dpr.models.checkpoint import load_tokenizer, resolve
from dpr.train.batches import Source
from dpr.train.vocabulary_fit import splits, texts_of, warn_of_splits

GERMAN = "Die Würde des Menschen ist unantastbar; sie zu achten ist Verpflichtung aller staatlichen Gewalt."
RUSSIAN = "Все люди рождаются свободными и равными в своём достоинстве и правах."


@pytest.fixture(scope="module")
def texts(demo_files: tuple[Path, Path]) -> dict[str, list[str]]:
    english, korean = (texts_of([Source("demo", list(read_examples(f"squad:{path}")))]) for path in demo_files)
    decomposed = [unicodedata.normalize("NFD", text) for text in korean]
    return {"english": english, "korean": korean, "decomposed": decomposed, "german": [GERMAN], "russian": [RUSSIAN]}


@pytest.mark.parametrize(
    ("base", "language", "is_bad"),
    [
        (OFFLINE_BASE, "english", False), (OFFLINE_BASE, "korean", True), (OFFLINE_BASE, "decomposed", True),
        (OFFLINE_BASE, "german", False), (OFFLINE_BASE, "russian", True),
        (DEFAULT_BASE, "english", False), (DEFAULT_BASE, "korean", False), (DEFAULT_BASE, "decomposed", False),
    ],
)  # fmt: skip
def test_a_vocabulary_without_words_of_the_language_is_warned_of(
    base: str, language: str, is_bad: bool, texts: dict[str, list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        warn_of_splits(load_tokenizer(resolve(base)), texts[language], base)
    assert len(caplog.messages) == is_bad
    if is_bad:
        assert caplog.messages[0].startswith(f"the vocabulary of {base} makes ")
        assert "dpr adapt --vocabulary-size" in caplog.messages[0]


def test_pieces_and_unknown_characters_are_counted() -> None:
    tokenizer = load_tokenizer(resolve(OFFLINE_BASE))
    [latin] = splits(tokenizer, ["The cat (and the dog) sat, 1848."])
    assert (latin.script, latin.pieces_per_character, latin.unknown) == ("LATIN", 6 / 18, 0.0)
    long = "대한민국의 수도는 서울이며 한강이 흐른다 " * 3
    assert [split.script for split in splits(tokenizer, [f"{long} KBS"])] == ["HANGUL"]
    assert [split.script for split in splits(tokenizer, [f"{long} a word in ten characters"])] == ["HANGUL", "LATIN"]
    assert splits(tokenizer, ["1848 — 1891"]) == []
    assert splits(tokenizer, []) == []
