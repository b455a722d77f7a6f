"""The picture of similarities: a PNG file with labels that can be read, whatever the questions are written in."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from matplotlib.font_manager import fontManager

from dpr.benchmark import heatmap
from dpr.benchmark.heatmap import Panel, draw_similarities, in_lines, number_text, readable_font, shortened
from dpr.errors import MissingDependencyError
from dpr.types import FloatArray

KOREAN = ["한라산 정상에 있는 화구호의 이름은 무엇인가?", "수도는?"]


def matrix(size: int) -> FloatArray:
    return np.random.default_rng(size).uniform(-1, 1, (size, size)).astype(np.float32)


def size_of(path: Path) -> tuple[int, int]:
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def hangul_font(path: Path, name: str) -> Path:
    """Make a font that knows the letters of KOREAN, without a shape."""
    builder_module = pytest.importorskip("fontTools.fontBuilder")  # comes with matplotlib
    outlines = pytest.importorskip("fontTools.ttLib.tables._g_l_y_f")
    letters = sorted({letter for text in KOREAN for letter in text} | set("0123456789. "))
    glyphs = [".notdef", *(f"uni{ord(letter):04X}" for letter in letters)]
    builder = builder_module.FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(glyphs)
    builder.setupCharacterMap({ord(letter): f"uni{ord(letter):04X}" for letter in letters})
    builder.setupGlyf({glyph: outlines.Glyph() for glyph in glyphs})
    builder.setupHorizontalMetrics(dict.fromkeys(glyphs, (900, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": name, "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)
    return path


def test_two_matrices_stand_side_by_side(tmp_path: Path) -> None:
    questions = [
        "How much is $5 in $\\frac{1}{2}$?",
        "Who wrote it, and when, and where, for whom, and why at all?",
    ]
    panels = [Panel("before", "base", matrix(2)), Panel("after", "runs/" + "long/" * 20, matrix(2))]
    draw_similarities(tmp_path / "out" / "two.png", panels, questions, "cosine")
    draw_similarities(tmp_path / "one.png", panels[:1], questions, "cosine")
    two, one = size_of(tmp_path / "out" / "two.png"), size_of(tmp_path / "one.png")
    assert two[1] == pytest.approx(one[1], abs=2)
    assert two[0] > one[0]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["two.png"]


@pytest.mark.parametrize("size", [1, 17, 50])
def test_few_and_many_questions(tmp_path: Path, size: int) -> None:
    draw_similarities(tmp_path / "x.png", [Panel("after", "x", matrix(size) * 90)], ["why so?"] * size, "inner product")
    assert max(size_of(tmp_path / "x.png")) < 2400


def test_letters_that_no_font_has_leave_the_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing glyphs are warnings, which are errors here."""
    monkeypatch.setattr(heatmap, "KOREAN_FONTS", ())
    assert readable_font(["plain", "café – 5 €"]) == "DejaVu Sans"
    assert readable_font(KOREAN) is None
    draw_similarities(tmp_path / "x.png", [Panel("after", "한국어 모델", matrix(2))], KOREAN, "cosine")
    assert size_of(tmp_path / "x.png")


def test_an_installed_font_with_hangul_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fontManager, "ttflist", list(fontManager.ttflist))
    monkeypatch.setattr(heatmap, "KOREAN_FONTS", ("Absent", "Some Hangul"))
    fontManager.addfont(hangul_font(tmp_path / "hangul.ttf", "Some Hangul"))
    assert readable_font(KOREAN) == "Some Hangul"
    assert readable_font([*KOREAN, "漢"]) is None
    draw_similarities(tmp_path / "x.png", [Panel("after", "base", matrix(2))], KOREAN, "cosine")
    assert size_of(tmp_path / "x.png")


def test_shortened_counts_columns() -> None:
    assert shortened("a  b\nc", 5) == "a b c"
    assert shortened("abcdef", 6) == "abcdef"
    assert shortened("abc defgh", 5) == "abc…"
    assert shortened("가나다라", 8) == "가나다라"
    assert shortened("가나다라", 7) == "가나다…"


def test_lines_hold_the_whole_text() -> None:
    question = "조선 시대에 한양 도성의 동쪽을 지키던 문으로 오늘날 서울 종로구에 있는 보물은 무엇인가?"
    lines = in_lines(question, 40, 4).split("\n")
    assert " ".join(lines) == question
    assert len(lines) == 3
    unbroken = "대한민국임시정부수립기념관건립추진위원회는몇년에만들어졌는가"
    assert in_lines(f"4. {unbroken}", 41, 4).replace("\n", "") == f"4. {unbroken}"
    assert in_lines(f"4. {unbroken}", 41, 4).startswith("4. 대한민국임시정부수립기념관건립추진위원\n")
    assert in_lines("가나다라 마", 7, 4) == "가나다\n라 마"
    assert in_lines("", 40, 4) == ""


def test_a_text_of_more_lines_is_cut() -> None:
    assert in_lines("one two three four five", 5, 3) == "one\ntwo\nthre…"
    assert in_lines("가" * 2000, 40, 4).count("\n") == 3


def test_a_picture_is_as_large_as_its_labels_need(tmp_path: Path) -> None:
    panels = [Panel("after", "x", matrix(20))]
    for name, question in {
        "short": "why?",
        "long": "Who wrote it, and when, and where, for whom, and why? " * 3,
    }.items():
        draw_similarities(tmp_path / f"{name}.png", panels, [question] * 20, "cosine")
    short, long = size_of(tmp_path / "short.png"), size_of(tmp_path / "long.png")
    assert long[0] > short[0]
    assert long[1] > short[1]


def test_a_number_rounded_to_nothing_has_no_sign() -> None:
    assert [number_text(value, 2) for value in (-0.004, -0.006, 0.125, 61.0)] == ["0.00", "-0.01", "0.12", "61.00"]
    assert number_text(-0.4, 0) == "0"


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("dpr.benchmark.charts.find_spec", lambda _package: None)
    with pytest.raises(MissingDependencyError, match=r"\[report\]"):
        draw_similarities(tmp_path / "x.png", [Panel("after", "x", matrix(1))], ["a"], "cosine")
