from __future__ import annotations

from pathlib import Path

import pytest

from dpr.errors import IndexFormatError
from dpr.store.current import current_number, write_current
from dpr.store.layout import IndexLayout


def test_what_is_written_is_read(tmp_path: Path) -> None:
    for number in (1, 42):
        write_current(IndexLayout(tmp_path), number)
        assert current_number(tmp_path) == number


def test_any_flipped_bit_is_refused_or_says_nothing(tmp_path: Path) -> None:
    write_current(IndexLayout(tmp_path), 42)
    sound = (tmp_path / "CURRENT").read_bytes()
    for bit in range(8 * (len(sound) - 1)):  # the last byte ends the line
        flipped = bytearray(sound)
        flipped[bit // 8] ^= 1 << bit % 8
        (tmp_path / "CURRENT").write_bytes(flipped)
        with pytest.raises(IndexFormatError, match="CURRENT contains"):
            current_number(tmp_path)


def test_a_name_alone_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "CURRENT").write_text("000042\n", encoding="utf-8")
    assert current_number(tmp_path) == 42
