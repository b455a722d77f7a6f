from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from dpr.data.plain_text import PlainText
from dpr.errors import DataError

LINES = "첫 줄입니다.\r\n\n  second line \n셋째\n"


@pytest.mark.parametrize("name", ["text.txt", "text.txt.gz"])
def test_a_line_is_a_text_and_can_be_read_again(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    raw = LINES.encode()
    path.write_bytes(gzip.compress(raw) if name.endswith("gz") else raw)
    text = PlainText(str(path))
    assert list(text) == ["첫 줄입니다.", "second line", "셋째"]
    assert list(text) == list(text)


def test_a_large_file_is_a_stream(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(b"good\n" * 10_000 + b"\xff\n")
    texts = iter(PlainText(str(path)))
    assert [next(texts) for _ in range(10_000)] == ["good"] * 10_000
    with pytest.raises(DataError, match=r"text\.txt, line 10001: is not UTF-8 \(byte 0xff"):
        next(texts)


def test_passages_and_data_sets_are_texts(tmp_path: Path, demo_files: tuple[Path, Path]) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_text(json.dumps({"id": "1", "title": "t", "text": "a passage"}) + "\n", encoding="utf-8")
    assert list(PlainText(str(path))) == ["a passage"]
    whole = list(PlainText(f"squad:{demo_files[0]}"))
    some = list(PlainText(f"squad:{demo_files[0]}@:1"))
    assert 0 < len(some) < len(whole)
    assert set(some) < set(whole)
    assert len(set(some)) == len(some)


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        list(PlainText(str(tmp_path / "none.txt")))
